//! Under a service manager: the socket that it passes (sd_listen_fds(3)), and what it is told
//! (sd_notify(3)).

use std::io;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::net::TcpListener;

/// The socket to listen on that the service manager has passed, if it has passed one. Needs a
/// runtime.
///
/// # Errors
/// It is no TCP socket that listens, or not the only one.
pub fn passed_listener() -> io::Result<Option<TcpListener>> {
    let mut passed = ListenFd::from_env();
    if passed.len() > 1 {
        return Err(io::Error::other("there are several, and one is needed"));
    }
    let Some(listener) = passed.take_tcp_listener(0)? else {
        return Ok(None);
    };
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener).map(Some)
}

/// Tells the service manager that calls are taken from now on.
pub fn tell_ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Tells the service manager that no more calls are taken.
pub fn tell_stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot tell the service manager");
    }
}
