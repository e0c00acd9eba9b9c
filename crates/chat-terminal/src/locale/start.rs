//! Why a program does not start: its arguments, its socket, its log.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use chat_core::DEFAULT_PORT;
use chat_core::transport::TargetError;
use chat_core::trust::{Fingerprint, Number};

use super::Language;
use crate::app::logging::LogError;

/// Why a program does not start.
pub trait Start {
    /// What a build can do, for `--version`, one matter a line. `reach`: it was built with that
    /// feature.
    fn build(&self, reach: bool) -> String;

    /// There is no directory for the user's files.
    fn no_data_dir(&self) -> &'static str;

    /// A text that is no fingerprint.
    fn no_fingerprint(&self) -> &'static str;

    /// A text that names no key of an agent.
    fn no_agent_key(&self) -> &'static str;

    /// A text that does not say where to listen.
    fn no_listen_address(&self) -> &'static str;

    /// A text that does not say whom to call.
    fn target_error(&self, error: &TargetError) -> String;

    /// A port that follows the host after a blank; this is what was meant.
    fn how_to_write_a_port(&self, target: &str) -> String;

    /// `--reach` or `KEY@RELAY` in a program that knows no relays.
    fn no_reach(&self, program: &str) -> String;

    /// What stands where a relay should.
    fn no_relay(&self, text: &str) -> String;

    /// A number that nobody can have.
    fn impossible_number(&self, number: &Number) -> String;

    /// This machine cannot use relays.
    fn cannot_use_relays(&self, why: &str) -> String;

    /// A server that makes itself found in the local network, under this name if it tells one.
    fn announced(&self, name: Option<&str>, own_key: Fingerprint) -> String;

    /// A server that cannot make itself found.
    fn cannot_announce(&self, why: &str) -> String;

    /// A server that nobody else can reach, and that is to make itself found.
    fn nothing_to_announce(&self, address: SocketAddr) -> String;

    /// `--when-there` to an address at which no key is known.
    fn no_key_to_wait_for(&self, address: &str) -> String;

    /// The text of `--answer` cannot be used.
    fn no_answer_text(&self) -> &'static str;

    /// A file that cannot be run.
    fn no_program(&self) -> &'static str;

    /// A duration of zero.
    fn no_time(&self) -> &'static str;

    /// A duration that is too long.
    fn time_too_long(&self) -> &'static str;

    /// A text that is no duration.
    fn not_a_time(&self, why: &str) -> String;

    /// A server cannot listen.
    fn cannot_listen(&self, address: SocketAddr, why: &str) -> String;

    /// The same, because another program listens there; this command would do.
    fn port_is_taken(&self, address: SocketAddr, why: &str, instead: &str) -> String;

    /// The same, because this machine has no such address; this command would do.
    fn address_is_elsewhere(&self, address: SocketAddr, why: &str, instead: &str) -> String;

    /// The same, because the port is for the superuser; this command would do.
    fn port_is_privileged(&self, address: SocketAddr, why: &str, instead: &str) -> String;

    /// Why the socket that a service manager has passed is no use.
    fn cannot_use_passed_socket(&self, why: &str) -> String;

    /// The log file cannot be used.
    fn cannot_log(&self, path: &Path, why: &str) -> String;

    /// A log file that is a symbolic link.
    fn log_is_symlink(&self) -> &'static str;

    /// A log file that is none.
    fn log_is_no_file(&self) -> &'static str;

    /// A log file that takes no more.
    fn log_is_full(&self, bytes: u64) -> String;
}

impl dyn Language + '_ {
    /// A port that follows the host after a blank.
    pub fn port_after_colon(&self, host: &str, port: &str) -> String {
        let host = match host.contains(':') {
            true => format!("[{host}]"),
            false => host.to_owned(),
        };
        self.how_to_write_a_port(&format!("{host}:{port}"))
    }

    /// Why a server cannot start, and what to try instead.
    pub fn cannot_serve(&self, address: SocketAddr, error: &io::Error) -> String {
        let at_port = |port| match address.ip().is_unspecified() {
            true => format!("chat-server {port}"),
            false => format!("chat-server {}", SocketAddr::new(address.ip(), port)),
        };
        let why = self.system(error);
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                let port = address.port().checked_add(1).unwrap_or(DEFAULT_PORT);
                self.port_is_taken(address, &why, &at_port(port))
            }
            io::ErrorKind::AddrNotAvailable => {
                let instead = format!("chat-server {}", address.port());
                self.address_is_elsewhere(address, &why, &instead)
            }
            io::ErrorKind::PermissionDenied if address.port() < 1024 => {
                self.port_is_privileged(address, &why, &at_port(DEFAULT_PORT))
            }
            _ => self.cannot_listen(address, &why),
        }
    }

    /// The log file cannot be used.
    pub(crate) fn log_error(&self, path: &Path, error: &LogError) -> String {
        let why = match error {
            LogError::Symlink => self.log_is_symlink().to_owned(),
            LogError::NoFile => self.log_is_no_file().to_owned(),
            LogError::Full(bytes) => self.log_is_full(*bytes),
            LogError::Io(error) => self.system(error),
        };
        self.cannot_log(path, &why)
    }
}

#[cfg(test)]
mod tests {
    use crate::locale::text;

    #[test]
    fn who_cannot_listen_is_told_what_helps() {
        use std::io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied, Unsupported};
        for (kind, address, advice) in [
            (AddrInUse, "[::]:7788", "another port: chat-server 7789"),
            (AddrInUse, "[::1]:65535", "port: chat-server [::1]:7788"),
            (AddrNotAvailable, "192.0.2.1:99", "or none: chat-server 99"),
            (
                PermissionDenied,
                "[::]:80",
                "from 1024 up: chat-server 7788",
            ),
            (PermissionDenied, "[::1]:80", "up: chat-server [::1]:7788"),
            (PermissionDenied, "[::1]:7788", "permission denied"),
            (Unsupported, "[::1]:7788", "unsupported"),
        ] {
            let at = address.parse().expect("an address");
            let told = text().cannot_serve(at, &kind.into());
            assert!(told.starts_with(&format!("cannot listen on {address}: ")));
            assert!(told.ends_with(advice), "{told}");
        }
    }
}
