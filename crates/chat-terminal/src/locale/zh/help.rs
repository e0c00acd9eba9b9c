//! The help, and answers to commands that cannot be obeyed.

use super::Chinese;
use crate::locale::Help;

impl Help for Chinese {
    fn say_help(&self) -> &'static str {
        "\
说话：输入文字，按回车。
  /say 文字    原样发送，88 也行      //x           发送“/x”
  /me 文字     描述自己的动作         /away 文字    离开；单独用则回来
  /keep        从现在起，通话内容在结束后也保存
"
    }

    fn know_help(&self) -> &'static str {
        "\
确认对方是谁：
  /verify N    核对安全码 N：请对方打电话或当面念给您，
               切勿在此聊天中发送
  /peers       联系人与密钥           /status       当前通话的情况
  /name 名字   改自己的名字           /rename 名字  给对方改称呼
  /history N   最近 N 条消息          /search 文字  查找含此文字的消息
"
    }

    fn files_help(&self) -> &'static str {
        "\
收发文件：
  /send 路径   发送文件或目录         /cancel N     取消
  /accept N    接收，可另取名字       /decline N    拒收
"
    }

    fn wait_help(&self) -> &'static str {
        "\
等待接听时：
  /note 文字   给对方留一行话
"
    }

    fn callers_help(&self) -> &'static str {
        "\
有人来电或等待时：
  /answer      接听来电（按回车也行）
  /decline     拒接来电或等待的人；/decline 文字 说明原因
  /block       拒接并拉黑其密钥       /next         接下一位
"
    }

    fn end_help(&self) -> &'static str {
        "\
结束：单独一行 88 挂断                /quit         退出程序
"
    }

    fn how_to_list_keys(&self) -> &'static str {
        "编辑输入行的按键：/help keys\n"
    }

    fn keys_help(&self) -> &'static str {
        "\
按键：
  Alt-回车、Ctrl-J：换行              Ctrl-_        撤销
  ←、→、Home、End、Ctrl-B、-F、-A、-E、Alt-B、-F：移动
  退格、Ctrl-D、-W、-U、-K、Alt-D：删除；Ctrl-Y：粘回
  Ctrl-T：交换两个字符                Tab           补全命令
  ↑、↓、Ctrl-P、-N：以前的输入        Ctrl-R        查找以前的输入
  Ctrl-C：清空输入行，或挂断          Ctrl-D        挂断
  Ctrl-L：重绘屏幕                    Ctrl-Z        挂起程序
"
    }

    fn no_command(&self, typed: &str, nearest: Option<&str>) -> String {
        match nearest {
            Some(nearest) => {
                format!("没有 {typed} 这个命令；是不是 {nearest}？要原样发送，请输入 /{typed}")
            }
            None => {
                format!("没有 {typed} 这个命令；/help 列出全部命令。要原样发送，请输入 /{typed}")
            }
        }
    }

    fn takes_text(&self, command: &str) -> String {
        format!("内容呢？请写在 {command} 后面")
    }

    fn takes_nothing(&self, command: &str) -> String {
        format!("{command} 后面不带任何内容。")
    }

    fn takes_number(&self, command: &str) -> String {
        format!("{command} 后面应是文件的编号。")
    }

    fn sends_nothing(&self) -> &'static str {
        "发送什么？请在 /send 后面写上路径"
    }

    fn says_nothing(&self) -> &'static str {
        "说什么？请在 /say 后面写上文字"
    }

    fn searches_nothing(&self) -> &'static str {
        "查找什么？请在 /search 后面写上文字"
    }

    fn no_count(&self, most: usize) -> String {
        format!("要看多少条消息？请在 /history 后面写 1 到 {most} 的数字")
    }

    fn no_files(&self) -> &'static str {
        "文件要在通话中收发，当前没有通话。"
    }

    fn nobody_there(&self) -> &'static str {
        "当前没有通话。"
    }

    fn nobody_waits(&self) -> &'static str {
        "没有人在等待。"
    }

    fn next_is_for_servers(&self) -> &'static str {
        "/next 只用于 chat-server；/quit 结束本次通话。"
    }

    fn nobody_rings(&self) -> &'static str {
        "没有来电。"
    }

    fn nothing_to_wait_for(&self) -> &'static str {
        "/note 只在等待接听时可用：一行，一次。"
    }

    fn no_call_to_read(&self) -> &'static str {
        "当前没有通话；chat-server --history 名字 可查看与此人的通话记录。"
    }
}
