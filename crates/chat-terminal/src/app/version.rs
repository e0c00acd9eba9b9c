//! What `--version` tells.

use std::sync::{LazyLock, OnceLock};

/// For `-V`: the version and the commit, as far as it is known.
pub fn short() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| match env!("CHAT_COMMIT") {
        "" => env!("CARGO_PKG_VERSION").to_owned(),
        commit => format!("{} ({commit})", env!("CARGO_PKG_VERSION")),
    });
    &TEXT
}

/// For `--version`: with what this build can do, one matter a line. `reach`: it was built with that
/// feature.
pub fn long(reach: bool) -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let features = if reach { "reach" } else { "none" };
        let linkage = if cfg!(target_feature = "crt-static") {
            "static"
        } else {
            "dynamic"
        };
        format!(
            "{}\nfeatures: {features}\nprotocol: chat/1, plain lines\n\
             encryption: TLS 1.3, X25519MLKEM768, Ed25519\n\
             system: {} {}, {linkage}",
            short(),
            std::env::consts::OS,
            std::env::consts::ARCH
        )
    })
}
