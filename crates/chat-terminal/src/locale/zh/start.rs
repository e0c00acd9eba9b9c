//! Why a program does not start.

use std::env::consts::{ARCH, OS};
use std::net::SocketAddr;
use std::path::Path;

use chat_core::transport::TargetError;
use chat_core::trust::{Fingerprint, InvalidNumber, Number};

use super::Chinese;
use crate::locale::Start;
use crate::text::sanitize;

impl Start for Chinese {
    fn build(&self, reach: bool) -> String {
        let features = if reach { "reach" } else { "无" };
        let linkage = if cfg!(target_feature = "crt-static") {
            "静态链接"
        } else {
            "动态链接"
        };
        format!(
            "可选功能：{features}\n协议：chat/1、纯文本\n\
             加密：TLS 1.3、X25519MLKEM768、Ed25519\n\
             系统：{OS} {ARCH}，{linkage}"
        )
    }

    fn no_data_dir(&self) -> &'static str {
        "找不到主目录：请把 CHAT_HOME 设为您自己的一个目录"
    }

    fn no_fingerprint(&self) -> &'static str {
        "指纹的形式是 SHA256: 后接 44 个 base64 字符"
    }

    fn no_agent_key(&self) -> &'static str {
        "请写成 agent:SHA256:…，指纹见 ssh-add -l"
    }

    fn no_listen_address(&self) -> &'static str {
        "请写成 7788、127.0.0.1:7788 或 [::1]:7788 的形式"
    }

    fn target_error(&self, error: &TargetError) -> String {
        match error {
            TargetError::NoHost => "请写成 host、host:7788 或 [::1]:7788 的形式".into(),
            TargetError::NoBracket => "缺少 ]".into(),
            TargetError::AfterBracket => "] 之后应是 : 和端口".into(),
            TargetError::NoPort(port) => format!("“{}”不是端口", port.escape_debug()),
            TargetError::Key(_) => self.no_fingerprint().into(),
            TargetError::Number(InvalidNumber::Key) => {
                "@ 前面的密钥应是 64 个 0 到 f 的数字：请复制完整的一行".into()
            }
            TargetError::Number(InvalidNumber::Relay) => "@ 后面应是中继".into(),
        }
    }

    fn how_to_write_a_port(&self, target: &str) -> String {
        format!("端口写在冒号后面：chat-client {target}")
    }

    fn no_reach(&self, program: &str) -> String {
        format!(
            "这个 {program} 没有中继功能；请重新安装：\
             cargo install --path crates/{program} --features reach"
        )
    }

    fn no_relay(&self, text: &str) -> String {
        format!(
            "“{}”不是中继：请写成 relay.example.org，或用 n0 表示公共中继",
            text.escape_debug()
        )
    }

    fn impossible_number(&self, number: &Number) -> String {
        format!("号码 {number} 不可能存在：请复制整行")
    }

    fn cannot_use_relays(&self, why: &str) -> String {
        format!("这台机器不能使用中继：{why}")
    }

    fn announced(&self, name: Option<&str>, own_key: Fingerprint) -> String {
        let key = own_key.short();
        match name.and_then(sanitize::name) {
            Some(name) => format!("这个网络里的人都能看到 {name} 在这里等待，密钥 {key}。"),
            None => format!("这个网络里的人都能看到密钥 {key} 在这里等待，没有名字。"),
        }
    }

    fn cannot_announce(&self, why: &str) -> String {
        format!("无法用 --announce 让人找到这台服务器：{why}。仍可照常呼叫。")
    }

    fn nothing_to_announce(&self, address: SocketAddr) -> String {
        format!("别人连不上 {address}，公布了也没有用：请去掉 --announce，或去掉地址")
    }

    fn no_key_to_wait_for(&self, address: &str) -> String {
        format!(
            "从未呼叫过 {address}，不知道该等谁：请先不带 --when-there 呼叫一次，或给出 --peer-key"
        )
    }

    fn no_answer_text(&self) -> &'static str {
        "应是一行 1 到 256 字节的文字"
    }

    fn no_program(&self) -> &'static str {
        "这不是可执行程序：请用 chmod +x 使之可执行"
    }

    fn no_time(&self) -> &'static str {
        "时长必须大于零；请写成 10s 或 5m 的形式"
    }

    fn time_too_long(&self) -> &'static str {
        "时长必须短于一年；请写成 10s 或 5m 的形式"
    }

    fn not_a_time(&self, _: &str) -> String {
        "这不是时长；请写成 10s 或 5m 的形式".to_owned()
    }

    fn cannot_listen(&self, address: SocketAddr, why: &str) -> String {
        format!("无法在 {address} 监听：{why}")
    }

    fn port_is_taken(&self, address: SocketAddr, why: &str, instead: &str) -> String {
        format!("无法在 {address} 监听：{why}；换一个端口：{instead}")
    }

    fn address_is_elsewhere(&self, address: SocketAddr, why: &str, instead: &str) -> String {
        format!("无法在 {address} 监听：{why}；请用本机的地址，或不写地址：{instead}")
    }

    fn port_is_privileged(&self, address: SocketAddr, why: &str, instead: &str) -> String {
        format!("无法在 {address} 监听：{why}；请用 1024 以上的端口：{instead}")
    }

    fn cannot_use_passed_socket(&self, why: &str) -> String {
        format!("无法在传入的套接字上监听：{why}；请在 socket 单元中写一行 ListenStream=")
    }

    fn cannot_log(&self, path: &Path, why: &str) -> String {
        format!("无法把日志写入 {}：{why}", path.display())
    }

    fn log_is_symlink(&self) -> &'static str {
        "它是符号链接"
    }

    fn log_is_no_file(&self) -> &'static str {
        "它不是普通文件"
    }

    fn log_is_full(&self, bytes: u64) -> String {
        format!("已写满 {bytes} 字节：请删除它，或换一个文件")
    }
}
