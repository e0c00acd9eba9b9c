//! To callers without chat/1 who are rejected.

use std::time::Duration;

use super::{Chinese, seconds};
use crate::locale::Replies;

impl Replies for Chinese {
    fn reply_busy(&self) -> &'static str {
        "忙：等待的人太多，请稍后再拨"
    }

    fn reply_declined(&self) -> &'static str {
        "拒接：对方不接听您的来电"
    }

    fn reply_closed(&self) -> &'static str {
        "关闭：这里已经没有人接听了"
    }

    fn reply_no_plaintext(&self) -> &'static str {
        "本服务只接听加密的来电：请用 chat-client，或 openssl s_client -quiet，\
         或在启动服务时加 --allow-plain"
    }

    fn reply_no_key(&self) -> &'static str {
        "本服务只接听认识的密钥：请用 chat-client"
    }

    fn reply_no_files(&self) -> &'static str {
        "（对方想发文件给您；纯文本连接收不了文件，chat-client 和 chat-server 可以）"
    }

    fn reply_idle(&self, limit: Duration) -> String {
        format!("（挂断：已有 {}没有动静）", seconds(limit))
    }
}
