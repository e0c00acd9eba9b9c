//! To somebody who types, and about the input of a pipe.

use chat_core::protocol::SendError;

use super::Chinese;
use crate::locale::TypedLine;

impl TypedLine for Chinese {
    fn nobody(&self) -> &'static str {
        "当前没有通话，输入的文字仍保留在这里。"
    }

    fn rings_meanwhile(&self) -> &'static str {
        "未发送，按 ↑ 取回。回车接听来电，/decline 拒接。"
    }

    fn own_number(&self) -> &'static str {
        "这是您的安全码吧？中间人可能会篡改它。按回车仍然发送。"
    }

    fn own_number_in_line(&self) -> &'static str {
        "未发送。这是您的安全码吧？中间人可能会篡改它。再输入同一行则仍然发送。"
    }

    fn hang_up_maybe(&self) -> &'static str {
        "要挂断吗？再按回车就挂断；用 /say 可把它当文字发送。"
    }

    fn hang_up_maybe_in_line(&self) -> &'static str {
        "要挂断吗？再输入同一行就挂断；用 /say 可把它当文字发送。"
    }

    fn ctrl_c_hangs_up(&self) -> &'static str {
        "输入行已清空（按 ↑ 取回）；再按 Ctrl-C 挂断。"
    }

    fn ctrl_c_quits(&self) -> &'static str {
        "输入行已清空（按 ↑ 取回）；再按 Ctrl-C 退出程序。"
    }

    fn too_late(&self) -> &'static str {
        "晚了一步：通话已经结束，命令没有执行。"
    }

    fn no_call(&self) -> &'static str {
        "当前没有通话可挂断；/quit 退出程序。"
    }

    fn left_unsent(&self) -> &'static str {
        "输入中的一行 88 挂断了通话，其后的内容没有发送。加上 --literal，88 就只是文字。"
    }

    fn input_left(&self) -> &'static str {
        "输入还没有发完，通话就结束了。"
    }

    fn input_not_utf8(&self) -> &'static str {
        "输入中有些字节不是 UTF-8，每处都以 U+FFFD 代替发送。"
    }

    fn input_cut(&self) -> &'static str {
        "输入中有一行过长，已分段发送。"
    }

    fn full(&self) -> &'static str {
        "待发送的内容太多，输入的文字仍保留在这里。请稍后再试。"
    }

    fn not_sent(&self, why: &SendError) -> String {
        match why {
            SendError::TooLong { length, limit } => {
                format!("未发送：消息过长，共 {length} 字节，最多 {limit} 字节。")
            }
            SendError::Full => "未发送：待送达的内容太多，请稍后再试。".into(),
            SendError::WouldHangUp => "未发送：对方会把单独一行 88 当作挂断。".into(),
        }
    }

    fn paste_stalled(&self) -> &'static str {
        "粘贴还没有结束：请继续等待，或按 Ctrl-C 取消。"
    }

    fn paste_cancelled(&self) -> &'static str {
        "已取消粘贴。"
    }

    fn gathered(&self, lines: usize) -> String {
        format!("一次收到 {lines} 行：回车作为一条消息发送，Ctrl-C 丢弃。")
    }

    fn pasted(&self, lines: usize) -> String {
        format!("共 {lines} 行：回车作为一条消息发送，Ctrl-C 丢弃。")
    }

    fn paste_too_long(&self, bytes: usize, limit: usize) -> String {
        format!("粘贴的 {bytes} 字节已丢弃：一条消息最多 {limit} 字节。")
    }

    fn transliterated(&self) -> &'static str {
        "您的区域设置不是 UTF-8，无法显示的字符会用别的字符或 <U+4F60> 这样的形式代替。如果终端\
         其实能显示，请设置 LC_ALL=C.UTF-8 后重新启动。"
    }

    fn draft_not_sent(&self, draft: &str) -> String {
        format!("未发送：{draft}")
    }

    fn draft_is_back(&self) -> &'static str {
        "上次输入而未发送的内容已放回输入行；按 Ctrl-C 丢弃。"
    }

    fn put_aside(&self, name: Option<&str>) -> String {
        match name {
            Some(name) => format!("您要对 {name} 说的话已收起，按 ↑ 取回。"),
            None => "您正在输入的内容已收起，按 ↑ 取回。".to_owned(),
        }
    }

    fn call_has_changed(&self, name: &str) -> String {
        format!("现在通话的是 {name}：回车发送，Ctrl-C 丢弃。")
    }

    fn terminal_gone(&self) -> &'static str {
        "终端已关闭"
    }
}
