//! Errors, as one line without a full stop.

use std::io;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use chat_core::transport::TlsError;
use chat_core::trust::{
    AgentError, ChangedKey, Direction, FileKind, Fingerprint, KnownPeer, MAX_TRIES, ParseError,
};

use super::{Chinese, seconds};
use crate::locale::{Errors, Start, said_by_the_system};
use crate::text::shell::{quoted, quoted_path};

impl Errors for Chinese {
    fn system(&self, error: &io::Error) -> String {
        let words = match error.kind() {
            ErrorKind::NotFound => "文件或目录不存在",
            ErrorKind::PermissionDenied => "没有权限",
            ErrorKind::ConnectionRefused => "连接被拒绝",
            ErrorKind::ConnectionReset => "连接被对方重置",
            ErrorKind::ConnectionAborted => "连接中止",
            ErrorKind::BrokenPipe => "管道已断开",
            ErrorKind::HostUnreachable => "主机不可达",
            ErrorKind::NetworkUnreachable => "网络不可达",
            ErrorKind::NetworkDown => "网络已断开",
            ErrorKind::NotConnected => "没有连接",
            ErrorKind::AddrInUse => "地址已被占用",
            ErrorKind::AddrNotAvailable => "本机没有这个地址",
            ErrorKind::AlreadyExists => "已经存在",
            ErrorKind::NotADirectory => "不是目录",
            ErrorKind::IsADirectory => "是一个目录",
            ErrorKind::DirectoryNotEmpty => "目录不是空的",
            ErrorKind::ReadOnlyFilesystem => "文件系统是只读的",
            ErrorKind::StorageFull => "磁盘已满",
            ErrorKind::QuotaExceeded => "超出磁盘配额",
            ErrorKind::FileTooLarge => "文件过大",
            ErrorKind::ResourceBusy => "资源正被占用",
            ErrorKind::TimedOut => "超时",
            ErrorKind::UnexpectedEof if error.get_ref().is_none() => "数据提前结束",
            ErrorKind::OutOfMemory => "内存不足",
            _ => return unsorted(said_by_the_system(error)),
        };
        words.to_owned()
    }

    fn cannot_find(&self, name: &str, why: &str) -> String {
        format!("找不到 {name}（{why}）；请检查名称，或直接呼叫地址")
    }

    fn cannot_reach(&self, address: &str, why: &str) -> String {
        format!("连不上 {address}：{why}；那里运行了 chat-server 吗？")
    }

    fn no_way_to(&self, address: &str, why: &str) -> String {
        format!("连不上 {address}：{why}；本机连上能通往那里的网络了吗？")
    }

    fn no_answer(&self, address: &str, limit: Duration) -> String {
        let limit = seconds(limit);
        format!("{address} 在 {limit}内没有回应；地址对吗？端口开着吗？")
    }

    fn no_relay_there(&self, relay: &str, why: &str) -> String {
        format!("连不上中继 {relay}：{why}；写对了吗？这台机器联网了吗？")
    }

    fn nobody_at_number(&self, number: &str, limit: Duration) -> String {
        let limit = seconds(limit);
        format!("{number} 在 {limit}内没有回应；那边运行着 chat-server --reach 吗？")
    }

    fn not_encrypted(&self, address: &str) -> String {
        format!("{address} 不加密，因此什么都没有发送；若有意不加密通话，请加 --plain")
    }

    fn no_handshake(&self, address: &str, why: &str) -> String {
        format!(
            "无法与 {address} 建立加密连接：{why}；什么都没有发送；若对方不加密，而您也有意如此，\
             请加 --plain"
        )
    }

    fn no_encrypted_connection(&self, address: &str, why: &str) -> String {
        format!("无法与 {address} 建立加密连接：{why}；什么都没有发送")
    }

    fn no_handshake_with_known(&self, address: &str, name: &str, why: &str) -> String {
        format!(
            "无法与 {address} 建立加密连接，那里本应是 {name}：{why}；什么都没有发送；可能有中间人，\
             或那里的程序坏了：请稍后再试，或用别的方式问问 {name}"
        )
    }

