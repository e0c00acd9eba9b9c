//! Which language is spoken.

use std::env;
use std::ffi::OsString;
use std::sync::OnceLock;

use clap::ValueEnum;

use super::Language;
use super::en::English;
use super::zh::Chinese;
use crate::text::charset::Charset;

/// The languages that there are, as `--lang` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// English
    En,
    /// 中文
    Zh,
}

static CHOSEN: OnceLock<Lang> = OnceLock::new();

/// The language of this user; English until it is chosen.
pub fn text() -> &'static dyn Language {
    match chosen() {
        Lang::En => &English,
        Lang::Zh => &Chinese,
    }
}

/// Which language that is.
pub(crate) fn chosen() -> Lang {
    CHOSEN.get().copied().unwrap_or(Lang::En)
}

/// Chooses the language by this command line and the environment, once and for all.
pub(crate) fn choose(args: impl Iterator<Item = OsString>) {
    let lang = match Charset::of_locale() {
        Charset::Utf8 => of_args(args).unwrap_or_else(|| of_locale(|name| env::var(name).ok())),
        // Neither has Chinese characters.
        Charset::Latin1 | Charset::Ascii => Lang::En,
    };
    // A program that has chosen before keeps to it.
    let _ = CHOSEN.set(lang);
}

/// What `--lang` says, before the command line is parsed: its help is in that language too.
fn of_args(args: impl Iterator<Item = OsString>) -> Option<Lang> {
    let mut args = args.map(|arg| arg.to_string_lossy().into_owned());
    while let Some(arg) = args.next() {
        let value = match arg.strip_prefix("--lang") {
            Some("") => args.next()?,
            Some(value) if value.starts_with('=') => value[1..].to_owned(),
            _ if arg == "--" => return None,
            _ => continue,
        };
        return Lang::from_str(&value, false).ok();
    }
    None
}

/// The language of messages (POSIX, 8.2).
fn of_locale(variable: impl Fn(&str) -> Option<String>) -> Lang {
    let names = ["LC_ALL", "LC_MESSAGES", "LANG"];
    let mut set = names.into_iter().filter_map(variable);
    match set.find(|name| !name.is_empty()) {
        Some(name) if name.starts_with("zh") => Lang::Zh,
        _ => Lang::En,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_names_the_language() {
        for (line, lang) in [
            ("chat-client --lang zh", Some(Lang::Zh)),
            ("chat-client host --lang=en -q", Some(Lang::En)),
            ("chat-client --lang", None),
            ("chat-client --lang fr", None),
            ("chat-client --language zh", None),
            ("chat-client -- --lang zh", None),
        ] {
            let args = line.split(' ').map(OsString::from);
            assert_eq!(of_args(args), lang, "{line}");
        }
    }

    #[test]
    fn the_locale_names_the_language() {
        for (all, messages, lang, chosen) in [
            ("", "", "", Lang::En),
            ("", "", "zh_CN.UTF-8", Lang::Zh),
            ("", "zh_TW.UTF-8", "de_DE.UTF-8", Lang::Zh),
            ("", "en_GB.UTF-8", "zh_CN.UTF-8", Lang::En),
            ("C.UTF-8", "zh_CN.UTF-8", "zh_CN.UTF-8", Lang::En),
            ("zh_CN.UTF-8", "C", "C", Lang::Zh),
        ] {
            let variable = |name: &str| {
                let value = match name {
                    "LC_ALL" => all,
                    "LC_MESSAGES" => messages,
                    _ => lang,
                };
                (!value.is_empty()).then(|| value.to_owned())
            };
            assert_eq!(of_locale(variable), chosen, "{all} {messages} {lang}");
        }
    }
}
