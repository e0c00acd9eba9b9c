//! The screen within a real tmux, which keeps a scrollback of its own. Skipped where there is none.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use chat_testkit::process::program;
use chat_testkit::{NEVER, home};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// A tmux with one window, in which a server waits for calls.
struct Tmux {
    home: TempDir,
}

impl Tmux {
    /// `None` if there is no tmux here.
    fn start() -> Option<Self> {
        let tmux = Self { home: home() };
        let server = program("chat-server");
        let server = format!("{} 127.0.0.1:0", server.display());
        let begin = ["-f", "/dev/null", "new-session", "-d", "-x80", "-y24"];
        let started = tmux.command(&begin).arg(server).output();
        let started = started.ok().or_else(|| {
            eprintln!("skipped: there is no tmux");
            None
        })?;
        assert!(started.status.success(), "{started:?}");
        Some(tmux)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let home: &Path = self.home.path();
        let mut command = Command::new("tmux");
        command.arg("-S").arg(home.join("tmux")).args(arguments);
        command.env("CHAT_HOME", home).env("LC_ALL", "C.UTF-8");
        command.env_remove("TMUX");
        command
    }

    fn run(&self, arguments: &[&str]) -> String {
        let Output { stdout, .. } = self.command(arguments).output().expect("tmux runs");
        String::from_utf8(stdout).expect("it is text")
    }

    /// The rows of the scrollback and of the screen.
    fn rows(&self) -> Vec<String> {
        let rows = self.run(&["capture-pane", "-p", "-S", "-"]);
        rows.lines().map(str::to_owned).collect()
    }

    fn history(&self) -> String {
        self.run(&["display-message", "-p", "#{history_size}"])
    }

    /// Presses a key, and waits until the rows are so.
    async fn press(&self, key: &str, is_done: impl Fn(&[String]) -> bool) {
        self.run(&["send-keys", key]);
        self.wait_for(is_done).await;
    }

    async fn wait_for(&self, what: impl Fn(&[String]) -> bool) {
        let shown = timeout(NEVER, async {
            while !what(&self.rows()) {
                // tmux tells nobody what its windows show.
                sleep(Duration::from_millis(20)).await;
            }
        });
        shown
            .await
            .unwrap_or_else(|_| panic!("never shown: {:#?}", self.rows()));
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

#[tokio::test]
async fn a_cleared_screen_leaves_no_junk_in_the_scrollback() {
    let Some(tmux) = Tmux::start() else { return };
    let is_row = |rows: &[String], text: &str| rows.iter().any(|row| row.trim_end() == text);
    tmux.wait_for(|rows| is_row(rows, ">")).await;
    let told = tmux.rows().iter().position(|row| row == ">").unwrap_or(0);
    assert!(told > 0, "there are notices above: {:#?}", tmux.rows());
    tmux.press("a", |rows| is_row(rows, "> a")).await;

    // What is above the draft scrolls away, and nothing else.
    let is_first = |rows: &[String]| rows.get(told).is_some_and(|row| row == "> a");
    tmux.press("C-l", is_first).await;
    let history = format!("{told}\n");
    tmux.wait_for(|_| tmux.history() == history).await;
    let mut draft = String::from("> a");
    for key in ["b", "c", "d", "e", "f", "g", "h", "i", "j", "k"] {
        draft += key;
        tmux.press(key, |rows| is_row(rows, &draft)).await;
    }
    assert_eq!(tmux.history(), history, "{:#?}", tmux.rows());
    let drafts = tmux
        .rows()
        .iter()
        .filter(|row| row.starts_with('>'))
        .count();
    assert_eq!(drafts, 1, "{:#?}", tmux.rows());
}
