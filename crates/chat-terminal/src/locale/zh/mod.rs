//! The texts in Chinese.
//!
//! Full-width punctuation stands between Chinese words; commands, names, addresses and numbers
//! have a blank around them. A thing has one word, in the manual too:
//!
//! | English            | 中文       | English           | 中文         |
//! |--------------------|------------|-------------------|--------------|
//! | call               | 通话       | to call           | 呼叫         |
//! | somebody calls     | 来电       | caller            | 来电者       |
//! | answer             | 接听       | decline           | 拒接         |
//! | hang up            | 挂断       | wait, queue       | 等待         |
//! | the other side     | 对方       | this side         | 您           |
//! | message            | 消息       | receipt           | 回执         |
//! | key                | 密钥       | fingerprint       | 指纹         |
//! | safety number      | 安全码     | verify            | 核对，核实   |
//! | block              | 拉黑       | somebody between  | 中间人       |
//! | encrypted          | 已加密     | post-quantum      | 抗量子       |
//! | reconnect          | 重连       | handshake         | 握手         |
//! | away               | 离开       | note              | 留言         |
//! | answering machine  | 应答机     | record            | 记录         |
//! | keep               | 保存       | offer (a file)    | 要发来，待收 |
//! | take (a file)      | 接收       | decline (a file)  | 拒收         |
//! | known peer         | 联系人     | put aside         | 收起         |
//! | draft              | 草稿       | pipe              | 管道         |

pub(super) mod arguments;
mod callers;
mod calls;
mod emoji;
mod errors;
mod files;
mod help;
mod line;
mod machine;
mod past;
mod peers;
mod replies;
mod start;
mod status;

use std::time::Duration;

use chat_core::trust::{Security, Verification};

use super::Language;

/// Chinese, in simplified characters.
#[derive(Debug)]
pub(super) struct Chinese;

impl Language for Chinese {
    fn joined(&self, sentence: &str, next: &str) -> String {
        format!("{sentence}{next}")
    }
}

/// How secure the connection is, in a sentence.
fn mark(security: &Security) -> &'static str {
    match security {
        Security::Plaintext => "未加密",
        Security::NoKey { post_quantum } => no_key(*post_quantum),
        Security::Key { verification, .. } => match verification {
            Verification::New => "已加密，首次通话，未核实",
            Verification::Unverified => "已加密，未核实",
            Verification::Verified => "已加密，已核实",
        },
    }
}

fn no_key(post_quantum: bool) -> &'static str {
    match post_quantum {
        true => "已加密，对方无密钥",
        false => "已加密，对方无密钥，不抗量子",
    }
}

fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..10 if time.subsec_millis() >= 100 => format!("{:.1} 秒", time.as_secs_f64()),
        seconds @ 0..120 => format!("{seconds} 秒"),
        seconds => format!("{} 分钟", seconds / 60),
    }
}
