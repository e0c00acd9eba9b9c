//! Writes the table of look-alike characters (UTS 39, section 4) as plain data: the one in
//! unicode-security holds 6,000 pointers, which the loader would set at each start of a program.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use unicode_normalization::UnicodeNormalization as _;
use unicode_security::skeleton;

/// No character above this one looks like another.
const LAST: char = '\u{3ffff}';

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let mut table = String::from("&[");
    let mut looks = String::new();
    for c in '\0'..=LAST {
        let text = c.to_string();
        let look: String = skeleton(&text).collect();
        // The others fall apart into those before they are looked up.
        let is_whole = text.nfd().eq([c]);
        if is_whole && !look.is_empty() && look != text {
            write!(table, "({c:?},{}),", looks.len()).expect("a string");
            looks.push_str(&look);
        }
    }
    table.push(']');
    let directory = env::var_os("OUT_DIR").expect("cargo sets it");
    let directory = Path::new(&directory);
    fs::write(directory.join("look_alikes.rs"), table).expect("it can be written");
    fs::write(directory.join("looks.txt"), looks).expect("it can be written");
}
