//! What happens in a call, and how it ends.

use std::time::Duration;

use chat_core::protocol::{Peer, Violation};
use chat_core::transport::Route;
use chat_core::trust::Security;
use chat_core::wire::{ControlError, MAX_CONTROL, MAX_DEPTH, RefusalCode};

use super::{Chinese, mark, seconds};
use crate::locale::{Calls, who};
use crate::text::sanitize;

impl Calls for Chinese {
    fn call(&self, peer: &Peer) -> String {
        let more = match &peer.security {
            Security::Plaintext => "；途中任何人都能偷看和篡改。",
            Security::NoKey { .. } => "；无法得知对方是谁。",
            Security::Key { .. } => "。",
        };
        format!("与 {} 通话：{}{more}", who(peer), mark(&peer.security))
    }

    fn other_side_is(&self, peer: &Peer) -> String {
        format!("对方是 {}：{}。", who(peer), mark(&peer.security))
    }

    fn way(&self, route: Route) -> &'static str {
        match route {
            Route::Direct => "连接是直接的。",
            Route::Relayed => "连接经过中继。",
        }
    }

    fn no_more_to_say(&self) -> &'static str {
        "对方的话说完了，但还在听。"
    }

    fn hangs_up_unheard(&self, idle: Duration) -> String {
        format!("对方挂断：已有 {}没有动静。", seconds(idle))
    }

    fn link_silent(&self, silence: Duration) -> String {
        format!("连接已有 {}没有动静。", seconds(silence))
    }

    fn lost_waiting(&self) -> &'static str {
        "连接断开，等对方重新呼叫。您可以继续输入。"
    }

    fn lost_reconnecting(&self, tries: u32) -> String {
        format!("连接断开，正在第 {tries} 次重连。您可以继续输入。")
    }

    fn back(&self, after: Duration, resent: u64) -> String {
        match resent {
            0 => format!("断开 {}后已恢复。", seconds(after)),
            _ => format!("断开 {}后已恢复，重发 {resent} 条消息。", seconds(after)),
        }
    }

    fn goes_on(&self, resent: u64) -> String {
        match resent {
            0 => "接着上次的通话继续。".into(),
            _ => format!("接着上次的通话继续，重发 {resent} 条消息。"),
        }
    }

    fn restarted(&self, name: &str, resent: u64, in_doubt: bool) -> String {
        match resent {
            0 => format!("{name} 的程序重新启动过。"),
            _ if in_doubt => {
                format!("{name} 的程序重新启动过；重发 {resent} 条消息，对方可能收到两次。")
            }
            _ => format!("{name} 的程序重新启动过；重发 {resent} 条消息。"),
        }
    }

    fn peer_records(&self, records: bool) -> &'static str {
        match records {
            true => "对方又开始记录：✓ 表示对方已记录。",
            false => "对方不再记录：✓ 只表示对方已显示。",
        }
    }

    fn peer_keeps(&self, keeps: bool) -> &'static str {
        match keeps {
            true => "通话结束后，对方会保存这里的内容。",
            false => "对方不再保存这里的内容。",
        }
    }

    fn machine_answers(&self, answers: bool) -> &'static str {
        match answers {
            true => "对方不在，应答机会记下您的话。(✓) 表示已记录，尚未读。",
            false => "对方本人来了：✓ 表示对方已收到。",
        }
    }

    fn peer_is_back(&self) -> &'static str {
        "对方回来了。"
    }

    fn peer_is_away(&self, text: &str) -> String {
        match text.is_empty() {
            true => "对方离开了。".to_owned(),
            false => format!("对方离开了：{}。", sanitize::quote(text)),
        }
    }

    fn in_queue(&self, ahead: u64) -> String {
        match ahead {
            0 => "还没有人接听；下一个就是您。".into(),
            _ => format!("对方忙；您前面还有 {ahead} 人。"),
        }
    }

    fn ringing(&self, peer: &Peer) -> String {
        format!(
            "{} 来电，{}：/answer 接听，/decline 拒接，/block 拉黑",
            who(peer),
            mark(&peer.security)
        )
    }

    fn ringing_stopped(&self) -> &'static str {
        "来电已取消。"
    }

    fn call_lasted(&self, time: Duration) -> String {
        let (hours, minutes) = (time.as_secs() / 3600, time.as_secs() / 60 % 60);
        match (hours, minutes) {
            (0, 0) => format!("通话 {} 秒。", time.as_secs()),
            (0, _) => format!("通话 {minutes} 分钟。"),
            _ => format!("通话 {hours} 小时 {minutes} 分钟。"),
        }
    }

    fn you_hung_up(&self) -> &'static str {
        "您已挂断。"
    }

    fn they_hung_up(&self) -> &'static str {
        "对方已挂断。"
    }

    fn both_finished(&self) -> &'static str {
        "双方都说完了，通话结束。"
    }

    fn you_hung_up_unheard(&self, limit: Duration) -> String {
        format!("已挂断：对方 {}没有动静。", seconds(limit))
    }

    fn broke_the_rules(&self, how: &str) -> String {
        format!("通话结束，对方违反了协议：{how}。")
    }

    fn busy(&self, waiting: u64) -> String {
        match waiting {
            0 => "对方忙，请稍后再拨。".into(),
            _ => format!("对方忙，已有 {waiting} 人等待，请稍后再拨。"),
        }
    }

    fn failed_here(&self, why: &str) -> String {
        format!("通话结束，本机的输入或输出出错：{why}。")
    }

    fn not_received(&self, count: usize) -> String {
        format!("您有 {count} 条消息没有送达。")
    }

    fn lost(&self) -> &'static str {
        "连接断开：对方已离线。"
    }

    fn lost_unreachable(&self, why: &str) -> String {
        format!("连接断开，无法重连：{why}。")
    }

    fn lost_refused(&self, refusal: &str) -> String {
        format!("连接断开。{refusal}")
    }

    fn lost_silent(&self, silence: Duration) -> String {
        format!("连接断开：对方 {}没有动静。", seconds(silence))
    }

    fn lost_stuck(&self) -> &'static str {
        "连接断开：对方不再接收。"
    }

    fn lost_to(&self, why: &str) -> String {
        format!("连接断开：{why}。")
    }

    fn refused_by_them(&self, code: RefusalCode, text: Option<&str>) -> String {
        let why = match code {
            RefusalCode::UnknownKey => "那里不认识您的密钥，只接听认识的人",
            RefusalCode::ChangedKey => {
                "您的密钥与那里记在您名下的不同；请用 --name 换个名字再拨，或请对方删除旧密钥"
            }
            RefusalCode::BadHello => "那里看不懂您程序的问候；双方的程序可能有一个太旧",
            RefusalCode::NoSession => "那里已不记得这次通话；请重新呼叫",
            RefusalCode::ForeignSession => "这次通话在那里属于另一个密钥",
            RefusalCode::Blocked => "您的密钥已被对方拉黑",
            RefusalCode::Declined => {
                return match text.filter(|text| !text.is_empty()) {
                    Some(text) => format!("对方拒接，并说：{}", sanitize::quote(text)),
                    None => "对方拒接。".into(),
                };
            }
            RefusalCode::Closed => "那里已经没有人接听了",
            RefusalCode::OwnKey => "那是您自己的密钥：您呼叫了自己",
            RefusalCode::Unavailable => "那里暂时出了问题，请再试",
            RefusalCode::Other => {
                return match text {
                    Some(text) => format!("对方拒绝了通话，并说：{}", sanitize::quote(text)),
                    None => "对方拒绝了通话。".into(),
                };
            }
        };
        format!("对方拒绝了通话：{why}。")
    }

    fn refused_for_now(&self, left: Duration, gives_up: &str) -> String {
        let minutes = left.as_secs().div_ceil(60);
        let time = match minutes {
            0 | 1 => "1 分钟".to_owned(),
            2..=120 => format!("{minutes} 分钟"),
            _ => format!("{} 小时", minutes.div_ceil(60)),
        };
        format!("该端口无人应答，还会再试 {time}；{gives_up} 放弃。")
    }

    fn line_too_long(&self, limit: usize) -> String {
        format!("有一行超过 {limit} 字节")
    }

    fn malformed(&self, error: &ControlError) -> String {
        match error {
            ControlError::Syntax { column } => {
                format!("控制行无法解析：第 {column} 列不是 JSON")
            }
            ControlError::Value { column } => {
                format!("控制行无法解析：第 {column} 列的成员或值有误")
            }
            ControlError::TooDeep => format!("控制行无法解析：嵌套超过 {MAX_DEPTH} 层"),
            ControlError::TooLong => format!("控制行无法解析：超过 {MAX_CONTROL} 字节"),
        }
    }

    fn number_unasked(&self) -> &'static str {
        "安全码的一部分不请自来"
    }

    fn number_tampered_with(&self) -> &'static str {
        "安全码被篡改：揭示的内容与承诺的不符"
    }

    fn violation(&self, what: Violation) -> &'static str {
        match what {
            Violation::AckUnsent => "它确认了从未发送的消息",
            Violation::AckTakenBack => "它收回了已作的确认",
            Violation::HasUnsent => "它声称收到了从未发送的消息",
            Violation::PongUnasked => "它回应了从未发出的探询",
            Violation::OtherSession => "它的问候属于另一次通话",
            Violation::SecondHello => "它问候了两次",
            Violation::LateQueue => "它让已接通的通话去等待",
            Violation::ControlBeforeHello => "它还没有问候就发了控制行",
            Violation::DoneTakenBack => "它说完之后又反悔",
            Violation::TextBeforeHello => "它还没有问候就发了文字",
            Violation::TextAfterDone => "它说完之后又发文字",
            Violation::ControlInPlain => "纯文本中出现控制行",
        }
    }

    fn nobody_there_yet(&self, peer: &Peer) -> String {
        format!("会一直呼叫 {}，直到有人接听；您的话先保存着。", who(peer))
    }

    fn you_are_away(&self) -> &'static str {
        "您已离开，通话或等待的人会得知；回来后请单独输入 /away。"
    }

    fn you_are_back(&self) -> &'static str {
        "您回来了。"
    }
}
