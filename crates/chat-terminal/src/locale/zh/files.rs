//! Files.

use std::path::Path;

use chat_core::files::{Direction, FileSummary, FileViolation, NotNow};
use chat_core::wire::CancelCode;

use super::Chinese;
use crate::locale::{Files, bytes};
use crate::text::sanitize;

impl Files for Chinese {
    fn offered_to_you(&self, file: &FileSummary, commands: bool) -> String {
        let (number, what) = (file.number, what(file));
        match commands {
            true => format!(
                "对方要发来文件 {number}：{what}。/accept {number} 接收，/decline {number} 拒收"
            ),
            false => format!("对方要发来文件 {number}：{what}。"),
        }
    }

    fn offered(&self, file: &FileSummary) -> String {
        format!("文件 {} 待对方接收：{}。", file.number, what(file))
    }

    fn taken(&self, name: &str, direction: Direction) -> String {
        match direction {
            Direction::Received => format!("正在接收{name}……"),
            Direction::Sent => format!("对方开始接收{name}。"),
        }
    }

    fn resumed(&self, file: &FileSummary) -> String {
        let (number, what) = (file.number, what(file));
        match file.direction {
            Direction::Received => format!("文件 {number} 继续接收：{what}。"),
            Direction::Sent => format!("文件 {number} 再次待对方接收：{what}。"),
        }
    }

    fn received(&self, path: &Path) -> String {
        format!("已收到 {}", path.display())
    }

    fn sent(&self, name: &str) -> String {
        format!("已发送{name}")
    }

    fn dropped(&self, number: u32, name: &str, code: CancelCode) -> String {
        match code {
            CancelCode::Declined => format!("您已拒收文件 {number}：{name}。"),
            CancelCode::Cancelled => format!("您已取消文件 {number}：{name}。"),
            // No person has decided that.
            _ => format!("已拒收文件 {number}：{name}。"),
        }
    }

    fn file_not_sent(&self, name: &str, why: &str) -> String {
        format!("{name}没有发送：{why}。")
    }

    fn does_not_come(&self, name: &str, why: &str) -> String {
        format!("{name}不会发来了：{why}。")
    }

    fn offered_anew(&self, name: &str) -> String {
        format!("{name}有改动，重新待对方接收。")
    }

    fn file_not_received(&self, name: &str, why: &str) -> String {
        format!("{name}没有收到：{why}。")
    }

    fn cannot_be_sent(&self, path: &str, why: &str) -> String {
        format!("{path}无法发送：{why}。")
    }

    fn not_now(&self, why: NotNow) -> String {
        match why {
            NotNow::PlainPeer => "对方收不了文件：那不是本程序，只是纯文本连接。".into(),
            NotNow::OldPeer => "对方收不了文件：对方的程序较旧，或不是本程序。".into(),
            NotNow::NothingOpen => "没有待收的文件；/send 路径 可发送文件。".into(),
            NotNow::WhichOne => "有好几个文件，请写明编号。".into(),
            NotNow::NoSuchOffer(number) => format!("没有文件 {number}，或不能这样处理它。"),
        }
    }

    fn rate(&self, per_second: &str, left: &str) -> String {
        format!("{per_second}/秒  还需 {left}")
    }

    fn and_more_files(&self, others: usize) -> String {
        format!("另有 {others} 个")
    }

    fn cancelled(&self, code: CancelCode) -> &'static str {
        match code {
            CancelCode::Declined => "对方拒收",
            CancelCode::Unattended => "对方无人接收文件；加 --accept-files 才会自动接收",
            CancelCode::Cancelled => "对方取消了",
            CancelCode::Changed => "它在对方那里有改动，会重新发来",
            CancelCode::Unreadable => "对方无法读取它",
            CancelCode::NoSpace => "对方的空间不够",
            CancelCode::Unwritable => "对方无法写入它",
            CancelCode::WrongHash => "对方收到的与原件不同",
            CancelCode::TooMany => "待收的文件太多",
            CancelCode::Unknown => "对方已不记得它",
            CancelCode::Other => "对方那里出了错",
        }
    }

    fn has_changed(&self, path: &Path) -> String {
        format!("{} 有改动", path.display())
    }

    fn nothing_to_send(&self) -> &'static str {
        "它既不是文件，也不是含有文件的目录"
    }

    fn too_many_files(&self) -> &'static str {
        "其中的文件太多"
    }

    fn disk_is_full(&self) -> &'static str {
        "磁盘已满"
    }

    fn too_little_room(&self, needed: &str, room: &str) -> String {
        format!("需要 {needed}，只有 {room} 的空间")
    }

    fn wrong_hash(&self, kept: &Path) -> String {
        format!("SHA-256 不符；收到的内容保存为 {}", kept.display())
    }

    fn file_violation(&self, what: FileViolation) -> &'static str {
        match what {
            FileViolation::TooMuch => "发来的比说好的多",
            FileViolation::TooLittle => "发来的比说好的少",
            FileViolation::Malformed(_)
            | FileViolation::Endless
            | FileViolation::Misplaced
            | FileViolation::Path => "对方违反了协议",
        }
    }
}

/// The name of what is offered, its size, and its kind.
fn what(file: &FileSummary) -> String {
    let (name, size) = (sanitize::quote(file.name.as_str()), bytes(file.size));
    match file.files {
        None => format!("{name}，{size}"),
        Some(files) => format!("{name}，含 {files} 个文件的目录，{size}"),
    }
}
