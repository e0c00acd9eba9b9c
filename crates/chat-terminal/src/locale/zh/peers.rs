//! Names, keys and safety numbers.

use chat_core::protocol::Peer;
use chat_core::trust::{Fingerprint, KnownPeer, PeerState};

use super::{Chinese, emoji};
use crate::locale::{Peers, who};
use crate::text::sanitize;

impl Peers for Chinese {
    fn own_key(&self, key: Fingerprint) -> String {
        format!("您的密钥是 {key}")
    }

    fn safety_number(
        &self,
        digits: &str,
        pictures: &[(char, &'static str)],
        commands: bool,
    ) -> String {
        let pictures = pictures
            .iter()
            .map(|(picture, name)| format!("{picture}\u{a0}{}", self.picture_name(*picture, name)));
        let how = if commands { "：/verify N" } else { "" };
        format!(
            "安全码 {digits}：{}\n    请打电话或当面核对，切勿在此聊天中核对{how}",
            pictures.collect::<Vec<_>>().join(" ")
        )
    }

    fn picture_name(&self, picture: char, english: &'static str) -> &'static str {
        emoji::name(picture).unwrap_or(english)
    }

    fn no_safety_number(&self) -> &'static str {
        "还没有安全码：对方尚未出示它的一半。在此之前，请勿谈不可外泄的事。"
    }

    fn number_withheld(&self, why: &str, suspicious: bool) -> String {
        let suspicion = if suspicious {
            "；可能有中间人"
        } else {
            ""
        };
        format!("本次通话还没有安全码：{why}{suspicion}。")
    }

    fn how_to_verify(&self, peer: &Peer) -> String {
        format!(
            "请 {} 打电话或当面把安全码念给您，切勿在此聊天中发送；然后输入 /verify 和那八位数字。",
            who(peer)
        )
    }

    fn no_number(&self, typed: &str) -> String {
        format!(
            "{}不是安全码：请输入 /verify 和念给您的全部八位数字。",
            sanitize::quote(typed)
        )
    }

    fn wrong_number(&self, peer: &Peer) -> String {
        format!(
            "安全码不一致！您与 {} 之间可能有中间人，能看到并篡改一切内容。请用 88 挂断，换一种方式呼叫。\
             如果只是输错了，请重试；在一致之前，请勿谈不可外泄的事。",
            who(peer)
        )
    }

    fn no_key_to_verify(&self) -> &'static str {
        "没有可核对的密钥：对方不是 chat-client 或 chat-server，或通话未加密。"
    }

    fn verified(&self, peer: &Peer) -> String {
        format!("{} 从现在起已核实。", who(peer))
    }

    fn calls_itself(&self, peer: &Peer, claimed: &str) -> String {
        format!(
            "{} 现在自称{}；/rename 采用此名，/rename 名字 另取。",
            who(peer),
            sanitize::quote(claimed)
        )
    }

    fn renamed(&self, peer: &Peer, name: &str) -> String {
        format!("{} 在这里改称 {name}。", who(peer))
    }

    fn rename_to_what(&self) -> &'static str {
        "改称什么？请在 /rename 后面写上名字"
    }

    fn no_key_to_name(&self) -> &'static str {
        "名字是按密钥保存的，而对方没有密钥。"
    }

    fn you_are_called(&self, name: &str) -> String {
        format!("您现在的名字是{}。", sanitize::quote(name))
    }

    fn name_is_taken(&self, known: &str, name: &str) -> String {
        format!("您已有联系人 {known}，密钥不同；这一位在这里称作 {name}。")
    }

    fn not_remembered(&self, why: &str) -> String {
        format!("没能记住对方的密钥：{why}")
    }

    fn known_peers(&self) -> &'static str {
        "联系人："
    }

    fn no_known_peers(&self) -> &'static str {
        "还没有联系人。"
    }

    fn known_peer(&self, peer: &KnownPeer) -> String {
        let KnownPeer {
            name,
            fingerprint,
            first_seen,
            state,
            addresses,
            ..
        } = peer;
        let state = match state {
            PeerState::Unverified => "未核实",
            PeerState::Verified => "已核实",
            PeerState::Blocked => "已拉黑",
        };
        let (addresses, heard) = (addresses.join(" "), self.heard(peer.last_heard()));
        format!("    {name}  {first_seen} 起，{state}，{heard}  {addresses}\n        {fingerprint}")
    }

    fn heard(&self, day: &str) -> String {
        format!("上次联系 {day}")
    }

    fn never_called(&self) -> &'static str {
        "只来过电话"
    }

    fn strangers_have_called(&self, count: usize) -> String {
        format!("另有 {count} 人只来过电话；通话中用 /peers 可看全部。")
    }

    fn near_not_proven(&self) -> &'static str {
        "附近（他们自称；密钥是谁的，呼叫时才能证实）："
    }

    fn somebody_near(&self) -> &'static str {
        "某人"
    }

    fn nobody_to_call(&self) -> &'static str {
        "还没有联系人，附近也没有人用 chat-server --announce 公布自己。"
    }

    fn new_key(&self, old: Fingerprint, new: Fingerprint) -> String {
        format!(
            "您有了新密钥 {new}。旧密钥 {old} 为它担保，并已删除。下次通话时朋友会得知，由他们决定；\
             请先告诉他们。"
        )
    }

    fn key_accepted(&self, known: &KnownPeer, new: Fingerprint) -> String {
        let KnownPeer {
            name, fingerprint, ..
        } = known;
        format!(
            "从现在起 {name} 的密钥是 {new}，不再是 {fingerprint}。它还未经核对：通话时请核对安全码。"
        )
    }

    fn forgot(&self, peer: &KnownPeer) -> String {
        let KnownPeer {
            name,
            fingerprint,
            first_seen,
            ..
        } = peer;
        format!("已删除 {name}（{first_seen} 起，密钥 {fingerprint}）")
    }
}
