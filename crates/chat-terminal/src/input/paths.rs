//! Paths as they are typed: `~`, blanks, and what Tab makes of a beginning.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The paths that were typed. If all of it together is one that is there, that is meant: not
/// everybody escapes blanks.
pub(crate) fn of(typed: &str) -> Vec<PathBuf> {
    let paths = split(typed);
    let whole = expand(typed.trim());
    match paths.len() > 1 && whole.exists() {
        true => vec![whole],
        false => paths,
    }
}

/// Splits what was typed into paths, as a shell would: `\` takes the next character as it is, and
/// quotation marks all between them. A leading `~` is the home directory.
fn split(typed: &str) -> Vec<PathBuf> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = typed.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (None, '\\') | (Some('"'), '\\') => {
                word.get_or_insert_default().extend(characters.next());
            }
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (Some(mark), character) if mark == character => quote = None,
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words.iter().map(|word| expand(word)).collect()
}

/// What can stand in the place of the last path that was begun, escaped: whole names, those of
/// directories with a slash.
pub(crate) fn completions(begun: &str) -> Vec<String> {
    let path = split(begun).pop().unwrap_or_default();
    let text = path.to_string_lossy();
    let (directory, prefix) = match text.rsplit_once('/') {
        Some(("", prefix)) => ("/", prefix),
        Some((directory, prefix)) => (directory, prefix),
        None => (".", &*text),
    };
    let typed_directory = match last_slash(begun) {
        Some(at) => &begun[..=at],
        None if begun == "~" => return vec!["~/".to_owned()],
        None => "",
    };
    let mut found: Vec<_> = fs::read_dir(Path::new(directory))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let hidden = name.starts_with('.') && !prefix.starts_with('.');
            if hidden || !name.starts_with(prefix) || name.chars().any(char::is_control) {
                return None;
            }
            let slash = if entry.path().is_dir() { "/" } else { "" };
            Some(format!("{typed_directory}{}{slash}", escape(&name)))
        })
        .collect();
    found.sort();
    found
}

/// The longest beginning that all have in common.
pub(crate) fn common(words: &[String]) -> &str {
    let Some((first, others)) = words.split_first() else {
        return "";
    };
    let mut end = first.len();
    for other in others {
        let same = first.bytes().zip(other.bytes()).take_while(|(a, b)| a == b);
        end = end.min(same.count());
    }
    &first[..first.floor_char_boundary(end)]
}

/// Where the last path of a line of them begins.
pub(crate) fn last_begins(typed: &str) -> usize {
    let (mut begins, mut quote, mut escaped) = (0, None, false);
    for (at, character) in typed.char_indices() {
        match (quote, character) {
            _ if escaped => escaped = false,
            (None | Some('"'), '\\') => escaped = true,
            (None, '"' | '\'') => quote = Some(character),
            (Some(mark), character) if mark == character => quote = None,
            (None, ' ') => begins = at + 1,
            _ => {}
        }
    }
    begins
}

fn last_slash(typed: &str) -> Option<usize> {
    typed.rfind('/')
}

fn expand(word: &str) -> PathBuf {
    let home = || env::home_dir().unwrap_or_default();
    match word.strip_prefix('~') {
        Some("") => home(),
        Some(rest) if rest.starts_with('/') => home().join(rest.trim_start_matches('/')),
        _ => PathBuf::from(word),
    }
}

fn escape(name: &str) -> String {
    let mut escaped = String::new();
    for character in name.chars() {
        if matches!(character, ' ' | '\\' | '"' | '\'') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_as_in_a_shell() {
        let split = |typed: &str| -> Vec<String> {
            let paths = split(typed);
            paths
                .iter()
                .map(|path| path.display().to_string())
                .collect()
        };
        assert_eq!(split("a b"), ["a", "b"]);
        assert_eq!(split(r"  my\ file.txt  "), ["my file.txt"]);
        assert_eq!(
            split(r#""my file" 'a"b' c\"d"#),
            ["my file", "a\"b", "c\"d"]
        );
        assert_eq!(split(""), [""; 0]);
        let home = env::home_dir().expect("a home").display().to_string();
        assert_eq!(
            split("~ ~/x ~y a~"),
            [&home, &format!("{home}/x"), "~y", "a~"]
        );
    }

    #[test]
    fn a_path_with_blanks_that_is_there_is_one() {
        let home = tempfile::tempdir().expect("a directory");
        fs::write(home.path().join("my file.txt"), "").expect("a file");
        let there = format!("{}/my file.txt", home.path().display());
        assert_eq!(of(&format!(" {there} ")), [PathBuf::from(&there)]);
        let absent = format!("{there}.gz");
        assert_eq!(of(&absent), split(&absent));
        assert_eq!(of(&absent).len(), 2);
    }

    #[test]
    fn tab_completes_names() {
        let home = tempfile::tempdir().expect("a directory");
        for name in ["my file.txt", "my film.mp4", "other", ".hidden"] {
            fs::write(home.path().join(name), "").expect("a file");
        }
        fs::create_dir(home.path().join("sub")).expect("a directory");
        let at = |end: &str| format!("{}/{end}", home.path().display());
        let both = completions(&at("my"));
        assert_eq!(both, [at(r"my\ file.txt"), at(r"my\ film.mp4")]);
        assert_eq!(common(&both), at(r"my\ fil"));
        assert_eq!(completions(&at(r"my\ file")), [at(r"my\ file.txt")]);
        assert_eq!(completions(&at("su")), [at("sub/")]);
        assert_eq!(completions(&at(".h")), [at(".hidden")]);
        assert!(completions(&at("nothing")).is_empty());
        assert_eq!(last_begins(r"a my\ fi"), 2);
    }
}
