//! `--help` and what is said of a wrong command line.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

/// An argument by its id: the name of its value, if it has one, and what it is for. The rows are
/// broken here, since they have no blanks at which they could be.
const ARGUMENTS: [(&str, &str, &str); 48] = [
    (
        "target",
        "主机[:端口]",
        "呼叫谁：联系人的名字，或主机：名称、IPv4 地址或 [IPv6] 地址\n（默认 localhost:7788）",
    ),
    ("port", "", "别的程序在这里写端口"),
    ("plain", "", "不加密地呼叫"),
    ("peer_key", "SHA256:…", "对方必须持有这个密钥，否则不通话"),
    ("try_again", "", "对安全码三次未能得出的地址仍再呼叫"),
    (
        "connect_timeout",
        "时长",
        "建立连接（含加密）最多用多久，例如 10s（默认 10s）",
    ),
    (
        "send_only",
        "",
        "输入结束且全部送达后立即挂断；其中的“88”只是文字",
    ),
    (
        "when_there",
        "",
        "先保存您的话，一直呼叫到有人接听，全部送达后结束。\n对方的密钥须已知，或由 --peer-key 给出",
    ),
    ("no_redial", "", "连接断开后不重连"),
    ("send_file", "路径", "发送这些文件，对方收完后结束"),
    (
        "give_up_after",
        "时长",
        "连接断开后，重连或为对方保留通话多久，例如 1h（默认 5m）；\n两边各按自己的设定",
    ),
    (
        "address",
        "地址",
        "在哪里监听：7788、:7788、127.0.0.1:7788 或 [::1]:7788\n（默认 [::]:7788）",
    ),
    (
        "backlog",
        "N",
        "通话时最多几人可以等待，再多就告知“忙”（默认 5）",
    ),
    (
        "idle_timeout",
        "时长",
        "对方这么久没有动静、也没有文件在传送时挂断，例如 10s 或 5m\n（默认从不）",
    ),
    (
        "ring",
        "",
        "您没有呼叫过也没有核实过的人来电时先响铃，/answer 接听。\n没有终端时一律直接接通",
    ),
    (
        "answer",
        "文字",
        "无人接听时告诉来电者这句话，并记录留言，用 --messages 查看。\n没有终端时，应答机接听所有来电",
    ),
    (
        "on_call",
        "程序",
        "有来电时运行这个程序；来电者的名字等在环境变量\nCHAT_CALLER_NAME 等之中",
    ),
    ("once", "", "一次通话后退出"),
    (
        "allow_plain",
        "",
        "在同一端口也接听不加密的来电（nc、telnet、普通套接字）",
    ),
    ("known_only", "", "只接听 known_peers 中的密钥"),
    (
        "from_anyone",
        "",
        "与 --accept-files 合用：也接收以前不认识的密钥发来的文件",
    ),
    (
        "accept_files",
        "目录",
        "自动接收对方发来的文件，存入这个目录",
    ),
    (
        "downloads",
        "目录",
        "您用 /accept 接收的文件存到哪里\n（默认 $XDG_DOWNLOAD_DIR，或 ~/Downloads，或当前目录）",
    ),
    ("name", "名字", "对方看到的名字（默认您的用户名）"),
    (
        "framing",
        "方式",
        "对方不是本程序时如何区分消息（默认 auto）：\nauto 按行，若对方不换行则改为 raw；line 只以换行为界；\nraw 一次收到的就是一条",
    ),
    (
        "literal",
        "",
        "输入中的“88”只是文字，不是挂断（用于管道数据）",
    ),
    (
        "identity",
        "agent:SHA256:…",
        "不用文件中的密钥，改用 ssh-agent 中这个指纹的 Ed25519 密钥",
    ),
    (
        "new_key",
        "",
        "为自己换一把新密钥，由现在的密钥担保，别的什么都不做",
    ),
    (
        "accept_key",
        "",
        "从此以另一把密钥认识这个名字的联系人（您已得到对方确认），\n别的什么都不做",
    ),
    (
        "forget",
        "名字|SHA256:…",
        "删除这个名字或指纹的联系人及其密钥，别的什么都不做",
    ),
    (
        "keep",
        "",
        "记录通话，结束后也保存，并保存您输入的行，供下次启动后按 ↑ 和\nCtrl-R 取用。没有它时，终端上的通话只记录到全部送达为止，\n管道中的通话不记录",
    ),
    (
        "linear",
        "",
        "不用全屏界面，只输出一行行文字：供读屏软件、简单终端和 | tee",
    ),
    (
        "history",
        "名字|SHA256:…",
        "打印与这个名字或指纹的通话记录，别的什么都不做",
    ),
    ("search", "文字", "只要含有这些文字的消息，不分大小写"),
    ("json", "", "按记录的原样，输出 JSON 对象"),
    (
        "messages",
        "",
        "打印应答机收到而尚未读的留言，别的什么都不做",
    ),
    ("lang", "语言", "界面用哪种语言：en 或 zh（默认按区域设置）"),
    ("no_color", "", "不用颜色"),
    ("quiet", "", "不响铃"),
    (
        "notify",
        "",
        "您在看别处时发桌面通知，若终端支持（OSC 9、777、99）",
    ),
    ("no_typing", "", "不让对方知道您正在输入"),
    ("no_drafts", "", "没有发送的草稿不存盘"),
    (
        "verbose",
        "",
        "把日志写到标准错误（全屏界面占用它时除外）；写两次更详细",
    ),
    (
        "debug_log",
        "路径",
        "改把日志写入这个文件，最多 64 MiB；不必加 -v",
    ),
    ("host", "", "这是主机的名称，即使有联系人也叫这个名字"),
    (
        "list",
        "",
        "打印联系人和附近的人，别的什么都不做：在本地网络中询问 0.3 秒",
    ),
    (
        "reach",
        "中继",
        "也在这个中继等待，并打印您的号码，凭它在任何地方都能呼叫您：\n写自己中继的主机名或 URL，或者写 n0 用公共的",
    ),
    (
        "announce",
        "",
        "让本地网络中的人找到您，公开您的密钥和 --name 的名字",
    ),
];

