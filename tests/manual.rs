//! The manual pages, held against the programs they describe.

use std::process::Command;

use chat_testkit::process::program;

/// What a program prints that is called with this option.
fn printed(name: &str, option: &str) -> String {
    let output = Command::new(program(name)).arg(option).output();
    let output = output.expect("the program starts");
    assert!(output.status.success(), "{name} {option}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_version_says_which_build_it_is() {
    for name in ["chat-server", "chat-client"] {
        let short = printed(name, "-V");
        let version = format!("{name} {} (", env!("CARGO_PKG_VERSION"));
        assert!(short.starts_with(&version), "{short}");
        let long = printed(name, "--version");
        assert!(long.starts_with(short.trim_end()), "{long}");
        assert!(long.contains("\nprotocol: chat/1"), "{long}");
    }
}
