//! `--reach`: calls from anywhere, if the program was built with that.

use std::path::Path;

use chat_core::transport::{Listeners, RelayStatus};
use chat_core::trust::Number;
use chat_terminal::runtime::Failure;
use chat_terminal::{exit, locale};
use tokio::sync::watch;

/// The number of this side, and whether the relay in it is there.
pub type Waiting = (Number, watch::Receiver<RelayStatus>);

/// Waits at `relay` too, under the key in `data_dir`.
#[cfg(feature = "reach")]
pub async fn listen(
    relay: &str,
    data_dir: &Path,
    listeners: &mut Listeners,
) -> Result<Waiting, Failure> {
    use chat_core::transport::KeyringError;
    use chat_core::trust::Identity;
    use chat_reach::{ReachListener, Relay};

    let failure = |told| Failure::new(exit::FAILED, told);
    let relay: Relay = relay
        .parse()
        .map_err(|_| failure(locale::text().no_relay(relay)))?;
    let seed = Identity::seed(data_dir).map_err(KeyringError::from)?;
    let listener = ReachListener::bind(&relay, &seed).await;
    let listener =
        listener.map_err(|error| failure(locale::text().cannot_use_relays(&error.to_string())))?;
    let waiting = (listener.number(), listener.status());
    listeners.add(listener);
    Ok(waiting)
}

/// Says how to get it.
#[cfg(not(feature = "reach"))]
pub async fn listen(_: &str, _: &Path, _: &mut Listeners) -> Result<Waiting, Failure> {
    let told = locale::text().no_reach("chat-server");
    Err(Failure::new(exit::FAILED, told))
}
