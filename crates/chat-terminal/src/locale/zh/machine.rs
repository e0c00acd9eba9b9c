//! The answering machine.

use chat_core::protocol::Peer;

use super::Chinese;
use crate::locale::{Machine, who};

impl Machine for Chinese {
    fn machine_text(&self) -> &'static str {
        "不在"
    }

    fn machine_without_key(&self, text: &str) -> String {
        format!("{text}（无人接听。只有 chat-client 可以在此留言。）")
    }

    fn machine_full(&self) -> &'static str {
        "这里已没有空间留言：没有回执的内容都没有记录。"
    }

    fn machine_talks(&self) -> &'static str {
        "应答机正在接待来电：/answer 由您接听。"
    }

    fn machine_recorded(&self, peer: &Peer, count: u64) -> String {
        format!("{} 在应答机上留下 {count} 条消息。", who(peer))
    }

    fn left_while_away(&self, name: &str, count: usize) -> String {
        format!("{name} 的 {count} 条新留言：")
    }

    fn no_messages(&self) -> &'static str {
        "没有新留言。"
    }

    fn on_the_line(&self, name: &str) -> String {
        format!("{name} 正在通话；通话结束后即可读其留言。")
    }

    fn messages_unreadable(&self, why: &str) -> String {
        format!("来电者的留言无法读取：{why}")
    }

    fn still_unread(&self, why: &str) -> String {
        format!("这些留言无法标为已读，下次还会显示：{why}")
    }
}
