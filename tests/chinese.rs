//! Both programs in Chinese, as a person meets them.

#![cfg(target_os = "linux")]

use std::process::{Command, Output};

use chat_testkit::home;
use chat_testkit::process::program;
use chat_testkit::terminal::{Emulator, Size, Terminal, command};

const SIZE: Size = Size(80, 24);
const PROGRAMS: [&str; 2] = ["chat-server", "chat-client"];

fn is_chinese(character: char) -> bool {
    matches!(character, '\u{4e00}'..='\u{9fff}')
}

/// What a program prints in this locale.
fn output(name: &str, locale: &str, arguments: &[&str]) -> Output {
    let home = home();
    let output = Command::new(program(name))
        .args(arguments)
        .env("CHAT_HOME", home.path())
        .env("LC_ALL", locale)
        .output();
    output.expect("the program starts")
}

fn help(name: &str, locale: &str, arguments: &[&str]) -> String {
    let output = output(name, locale, &[arguments, &["--help"]].concat());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn the_locale_or_an_option_chooses_the_language() {
    for (locale, arguments, chinese) in [
        ("zh_CN.UTF-8", &[][..], true),
        ("zh_TW.utf8", &[], true),
        ("C.UTF-8", &["--lang", "zh"], true),
        ("zh_CN.UTF-8", &["--lang=en"], false),
        ("C.UTF-8", &[], false),
        // Chinese cannot be shown there.
        ("zh_CN.GB2312", &[], false),
        ("C", &["--lang", "zh"], false),
    ] {
        let help = help("chat-client", locale, arguments);
        assert_eq!(help.contains("用法"), chinese, "{locale}: {help}");
    }
}

#[test]
fn each_argument_is_explained_in_chinese() {
    for name in PROGRAMS {
        let (chinese, english) = (help(name, "zh_CN.UTF-8", &[]), help(name, "C.UTF-8", &[]));
        let arguments = |help: &str| {
            let heads = help.lines().map(str::trim_start);
            let heads = heads.filter(|line| line.starts_with(['-', '[']));
            let flags = heads.filter_map(|head| head.split_whitespace().find(|w| w.contains("--")));
            let flags = flags.map(|flag| flag.trim_end_matches("...").to_owned());
            flags.collect::<Vec<_>>()
        };
        let mut expected = arguments(&english);
        let mut found = arguments(&chinese);
        expected.sort();
        found.sort();
        assert!(expected.len() > 10, "{english}");
        assert_eq!(found, expected, "{chinese}");
        // A head, and its text in the row below.
        let mut rows = chinese.lines().peekable();
        while let Some(row) = rows.next() {
            let width = unicode_width::UnicodeWidthStr::width(row);
            assert!(width <= 80, "{width}: {row}");
            if row.trim_start().starts_with('-') {
                let text = rows.peek().unwrap_or(&"");
                assert!(text.contains(is_chinese), "{row}: {text}");
            }
        }
    }
}

#[test]
fn a_version_is_told_in_chinese() {
    for name in PROGRAMS {
        let output = output(name, "zh_CN.UTF-8", &["--version"]);
        let told = String::from_utf8(output.stdout).expect("UTF-8");
        let rows: Vec<_> = told.lines().collect();
        assert!(rows[0].starts_with(&format!("{name} {} (", env!("CARGO_PKG_VERSION"))));
        assert_eq!(rows.len(), 5, "{told}");
        for (row, label) in rows[1..]
            .iter()
            .zip(["可选功能：", "协议：", "加密：", "系统："])
        {
            assert!(row.starts_with(label), "{row}");
        }
    }
}

#[test]
fn a_wrong_command_line_is_told_in_one_line_of_chinese() {
    for (name, arguments, words) in [
        (
            "chat-client",
            &["--plian"][..],
            "没有“--plian”这个参数；是不是 --plain？",
        ),
        (
            "chat-client",
            &["host", "7788"],
            "端口写在冒号后面：chat-client host:7788",
        ),
        (
            "chat-client",
            &["--connect-timeout", "soon"],
            "请写成 10s 或 5m 的形式",
        ),
        (
            "chat-client",
            &["--plain", "--peer-key", "x"],
            "指纹的形式是 SHA256:",
        ),
        ("chat-client", &["--plain", "--when-there"], "不能与"),
        (
            "chat-client",
            &["--framing", "x"],
            "可用的有：auto、line、raw",
        ),
        ("chat-server", &["--answer"], "后面缺少一个值"),
        (
            "chat-server",
            &["--on-call", "/nowhere"],
            "文件或目录不存在",
        ),
        (
            "chat-server",
            &["--from-anyone"],
            "还需要这个参数：--accept-files <目录>",
        ),
        ("chat-server", &["a", "b"], "“b”"),
    ] {
        let output = output(name, "zh_CN.UTF-8", arguments);
        let told = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(words), "{told}");
        assert!(
            told.starts_with(name) && told.lines().count() == 1,
            "{told}"
        );
    }
}

/// A program at a terminal of a Chinese user.
fn start(name: &str, home: &std::path::Path, arguments: &[&str]) -> Terminal {
    let command = command(name, home).env("LC_ALL", "zh_CN.UTF-8");
    Terminal::start(SIZE, command.args(arguments))
}

/// Whether a screen has no English on it but what is the same in both languages.
fn is_all_chinese(screen: &Emulator) -> bool {
    let notices = screen
        .rows()
        .into_iter()
        .filter(|line| line.contains(" -- "));
    let mut notices =
        notices.filter(|line: &String| !line.contains("chat-client") && !line.contains("--peer"));
    notices.all(|line| line.contains(is_chinese))
}

#[tokio::test]
async fn a_call_is_held_in_chinese() {
    let (ann, bob) = (home(), home());
    let mut server = start(
        "chat-server",
        ann.path(),
        &["127.0.0.1:0", "--name", "安妮"],
    );
    server.wait_for_line("等待来电。请在另一台机器上运行").await;
    let address = &server.invitation().await;
    let mut client = start("chat-client", bob.path(), &[address, "--name", "小波"]);
    client.wait_for_line("通话：已加密，首次通话，未核实").await;
    client.wait_for_line("安全码 ").await;
    server.wait_for_status("🔒 首次，未核实").await;
    client.type_keys("你好，听得见吗？\r").await;
    server.wait_for_line("<小波> 你好，听得见吗？").await;
    client.wait_for_line("✓ 我： 你好，听得见吗？").await;
    client.type_keys("/hepl\r").await;
    client
        .wait_for_line("没有 /hepl 这个命令；是不是 /help？")
        .await;
    client.type_keys("\u{15}/help\r").await;
    client.wait_for_line("结束：单独一行 88 挂断").await;
    assert!(is_all_chinese(&client.screen()) && is_all_chinese(&server.screen()));
    client.type_keys("88\r").await;
    server.wait_for_line("对方已挂断。通话 ").await;
    let (code, _, _) = client.end().await;
    assert_eq!(code, 0);
}
