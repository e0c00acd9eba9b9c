//! To the person who is called.

use std::time::Duration;

use chat_core::protocol::Peer;

use super::{Chinese, seconds};
use crate::locale::{Callers, who};
use crate::text::sanitize;

impl Callers for Chinese {
    fn waiting_for_a_call(&self, port: u16) -> String {
        format!("在端口 {port} 等待来电。请在另一台机器上运行：")
    }

    fn at_another_address(&self) -> &'static str {
        "也可以用别的地址，例如"
    }

    fn at_a_number(&self) -> &'static str {
        "从任何地方："
    }

    fn caller_waits(&self, peer: &Peer, waiting: usize) -> String {
        format!("{} 也来电了，{waiting} 人等待。", who(peer))
    }

    fn how_to_take_the_next(&self) -> &'static str {
        "/next 接下一位。"
    }

    fn caller_left(&self, peer: &Peer) -> String {
        format!("{} 不再等待。", who(peer))
    }

    fn caller_turned_away(&self, peer: &Peer) -> String {
        format!("已告知 {} 您正忙。", who(peer))
    }

    fn relay_gone(&self, relay: &str, why: &str) -> String {
        format!(
            "现在没人能拨通您的号码：连不上中继 {relay}（{why}）；写对了吗？这台机器联网了吗？\
             会一直重试。"
        )
    }

    fn relay_there(&self, relay: &str) -> String {
        format!("您的号码又能拨通了：中继 {relay} 已恢复。")
    }

    fn declined(&self, peer: &Peer) -> String {
        format!("已告知 {} 您拒接。", who(peer))
    }

    fn note(&self, peer: &Peer, text: &str) -> String {
        format!("{} 在等待，留言：{}", who(peer), sanitize::quote(text))
    }

    fn note_left(&self) -> &'static str {
        "留言已发出。"
    }

    fn refused(&self, reason: &str) -> String {
        format!("拒绝了一个来电：{reason}")
    }

    fn refused_own_key(&self) -> String {
        self.refused("来电者用的是您自己的密钥；如果不是您本人，密钥可能已被盗用")
    }

    fn refused_bad_hello(&self) -> String {
        self.refused("来电者的问候无法解析")
    }

    fn refused_plaintext(&self, from: &str) -> String {
        self.refused(&format!("{from} 没有加密；--allow-plain 可接听这样的来电"))
    }

    fn refused_unknown(&self, from: &str) -> String {
        self.refused(&format!("不认识 {from} 的密钥；--known-only 已开启"))
    }

    fn refused_handshake(&self, from: &str, why: &str) -> String {
        self.refused(&format!("{from}：{why}"))
    }

    fn after_others(&self, notice: &str, unmentioned: usize) -> String {
        format!("{notice}（通知过多，此前略去 {unmentioned} 条。）")
    }

    fn left_out(&self, count: usize) -> String {
        format!("（通知过多，略去 {count} 条来电通知。）")
    }

    fn strangers_ring(&self, time: Duration) -> String {
        format!(
            "陌生人反复来电，或一言不发就断开：{}内，陌生来电须由您接听。/answer 接听，\
             /decline 拒接，/block 拉黑其密钥。",
            seconds(time)
        )
    }

    fn guessing(&self, callers: usize) -> String {
        format!("可能有人在猜您的安全码：{callers} 个来电者中途断开。")
    }

    fn blocked(&self, peer: &Peer) -> String {
        format!("{} 已被拉黑：不再接听此密钥的来电。", who(peer))
    }

    fn no_key_to_block(&self) -> &'static str {
        "来电者没有密钥，无法拉黑；已拒接。"
    }
}