/// What a program is for.
const PROGRAMS: [(&str, &str); 2] = [
    ("chat-client", "呼叫 chat-server，与对方交谈；88 挂断。"),
    ("chat-server", "等待来电，与对方交谈；88 挂断。"),
];

/// A program's command line in Chinese.
pub(in crate::locale) fn translated(command: Command) -> Command {
    let name = command.get_name().to_owned();
    let about = PROGRAMS.iter().find(|(program, _)| *program == name);
    let positional = command
        .get_positionals()
        .find(|arg| !arg.is_hide_set())
        .and_then(|arg| row(arg.get_id().as_str()))
        .map_or("", |(value, _)| value);
    let command = command
        .override_usage(format!("{name} [选项] [{positional}]"))
        .help_template("{about}\n\n用法：{usage}\n\n{all-args}")
        .next_line_help(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(flag("help", 'h', ArgAction::Help, "显示这份帮助"))
        .arg(flag(
            "version",
            'V',
            ArgAction::Version,
            "显示版本，--version 更详细",
        ))
        .mut_args(described);
    match about {
        Some((_, about)) => command.about(*about).long_about(None),
        None => command,
    }
}

fn flag(name: &'static str, short: char, action: ArgAction, help: &'static str) -> Arg {
    Arg::new(name)
        .short(short)
        .long(name)
        .action(action)
        .help(help)
}

fn row(id: &str) -> Option<(&'static str, &'static str)> {
    let row = ARGUMENTS.iter().find(|(known, ..)| *known == id);
    row.map(|(_, value, help)| (*value, *help))
}

fn described(mut arg: Arg) -> Arg {
    if let Some((value, help)) = row(arg.get_id().as_str()) {
        arg = arg.help(help).long_help(None);
        if !value.is_empty() {
            // The text says what the default is.
            arg = arg
                .value_name(value)
                .hide_default_value(true)
                .hide_possible_values(true);
        }
    }
    let heading = if arg.is_positional() {
        "参数"
    } else {
        "选项"
    };
    arg.help_heading(heading)
}

/// What is wrong with a command line; `None` for what has no words here.
pub(in crate::locale) fn complaint(error: &clap::Error) -> Option<String> {
    let word = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.clone()),
        Some(ContextValue::Strings(words)) => Some(words.join("、")),
        _ => None,
    };
    let arg = word(ContextKind::InvalidArg).unwrap_or_default();
    let value = word(ContextKind::InvalidValue).unwrap_or_default();
    Some(match error.kind() {
        ErrorKind::UnknownArgument => match word(ContextKind::SuggestedArg) {
            Some(meant) => format!("没有“{arg}”这个参数；是不是 {meant}？"),
            None => format!("没有“{arg}”这个参数"),
        },
        ErrorKind::InvalidValue if value.is_empty() => format!("“{arg}”后面缺少一个值"),
        ErrorKind::InvalidValue => {
            let valid = word(ContextKind::ValidValue).unwrap_or_default();
            format!("“{arg}”的值“{value}”无效；可用的有：{valid}")
        }
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error);
            let why = why.map(|why| format!("：{why}")).unwrap_or_default();
            format!("“{arg}”的值“{value}”无效{why}")
        }
        ErrorKind::ArgumentConflict => match word(ContextKind::PriorArg) {
            Some(prior) if prior == arg => format!("“{arg}”只能用一次"),
            Some(prior) => format!("“{arg}”不能与“{prior}”同时使用"),
            None => return None,
        },
        ErrorKind::MissingRequiredArgument => format!("还需要这个参数：{arg}"),
        ErrorKind::TooManyValues => format!("“{arg}”的值太多，“{value}”是多余的"),
        ErrorKind::NoEquals => format!("“{arg}”的值前面应有等号"),
        ErrorKind::InvalidUtf8 => "命令行不是 UTF-8".to_owned(),
        _ => return None,
    })
}
