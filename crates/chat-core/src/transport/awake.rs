//! Whether this machine has slept. Its clock for timers stands still meanwhile, so that no timer
//! notices.

use std::time::Duration;

#[cfg(target_os = "linux")]
pub(crate) use linux::asleep;
#[cfg(target_os = "linux")]
pub(super) use linux::slept;

/// A shorter sleep breaks no connection.
pub(crate) const NAP: Duration = Duration::from_secs(1);

/// How long this machine has slept since it was started; nothing on this system, which does not
/// tell.
#[cfg(not(target_os = "linux"))]
pub(crate) fn asleep() -> Duration {
    Duration::ZERO
}

/// Waits for ever: this system does not tell.
#[cfg(not(target_os = "linux"))]
pub(super) async fn slept() {
    std::future::pending().await
}

#[cfg(target_os = "linux")]
mod linux {
    use std::future::pending;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use rustix::io::{Errno, read};
    use rustix::time::{
        ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec,
        clock_gettime, timerfd_create, timerfd_settime,
    };
    use tokio::io::Interest;

    use super::NAP;
    use crate::transport::readable;

    /// Waits until this machine has woken up from a sleep. It costs nothing meanwhile. Cancel safe,
    /// but a sleep between two calls is not noticed.
    pub(in super::super) async fn slept() {
        let before = asleep();
        if let Err(error) = until_slept_since(before).await {
            tracing::debug!(%error, "a sleep of this machine is not noticed");
            pending().await
        }
    }

    async fn until_slept_since(before: Duration) -> io::Result<()> {
        while asleep().saturating_sub(before) < NAP {
            let timer = readable(clock_watch()?)?;
            timer.async_io(Interest::READABLE, until_clock_set).await?;
        }
        Ok(())
    }

    /// How long this machine has slept since it was started: one clock counts that, the other not.
    pub(crate) fn asleep() -> Duration {
        let since_boot = |clock| Duration::try_from(clock_gettime(clock)).unwrap_or_default();
        let awake = since_boot(ClockId::Monotonic);
        since_boot(ClockId::Boottime).saturating_sub(awake)
    }

    /// A timer that never rings, but is cancelled when the clock is set (timerfd_create(2)), which
    /// the kernel does whenever it wakes up.
    fn clock_watch() -> io::Result<OwnedFd> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Realtime, flags)?;
        let never = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec {
                tv_sec: i64::MAX / 1_000_000_000,
                tv_nsec: 0,
            },
        };
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        timerfd_settime(&timer, flags, &never)?;
        Ok(timer)
    }

    fn until_clock_set(timer: &OwnedFd) -> io::Result<()> {
        match read(timer, &mut [0; 8]) {
            Ok(_) | Err(Errno::CANCELED) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
