//! What `--version` tells.

use std::sync::{LazyLock, OnceLock};

use crate::locale;

/// For `-V`: the version and the commit, as far as it is known.
pub fn short() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| match env!("CHAT_COMMIT") {
        "" => env!("CARGO_PKG_VERSION").to_owned(),
        commit => format!("{} ({commit})", env!("CARGO_PKG_VERSION")),
    });
    &TEXT
}

/// For `--version`: with what this build can do, in the language of this user. `reach`: it was
/// built with that feature.
pub fn long(reach: bool) -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let build = locale::text().build(reach);
        format!("{}\n{build}", short())
    })
}