    fn is_blocked(&self, address: &str, name: &str) -> String {
        format!(
            "{address} 是 {name}，已被您拉黑；什么都没有发送；若仍要呼叫：chat-client --forget {}",
            quoted(name)
        )
    }

    fn is_yourself(&self, address: &str) -> String {
        format!(
            "{address} 用的是您自己的密钥：您呼叫了自己；要在一台机器上试用，请给其中一个程序另设主目录：\
             CHAT_HOME=/tmp/chat-2 chat-client {}",
            quoted(address)
        )
    }

    fn other_key(&self, address: &str, wanted: Fingerprint, found: Option<Fingerprint>) -> String {
        match found {
            Some(found) => {
                format!("{address} 的密钥是 {found}，不是要求的 {wanted}；什么都没有发送")
            }
            None => format!("{address} 没有密钥，而要求的是 {wanted}；什么都没有发送"),
        }
    }

    fn other_key_is_vouched_for(
        &self,
        address: &str,
        wanted: Fingerprint,
        found: Fingerprint,
    ) -> String {
        format!(
            "{address} 的密钥是 {found}，由要求的 {wanted} 担保；偷了后者的人也能这样做；\
             什么都没有发送；若对方确认换了新密钥：--peer-key {found}"
        )
    }

    fn somebody_else(&self, address: &str) -> String {
        format!("{address} 那里现在是别人，没有告诉他谁在呼叫")
    }

    fn no_way_to_peer(&self, name: &str, why: &[String]) -> String {
        let host = quoted(name);
        match why.is_empty() {
            true => format!(
                "不知道 {name} 在哪里：没有已知的地址，附近也没有人有这把密钥；\
                 要呼叫叫这个名字的主机：chat-client --host {host}"
            ),
            false => format!(
                "联系不上 {name}：{}；要呼叫叫这个名字的主机：chat-client --host {host}",
                why.join("；")
            ),
        }
    }

    fn downgraded(&self, address: &str, known: Fingerprint) -> String {
        format!("{address} 原来的密钥是 {known}，而现在应答的一方没有用它讲 chat/1；什么都没有发送")
    }

    fn known_key(&self, address: &str, name: &str) -> String {
        format!("{address} 是 {name}，密钥已知：不会不加密地呼叫；请去掉 --plain")
    }

    fn too_many_tries(&self, address: &str) -> String {
        format!("一天之内对 {address} 的 {MAX_TRIES} 次呼叫都在得出安全码之前中断")
    }

    fn not_tried_again(&self, why: &str) -> String {
        format!("{why}：可能有中间人，因此没有呼叫；若仍要呼叫，请加 --try-again")
    }

    fn tls_error(&self, error: &TlsError) -> String {
        match error {
            TlsError::OtherProtocol => {
                "那里有加密，但不讲 chat/1：是别的程序，不是 chat-server".into()
            }
            TlsError::NotTls => "对方不讲 TLS".into(),
            TlsError::TimedOut(limit) => {
                format!("对方在 {}内没有完成 TLS 握手", seconds(*limit))
            }
            TlsError::OtherKey(other) => format!("对方的密钥是 {}", other.found),
            TlsError::Closed => "对方在 TLS 握手时关闭了连接".into(),
            TlsError::NoKey => "对方讲 chat/1，但没有出示 Ed25519 密钥".into(),
            TlsError::NotPostQuantum => "对方讲 chat/1，但没有用抗量子的密钥交换".into(),
            TlsError::Agent(error) => self.agent_error(error),
            TlsError::Handshake(error) => format!("TLS 握手失败：{error}"),
            TlsError::Io(error) => format!("TLS 握手时连接出错：{}", self.system(error)),
        }
    }

    fn identity_is_empty(&self, path: &Path) -> String {
        format!("{} 是空的：rm {}", path.display(), quoted_path(path))
    }

    fn identity_is_no_key(&self, path: &Path) -> String {
        let word = quoted_path(path);
        format!(
            "{} 里没有 Ed25519 密钥（PKCS#8，PEM，无口令）：mv {word} {word}.old",
            path.display()
        )
    }

