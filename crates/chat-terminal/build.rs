//! Finds out which commit this is, for `--version`.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// What `git archive` writes the commit into (gitattributes(5), `export-subst`).
const ARCHIVED: &str = "commit.txt";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={ARCHIVED}");
    // Whoever develops would otherwise build everything anew after each commit.
    if env::var("PROFILE").as_deref() == Ok("debug") {
        println!("cargo::rustc-env=CHAT_COMMIT=debug build");
        return;
    }
    let commit = archived().or_else(of_work_tree).unwrap_or_default();
    println!("cargo::rustc-env=CHAT_COMMIT={commit}");
}

/// The commit of a source archive: its hash, shortened, and its day.
fn archived() -> Option<String> {
    let text = fs::read_to_string(ARCHIVED).ok()?;
    let (hash, day) = text.trim().split_once(' ')?;
    let is_hash = hash.len() >= 12 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| format!("{} {day}", &hash[..12]))
}

/// The same of a work tree, with a `+` if it was changed since.
fn of_work_tree() -> Option<String> {
    // An archive may lie in a work tree of something else.
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", file])?;
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let commit = git(&["log", "-1", "--abbrev=12", "--format=%h %cs"])?;
    let (hash, day) = commit.split_once(' ')?;
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    let mark = if changes.is_empty() { "" } else { "+" };
    Some(format!("{hash}{mark} {day}"))
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let printed = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| printed.trim().to_owned())
}
