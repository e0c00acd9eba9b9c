//! Addresses that differ and lead to the same place.

/// How this machine is called on itself.
const THIS_MACHINE: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// An address, `HOST:PORT`, in the one spelling that all of the same place have.
pub(super) fn place(address: &str) -> String {
    let address = address.to_ascii_lowercase();
    match address.rsplit_once(':') {
        Some((host, port)) if THIS_MACHINE.contains(&host) => format!("localhost:{port}"),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_one_place_under_all_its_names() {
        for address in ["localhost:99", "LocalHost:99", "127.0.0.1:99", "[::1]:99"] {
            assert_eq!(place(address), "localhost:99");
        }
        for (one, other) in [
            ("localhost:99", "localhost:98"),
            ("localhost:99", "127.0.0.2:99"),
            ("localhost:99", "localhost.example:99"),
        ] {
            assert_ne!(place(one), place(other));
        }
        assert_eq!(place("Ann.Example:99"), place("ann.example:99"));
    }
}
