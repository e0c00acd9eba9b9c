//! The manual pages, held against the programs they describe.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use chat_testkit::process::program;

/// Both programs and their pages.
const PAGES: [(&str, &str); 2] = [
    ("chat-server", include_str!("../docs/man/chat-server.1")),
    ("chat-client", include_str!("../docs/man/chat-client.1")),
];

/// What a program prints that is called with this option.
fn printed(name: &str, option: &str) -> String {
    let output = Command::new(program(name))
        .arg(option)
        .env("LC_ALL", "C.UTF-8")
        .output();
    let output = output.expect("the program starts");
    assert!(output.status.success(), "{name} {option}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_version_says_which_build_it_is() {
    for (name, _) in PAGES {
        let short = printed(name, "-V");
        let version = format!("{name} {} (", env!("CARGO_PKG_VERSION"));
        assert!(short.starts_with(&version), "{short}");
        let long = printed(name, "--version");
        assert!(long.starts_with(short.trim_end()), "{long}");
        assert!(long.contains("\nprotocol: chat/1"), "{long}");
        // The tests build them as they come.
        assert!(long.contains("\nfeatures: none\n"), "{long}");
    }
}

/// The options that `--help` lists, such as `-n` and `--name`, each once.
fn options(name: &str) -> BTreeSet<String> {
    let help = printed(name, "--help");
    let lines = help.lines().map(str::trim_start);
    let listed = lines.filter(|line| line.starts_with('-'));
    let words = listed.flat_map(|line| line.split([' ', ',']).take(3));
    words
        .filter(|word| word.starts_with('-') && word.len() > 1)
        .filter_map(|word| word.split(['.', '[', '=']).next())
        .map(str::to_owned)
        .collect()
}

/// The options that a manual page has an entry for.
fn described(page: &str) -> BTreeSet<String> {
    let entries = page.lines().filter_map(|line| line.strip_prefix(".It "));
    let flags = entries.flat_map(|entry| entry.split("Fl ").skip(1));
    flags
        .filter_map(|flag| flag.split([' ', ',']).next())
        .map(|flag| format!("-{flag}"))
        .collect()
}

#[test]
fn the_manual_has_each_option_and_no_other() {
    for (name, page) in PAGES {
        let (options, described) = (options(name), described(page));
        assert!(options.len() > 10, "{name}: {options:?}");
        let missing: Vec<_> = options.difference(&described).collect();
        let stale: Vec<_> = described.difference(&options).collect();
        assert!(
            missing.is_empty() && stale.is_empty(),
            "docs/man/{name}.1: missing {missing:?}, not there any more {stale:?}"
        );
    }
}

/// The page about both programs, in either language.
const SHARED: [&str; 2] = [
    include_str!("../docs/man/chat.7"),
    include_str!("../docs/man/zh_CN/chat.7"),
];

/// What the entries of a page are called in Chinese.
const TERMS: [(&str, &str); 12] = [
    ("回车", "Enter"),
    ("↑", "Up"),
    ("↓", "Down"),
    ("←", "Left"),
    ("→", "Right"),
    ("，", ", "),
    ("已加密", "encrypted"),
    ("未加密", "NOT ENCRYPTED"),
    ("首次通话", "new"),
    ("已核实", "verified"),
    ("未核实", "unverified"),
    ("对方无密钥", "no key"),
];

/// What each section of a page has in any language: subsections, paragraphs, entries with the
/// places of their arguments, and the options that it names.
fn skeleton(page: &str) -> Vec<Vec<String>> {
    let mut sections: Vec<Vec<String>> = Vec::new();
    for line in page.lines().filter_map(|line| line.strip_prefix('.')) {
        let (name, words) = line.split_once(' ').unwrap_or((line, ""));
        let part = match name {
            "Sh" => {
                sections.push(Vec::new());
                continue;
            }
            "Ss" | "Pp" => name.to_owned(),
            "It" => format!("It {}", without_arguments(words)),
            "Fl" => format!("Fl {}", words.split(' ').next().unwrap_or_default()),
            _ => continue,
        };
        sections.last_mut().expect("a section").push(part);
    }
    // Sentences name options in the order of their language.
    sections.iter_mut().for_each(|section| section.sort());
    sections
}

fn without_arguments(entry: &str) -> String {
    let entry = TERMS
        .iter()
        .fold(entry.to_owned(), |entry, (chinese, english)| {
            entry.replace(chinese, english)
        });
    let mut parts = entry.split("Ar ");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once(' ').map_or("", |(_, rest)| rest));
    rest.fold(first, |entry, rest| entry + "Ar _ " + rest)
}

#[test]
fn the_manual_says_the_same_in_both_languages() {
    let [english, chinese] = SHARED.map(skeleton);
    assert_eq!(chinese.len(), english.len(), "sections");
    for (chinese, english) in chinese.iter().zip(&english) {
        assert_eq!(chinese, english);
    }
    let entries = english
        .iter()
        .flatten()
        .filter(|part| part.starts_with("It"));
    assert!(entries.count() > 60);
}

#[test]
fn the_manual_can_be_read() {
    for page in ["chat.7", "chat-client.1", "chat-server.1", "zh_CN/chat.7"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/man");
        let lint = Command::new("mandoc")
            .args(["-T", "lint", "-W", "warning"])
            .arg(path.join(page))
            .output();
        match lint {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                eprintln!("skipped: mandoc is not installed");
            }
            lint => {
                let lint = lint.expect("mandoc starts");
                let complaints = String::from_utf8_lossy(&lint.stdout);
                assert!(lint.status.success(), "{complaints}");
            }
        }
    }
}
