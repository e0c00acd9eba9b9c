//! What is done with keys instead of a call: forget one, accept one, make another.

use chat_core::files::Store;
use chat_core::journal::Calls;
use chat_core::trust::{self, Fingerprint, Identity, KnownPeers};

use crate::app::args::{CommonArgs, fingerprint};
use crate::app::exit;
use crate::app::runtime::Failure;
use crate::locale;

/// Does what the user wants to be done with keys instead of a call, and reports it on stderr.
/// Returns whether there was anything.
///
/// # Errors
/// It is not clear who is meant, or the files of keys cannot be used.
pub fn manage(args: &CommonArgs) -> Result<bool, Failure> {
    let told = if let Some(who) = &args.forget {
        forget(who)?
    } else if let Some([who, key]) = args.accept_key.as_deref() {
        let key = fingerprint(key).map_err(|told| Failure::new(exit::USAGE, told))?;
        accept_key(who, key)?
    } else if args.new_key {
        new_key()?
    } else {
        return Ok(false);
    };
    eprintln!("{told}");
    Ok(true)
}

/// Forgets the peer of this name or fingerprint, what was said with it, and the offers that are open.
fn forget(who: &str) -> Result<String, Failure> {
    let data_dir = trust::data_dir()?;
    let forgotten = KnownPeers::open(&data_dir)?.forget(who)?;
    let (calls, offers) = (Calls::open(&data_dir)?, Store::open(&data_dir)?);
    for peer in &forgotten {
        calls.forget(peer.fingerprint)?;
        offers.forget(peer.fingerprint);
    }
    Ok(locale::text().forgotten(&forgotten))
}

/// Knows the peer of this name or fingerprint by another key, which has what was said with it and
/// the offers that are open.
fn accept_key(who: &str, key: Fingerprint) -> Result<String, Failure> {
    let data_dir = trust::data_dir()?;
    let known = KnownPeers::open(&data_dir)?.accept_key(who, key)?;
    Calls::open(&data_dir)?.hand_over(known.fingerprint, key)?;
    Store::open(&data_dir)?.hand_over(known.fingerprint, key)?;
    Ok(locale::text().key_accepted(&known, key))
}

/// Makes this user another key.
fn new_key() -> Result<String, Failure> {
    let new = Identity::replace(&trust::data_dir()?)?;
    let old = new.replaces().first().copied().unwrap_or(new.fingerprint());
    Ok(locale::text().new_key(old, new.fingerprint()))
}
