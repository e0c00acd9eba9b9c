//! What is recorded, and what was.

use std::path::Path;

use chat_core::protocol::Peer;

use super::Chinese;
use crate::locale::{Past, who};
use crate::text::sanitize;

impl Past for Chinese {
    fn nothing_recorded(&self, peer: &Peer) -> String {
        format!("没有与 {} 的通话记录。", who(peer))
    }

    fn search_found(&self, text: &str, found: usize, shown: usize) -> String {
        let text = sanitize::quote(text);
        match found {
            0 => format!("与对方的记录中没有消息含有{text}。"),
            _ if found == shown => format!("有 {found} 条消息含有{text}："),
            _ => format!("有 {found} 条消息含有{text}，最近 {shown} 条："),
        }
    }

    fn nothing_found(&self) -> &'static str {
        "没有找到。"
    }

    fn needle_too_long(&self) -> &'static str {
        "要查找的文字过长：只写一部分就够了"
    }

    fn carried_over(&self, count: usize) -> String {
        format!("重发上次通话中的 {count} 条消息，对方可能收到两次。")
    }

    fn not_recorded(&self, why: &str) -> String {
        format!("本次通话没有记录：{why}。通话继续；程序退出时尚未送达的内容会丢失。")
    }

    fn end_not_recorded(&self, why: &str) -> String {
        format!("通话的结尾没有记录：{why}。下次通话可能会重发其中一部分。")
    }

    fn passed_over(&self, why: &str) -> String {
        format!("有一次早先的通话无法接着进行：{why}。")
    }

    fn set_aside(&self, path: &Path) -> String {
        format!(
            "早先的通话有一部分无法读取；全部内容在 {} 中。",
            path.display()
        )
    }

    fn kept(&self) -> &'static str {
        "从现在起，通话内容在结束后仍保存在本机。"
    }

    fn cannot_keep(&self) -> &'static str {
        "本次通话没有记录，因此无法保存。"
    }

    fn cannot_keep_for_later(&self, why: &str) -> String {
        format!("您的话无法保存，因此没有呼叫：{why}")
    }
}
