//! The status row, and what else stands beside the talk.

use std::time::Duration;

use chat_core::files::FileName;
use chat_core::trust::{KnownPeer, Security, Verification};
use jiff::civil::{Date, Weekday};

use super::{Chinese, no_key};
use crate::locale::StatusRow;
use crate::text::sanitize;

impl StatusRow for Chinese {
    fn you(&self) -> &'static str {
        "我："
    }

    fn hint(&self) -> &'static str {
        "/help"
    }

    fn hint_alone(&self) -> &'static str {
        "/help · Ctrl-C 退出"
    }

    fn hanging_up(&self) -> &'static str {
        "正在挂断……（再按 Ctrl-C 立即退出）"
    }

    fn rings(&self, name: &str) -> String {
        format!("{name} 来电")
    }

    fn how_to_answer(&self) -> &'static str {
        "回车接听，/decline，/block"
    }

    fn somebody(&self) -> &'static str {
        "有人"
    }

    fn file_waits(&self, name: &FileName) -> String {
        format!("对方要发来{}", sanitize::quote(name.as_str()))
    }

    fn says(&self, name: &str, text: &str) -> String {
        format!("{name}：{text}")
    }

    fn lock(&self, security: &Security) -> &'static str {
        match security {
            Security::Plaintext => "未加密",
            Security::NoKey { post_quantum } => no_key(*post_quantum),
            Security::Key { verification, .. } => match verification {
                Verification::New => "🔒 首次，未核实",
                Verification::Unverified => "🔒 未核实",
                Verification::Verified => "🔒 已核实",
            },
        }
    }

    fn round_trip(&self, time: Duration) -> String {
        match time.as_millis() {
            0 => "<1 毫秒".to_owned(),
            milliseconds => format!("{milliseconds} 毫秒"),
        }
    }

    fn silent_for(&self, seconds: u64) -> String {
        format!("{seconds} 秒没有动静")
    }

    fn waiting_for_them(&self, seconds: u64) -> String {
        format!("连接断开，等对方重连（{seconds} 秒）")
    }

    fn reconnecting(&self, tries: u32, seconds: u64) -> String {
        format!("连接断开，第 {tries} 次重连（{seconds} 秒）")
    }

    fn typing(&self, name: &str) -> String {
        format!("{name} 正在输入……")
    }

    fn ahead(&self, ahead: u64) -> String {
        match ahead {
            0 => "下一个就是您".to_owned(),
            _ => format!("前面还有 {ahead} 人"),
        }
    }

    fn waiting(&self, callers: usize) -> String {
        format!("{callers} 人等待")
    }

    fn away(&self, text: &str) -> String {
        match text.is_empty() {
            true => "离开".to_owned(),
            false => format!("离开：{}", sanitize::quote(text)),
        }
    }

    fn answering(&self) -> &'static str {
        "应答机在记录"
    }

    fn idle(&self, port: u16) -> String {
        format!("在端口 {port} 等待来电")
    }

    fn calling(&self, target: &str) -> String {
        format!("正在呼叫 {target}……")
    }

    fn calling_known(&self, peer: &KnownPeer) -> String {
        let name = &peer.name;
        match peer.addresses.join("、") {
            nowhere if nowhere.is_empty() => format!("正在呼叫联系人 {name}……"),
            addresses => format!("正在呼叫联系人 {name}，地址 {addresses}……"),
        }
    }

    fn searching(&self, text: &str) -> String {
        format!("查找“{text}”（回车选用，Ctrl-R 更早，Esc 返回）：")
    }

    fn not_found(&self) -> &'static str {
        "（没有找到）"
    }

    fn unread_from_here(&self) -> &'static str {
        "以下是您离开窗口后的新消息："
    }

    fn day(&self, date: Date) -> String {
        let weekday = match date.weekday() {
            Weekday::Monday => "一",
            Weekday::Tuesday => "二",
            Weekday::Wednesday => "三",
            Weekday::Thursday => "四",
            Weekday::Friday => "五",
            Weekday::Saturday => "六",
            Weekday::Sunday => "日",
        };
        let (year, month, day) = (date.year(), date.month(), date.day());
        format!("{year} 年 {month} 月 {day} 日 星期{weekday}")
    }

    fn received_later(&self, count: usize) -> String {
        format!("✓ 又有 {count} 条消息送达")
    }
}