    fn no_certificate(&self, why: &str) -> String {
        format!("无法为密钥生成证书：{why}")
    }

    fn agent_error(&self, error: &AgentError) -> String {
        match error {
            AgentError::NoAgent => {
                "没有可用的 ssh-agent，SSH_AUTH_SOCK 未设置：eval $(ssh-agent); ssh-add".into()
            }
            AgentError::Io { socket, reason } => format!(
                "无法连接 {} 上的 ssh-agent：{}；它还在运行吗？",
                socket.display(),
                self.system(reason)
            ),
            AgentError::TimedOut(limit) => {
                format!("ssh-agent {}内没有回应；它在等您确认吗？", seconds(*limit))
            }
            AgentError::NoKey { wanted, found } => format!(
                "ssh-agent 的 {found} 把密钥中没有 Ed25519 密钥 {wanted}：用 ssh-add 添加，\
                 或用 ssh-add -X 解锁"
            ),
            AgentError::Refused => "ssh-agent 没有签名：它被锁定了，还是您拒绝了？".into(),
            AgentError::Malformed => "ssh-agent 的回应无法使用；它是最新的吗？".into(),
        }
    }

    fn no_randomness(&self) -> &'static str {
        "无法生成密钥：系统没有提供随机数"
    }

    fn is_symlink(&self, path: &Path) -> String {
        format!("{} 是符号链接：rm {}", path.display(), quoted_path(path))
    }

    fn home_is_no_directory(&self, path: &Path) -> String {
        format!(
            "CHAT_HOME 是 {}，但它不是目录：请改为一个目录，或一个新的名字",
            path.display()
        )
    }

    fn is_wrong_kind(&self, path: &Path, wanted: FileKind) -> String {
        let wanted = match wanted {
            FileKind::File => "文件",
            FileKind::Directory => "目录",
        };
        let word = quoted_path(path);
        format!("{} 不是{wanted}：mv {word} {word}.old", path.display())
    }

    fn is_exposed(&self, path: &Path, mode: u32, mend: u32) -> String {
        format!(
            "{} 对其他用户开放（权限 {mode:04o}）：chmod {mend:o} {}",
            path.display(),
            quoted_path(path)
        )
    }

    fn is_not_owned(&self, path: &Path, user: u32) -> String {
        format!(
            "{} 属于另一个用户：sudo chown {user} {}",
            path.display(),
            quoted_path(path)
        )
    }

    fn is_locked(&self, path: &Path) -> String {
        format!("{}：被另一个程序锁定", path.display())
    }

    fn home_cannot_be_made(&self, path: &Path, why: &str) -> String {
        format!(
            "CHAT_HOME 是 {}，无法创建：{why}；请改为一个可以写入的目录",
            path.display()
        )
    }

    fn cannot_use(&self, path: &Path, why: &str) -> String {
        format!("{}：{why}", path.display())
    }

    fn cannot_use_here(&self, path: &Path, why: &str) -> String {
        format!(
            "{}：{why}；请把 CHAT_HOME 设为一个可以写入的目录",
            path.display()
        )
    }

    fn no_address(&self, address: &str) -> String {
        format!("“{}”不是可以记住的地址", address.escape_debug())
    }

    fn no_name(&self, name: &str) -> String {
        format!("“{}”不是可以使用的名字", name.escape_debug())
    }

    fn no_such_key(&self, key: Fingerprint) -> String {
        format!("没有密钥为 {key} 的联系人")
    }

    fn no_such_name(&self, name: &str, known: &[&str]) -> String {
        match known.is_empty() {
            true => format!("没有名为 {name} 的联系人；现在一个联系人也没有"),
            false => format!("没有名为 {name} 的联系人；现有：{}", known.join("、")),
        }
    }

    fn is_ambiguous(&self, name: &str, alike: &[String]) -> String {
        format!(
            "{name} 可能与别人混淆：{}；请用指纹 SHA256:… 指明是哪一位",
            alike.join("、")
        )
    }

    fn dialed_key_changed(&self, changed: &ChangedKey, address: &str) -> String {
        let name = &changed.known.name;
        let (change, word) = (change(changed), quoted(name));
        format!("{address} 上 {name} 的密钥变了：{change}：chat-client --forget {word}")
    }

    fn caller_key_changed(&self, changed: &ChangedKey) -> String {
        let name = &changed.known.name;
        let (change, word) = (change(changed), quoted(name));
        format!(
            "来电者自称 {name}，密钥却不是 {name} 的：{change}：chat-server --forget {word}；\
             若是另一位 {name}，请对方用 --name 换个名字"
        )
    }

    fn key_is_vouched_for(&self, changed: &ChangedKey) -> String {
        let ChangedKey { known, new_key, .. } = changed;
        let KnownPeer {
            name,
            fingerprint,
            first_seen,
            ..
        } = &**known;
        let (who, program) = whose(changed);
        format!(
            "{who}有新密钥，由旧密钥担保：{first_seen} 起已知的是 {fingerprint}，现在是 {new_key}；\
             偷了旧密钥的人也能这样做；若 {name} 确认换了新密钥：{program} --accept-key {} {new_key}",
            quoted(name)
        )
    }

    fn key_was_replaced(&self, changed: &ChangedKey) -> String {
        let ChangedKey { known, new_key, .. } = changed;
        let (who, _) = whose(changed);
        format!(
            "{who}用的是旧密钥 {new_key}，它已换成 {}；可能被人偷了；什么都没有发送",
            known.fingerprint
        )
    }

    fn key_is_taken(&self, name: &str) -> String {
        format!("这把密钥属于您认识的 {name}；/peers 列出所有密钥")
    }

    fn nothing_is_recorded(&self, path: &Path, why: &str) -> String {
        format!("不再记录：{}：{why}", path.display())
    }

    fn exists(&self, path: &Path) -> String {
        format!("{} 已经存在", path.display())
    }

    fn is_newer(&self, path: &Path, version: u32, known: u32) -> String {
        format!(
            "{} 是版本 {version}，本程序只能读版本 {known}：请用更新的程序",
            path.display()
        )
    }

    fn line_is_left_out(&self, path: &Path, line: usize, more: usize, why: &str) -> String {
        let more = match more {
            0 => String::new(),
            _ => format!("，另有 {more} 行"),
        };
        format!("{} 第 {line} 行已略过{more}：{why}", path.display())
    }

    fn line_is_skipped(&self, path: &Path, line: usize, error: &ParseError) -> String {
        let why = match error {
            ParseError::Encoding => "不是 UTF-8",
            ParseError::TooShort => "应是 名字[,地址...] 密钥类型 SHA256:... 首次日期 状态",
            ParseError::Nameless => "缺少名字或地址",
            ParseError::Fingerprint(_) => self.no_fingerprint(),
            ParseError::State => "状态不是 unverified、verified 或 blocked",
        };
        format!("{} 第 {line} 行已略过：{why}", path.display())
    }
}

/// What has no kind: a name that was looked up.
fn unsorted(told: String) -> String {
    let known = [
        ("Name or service not known", "没有这个名称"),
        ("nodename nor servname provided", "没有这个名称"),
        ("No address associated with hostname", "这个名称没有地址"),
        ("Temporary failure in name resolution", "暂时查不了名称"),
    ];
    let found = known.iter().find(|(english, _)| told.contains(english));
    found.map_or(told, |(_, chinese)| (*chinese).to_owned())
}

fn change(changed: &ChangedKey) -> String {
    let ChangedKey { known, new_key, .. } = changed;
    let KnownPeer {
        name,
        fingerprint,
        first_seen,
        ..
    } = &**known;
    format!(
        "{first_seen} 起已知的是 {fingerprint}，现在是 {new_key}；那里可能是别人；若 {name} 确认\
         换了新密钥"
    )
}

/// Who has another key, and the program that met it.
fn whose(changed: &ChangedKey) -> (String, &'static str) {
    let name = &changed.known.name;
    match &changed.direction {
        Direction::Dialed(address) => (format!("{address} 上的 {name} "), "chat-client"),
        Direction::Called => (format!("来电的 {name} "), "chat-server"),
    }
}
