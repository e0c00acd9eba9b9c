//! All carriers of this program, as one.

use std::time::Duration;

use chat_core::transport::tcp::TcpDialer;
use chat_core::transport::{Dial, DialError, HostPort, Packets, Routes, Stream};
use chat_core::trust::Number;
#[cfg(feature = "reach")]
use chat_reach::ReachDialer;
use chat_terminal::runtime::Failure;
use chat_terminal::{exit, locale};

/// A way to somebody, over the carrier that leads there.
#[derive(Clone)]
pub enum Carrier {
    /// To an address.
    Tcp(TcpDialer),
    /// To a number.
    #[cfg(feature = "reach")]
    Reach(ReachDialer),
}

impl Carrier {
    /// To a host; all of it may take as long as `limit`.
    pub fn to_host(host: HostPort, limit: Duration) -> Self {
        Self::Tcp(TcpDialer::new(host, limit))
    }

    /// To a number; all of it may take as long as `limit`.
    ///
    /// # Errors
    /// It is nobody's.
    #[cfg(feature = "reach")]
    pub fn to_number(number: &Number, limit: Duration) -> Result<Self, Failure> {
        let dialer = ReachDialer::new(number, limit);
        let told = || locale::text().impossible_number(number);
        dialer
            .map(Self::Reach)
            .map_err(|_| Failure::new(exit::FAILED, told()))
    }

    /// To a number.
    ///
    /// # Errors
    /// The program was built without relays.
    #[cfg(not(feature = "reach"))]
    pub fn to_number(_: &Number, _: Duration) -> Result<Self, Failure> {
        let told = locale::text().no_reach("chat-client");
        Err(Failure::new(exit::FAILED, told))
    }

    /// Ends what is still under way, after the call.
    pub async fn close(&self) {
        match self {
            Self::Tcp(_) => {}
            #[cfg(feature = "reach")]
            Self::Reach(dialer) => dialer.close().await,
        }
    }
}

impl Dial for Carrier {
    type Stream = Box<dyn Stream>;

    fn address(&self) -> String {
        match self {
            Self::Tcp(dialer) => dialer.address(),
            #[cfg(feature = "reach")]
            Self::Reach(dialer) => dialer.address(),
        }
    }

    fn limit(&self) -> Duration {
        match self {
            Self::Tcp(dialer) => dialer.limit(),
            #[cfg(feature = "reach")]
            Self::Reach(dialer) => dialer.limit(),
        }
    }

    async fn dial(&self, packets: Packets) -> Result<Box<dyn Stream>, DialError> {
        Ok(match self {
            Self::Tcp(dialer) => Box::new(dialer.dial(packets).await?),
            #[cfg(feature = "reach")]
            Self::Reach(dialer) => Box::new(dialer.dial(packets).await?),
        })
    }

    fn routes(&self) -> Option<Routes> {
        match self {
            Self::Tcp(dialer) => dialer.routes(),
            #[cfg(feature = "reach")]
            Self::Reach(dialer) => dialer.routes(),
        }
    }

    async fn moved(&self) {
        match self {
            Self::Tcp(dialer) => dialer.moved().await,
            #[cfg(feature = "reach")]
            Self::Reach(dialer) => dialer.moved().await,
        }
    }
}
