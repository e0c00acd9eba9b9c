//! What `--version` tells.

use std::sync::LazyLock;

/// For `-V`: the version and the commit, as far as it is known.
pub fn short() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| match env!("CHAT_COMMIT") {
        "" => env!("CARGO_PKG_VERSION").to_owned(),
        commit => format!("{} ({commit})", env!("CARGO_PKG_VERSION")),
    });
    &TEXT
}

/// For `--version`: with what this build can do, one feature a line.
pub fn long() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let linkage = if cfg!(target_feature = "crt-static") {
            "static"
        } else {
            "dynamic"
        };
        format!(
            "{}\nprotocol: chat/1, plain lines\n\
             encryption: TLS 1.3, X25519MLKEM768, Ed25519\n\
             system: {} {}, {linkage}",
            short(),
            std::env::consts::OS,
            std::env::consts::ARCH
        )
    });
    &TEXT
}
