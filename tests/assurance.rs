//! Each test that a document names as its proof is there, and each file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What promises something, and names the tests that hold it.
const DOCUMENTS: [(&str, &str); 3] = [
    ("README.md", include_str!("../README.md")),
    ("SECURITY.md", include_str!("../SECURITY.md")),
    ("docs/assurance.md", include_str!("../docs/assurance.md")),
];

/// All Rust files of the repository, but for what is built.
fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut directories = ["benches", "crates", "fuzz/fuzz_targets", "tests"]
        .map(|at| root.join(at))
        .to_vec();
    let mut sources = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a directory of ours") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(path);
            }
        }
    }
    sources
}

/// What stands between backticks.
fn quoted(document: &str) -> impl Iterator<Item = &str> {
    document
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Whether this can be meant as the name of a test: words with two underscores or more.
fn names_a_test(word: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    word.chars().all(is_plain) && word.matches('_').count() >= 2
}

#[test]
fn each_test_that_is_named_exists() {
    let sources = sources();
    let texts = sources
        .iter()
        .map(|path| fs::read_to_string(path).expect("a source"));
    let texts: Vec<_> = texts.collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    let functions: BTreeSet<_> = lines
        .filter_map(|line| {
            line.split_once("fn ")?
                .1
                .split_once('(')
                .map(|(name, _)| name)
        })
        .collect();
    let mut named = 0;
    for (document, text) in DOCUMENTS {
        for word in quoted(text) {
            if names_a_test(word) {
                assert!(
                    functions.contains(word),
                    "{document}: there is no test {word}"
                );
                named += 1;
            }
            if word.ends_with(".rs") {
                let is_there = sources.iter().any(|path| path.ends_with(word));
                assert!(is_there, "{document}: there is no file {word}");
            }
        }
    }
    assert!(named > 60, "only {named} tests are named");
}
