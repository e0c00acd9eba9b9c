//! A way that can be cut.

use std::time::Duration;

use chat_core::transport::{Dial, DialError, Packets, Routes};
use tokio::io::{DuplexStream, copy_bidirectional, duplex};
use tokio::sync::watch;

/// What a stream holds that nobody reads.
const ROOM: usize = 64 * 1024;

/// A dialer whose streams can be cut.
#[derive(Clone)]
pub struct Cuttable<D> {
    dialer: D,
    cuts: watch::Receiver<()>,
}

/// Cuts them.
pub struct Scissors(watch::Sender<()>);

pub fn cuttable<D>(dialer: D) -> (Cuttable<D>, Scissors) {
    let (cut, cuts) = watch::channel(());
    (Cuttable { dialer, cuts }, Scissors(cut))
}

impl Scissors {
    /// Cuts all streams that there are.
    pub fn cut(&self) {
        self.0.send_replace(());
    }
}

impl<D: Dial> Dial for Cuttable<D> {
    type Stream = DuplexStream;

    fn address(&self) -> String {
        self.dialer.address()
    }

    fn limit(&self) -> Duration {
        self.dialer.limit()
    }

    async fn dial(&self, packets: Packets) -> Result<DuplexStream, DialError> {
        let mut far = self.dialer.dial(packets).await?;
        let (near, mut here) = duplex(ROOM);
        let mut cuts = self.cuts.clone();
        cuts.mark_unchanged();
        tokio::spawn(async move {
            tokio::select! {
                _ = copy_bidirectional(&mut here, &mut far) => {}
                _ = cuts.changed() => {}
            }
        });
        Ok(near)
    }

    fn routes(&self) -> Option<Routes> {
        self.dialer.routes()
    }

    async fn moved(&self) {
        self.dialer.moved().await;
    }
}
