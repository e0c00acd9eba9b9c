//! Why a program does not start: its arguments, its socket, its log.

use std::env::consts::{ARCH, OS};
use std::net::SocketAddr;
use std::path::Path;

use chat_core::transport::TargetError;
use chat_core::trust::{Fingerprint, InvalidNumber, Number};

use super::English;
use crate::locale::Start;
use crate::text::sanitize;

impl Start for English {
    fn build(&self, reach: bool) -> String {
        let features = if reach { "reach" } else { "none" };
        let linkage = if cfg!(target_feature = "crt-static") {
            "static"
        } else {
            "dynamic"
        };
        format!(
            "features: {features}\nprotocol: chat/1, plain lines\n\
             encryption: TLS 1.3, X25519MLKEM768, Ed25519\n\
             system: {OS} {ARCH}, {linkage}"
        )
    }

    fn no_data_dir(&self) -> &'static str {
        "no home directory is known: set CHAT_HOME to a directory of your own"
    }

    fn no_fingerprint(&self) -> &'static str {
        "a fingerprint is SHA256: and the 44 characters of base64 after it"
    }

    fn no_agent_key(&self) -> &'static str {
        "write it like agent:SHA256:… with the fingerprint that ssh-add -l shows"
    }

    fn no_listen_address(&self) -> &'static str {
        "write it like 7788, 127.0.0.1:7788 or [::1]:7788"
    }

    fn target_error(&self, error: &TargetError) -> String {
        match error {
            TargetError::NoHost => "write it like HOST, HOST:PORT or [::1]:7788".into(),
            TargetError::NoBracket => "a ] is missing".into(),
            TargetError::AfterBracket => "write a : and the port after the ]".into(),
            TargetError::NoPort(port) => format!("{port:?} is not a port"),
            TargetError::Key(_) => self.no_fingerprint().into(),
            TargetError::Number(InvalidNumber::Key) => {
                "the key before the @ has 64 digits, from 0 to f: copy the whole line".into()
            }
            TargetError::Number(InvalidNumber::Relay) => "write a relay after the @".into(),
        }
    }

    fn how_to_write_a_port(&self, target: &str) -> String {
        format!("the port follows a colon: chat-client {target}")
    }

    fn no_reach(&self, program: &str) -> String {
        format!(
            "this {program} was built without relays; build it with: cargo install --path \
             crates/{program} --features reach"
        )
    }

    fn no_relay(&self, text: &str) -> String {
        format!(
            "{text:?} is not a relay: write it like relay.example.org, or n0 for the public ones"
        )
    }

    fn impossible_number(&self, number: &Number) -> String {
        format!("nobody can have the number {number}: copy the whole line")
    }

    fn cannot_use_relays(&self, why: &str) -> String {
        format!("this machine cannot use relays: {why}")
    }

    fn announced(&self, name: Option<&str>, own_key: Fingerprint) -> String {
        let key = own_key.short();
        match name.and_then(sanitize::name) {
            Some(name) => {
                format!("Everybody in this network can see that {name} ({key}) waits here.")
            }
            None => {
                format!("Everybody in this network can see that {key} waits here, without a name.")
            }
        }
    }

    fn cannot_announce(&self, why: &str) -> String {
        format!("This server cannot be found by --announce: {why}. It can still be called.")
    }

    fn nothing_to_announce(&self, address: SocketAddr) -> String {
        format!(
            "nobody else can reach {address}, so there is nothing to announce: leave out --announce, \
             or the address"
        )
    }

    fn no_key_to_wait_for(&self, address: &str) -> String {
        format!(
            "{address} was never called, so it is not known whom to wait for: call once without --when-there, or give --peer-key"
        )
    }

    fn no_answer_text(&self) -> &'static str {
        "one line of 1 to 256 bytes is expected"
    }

    fn no_program(&self) -> &'static str {
        "it is not a program: make it executable with chmod +x"
    }

    fn no_time(&self) -> &'static str {
        "it must be longer than zero; write it like 10s or 5m"
    }

    fn time_too_long(&self) -> &'static str {
        "it must be less than a year; write it like 10s or 5m"
    }

    fn not_a_time(&self, why: &str) -> String {
        format!("{why}; write it like 10s or 5m")
    }

    fn cannot_listen(&self, address: SocketAddr, why: &str) -> String {
        format!("cannot listen on {address}: {why}")
    }

    fn port_is_taken(&self, address: SocketAddr, why: &str, instead: &str) -> String {
        format!("cannot listen on {address}: {why}; to use another port: {instead}")
    }

    fn address_is_elsewhere(&self, address: SocketAddr, why: &str, instead: &str) -> String {
        format!(
            "cannot listen on {address}: {why}; name an address of this machine, or none: {instead}"
        )
    }

    fn port_is_privileged(&self, address: SocketAddr, why: &str, instead: &str) -> String {
        format!("cannot listen on {address}: {why}; take a port from 1024 up: {instead}")
    }

    fn cannot_use_passed_socket(&self, why: &str) -> String {
        format!(
            "cannot listen on the socket that was passed: {why}; give the socket unit one ListenStream="
        )
    }

    fn cannot_log(&self, path: &Path, why: &str) -> String {
        format!("cannot log to {}: {why}", path.display())
    }

    fn log_is_symlink(&self) -> &'static str {
        "it is a symbolic link"
    }

    fn log_is_no_file(&self) -> &'static str {
        "it is not a regular file"
    }

    fn log_is_full(&self, bytes: u64) -> String {
        format!("it is full, with {bytes} bytes: remove it or name another")
    }
}
