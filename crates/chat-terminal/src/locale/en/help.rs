//! The help, and what is said of commands that cannot be obeyed.

use super::English;
use crate::locale::Help;

impl Help for English {
    fn say_help(&self) -> &'static str {
        "\
To say something: type it, and press Enter.
  /say TEXT    say TEXT, even 88      //x           say \"/x\"
  /me TEXT     say what you do        /away TEXT    away; /away: back
  /keep        keep what is said from now on, after the call too
"
    }

    fn know_help(&self) -> &'static str {
        "\
To know who is there:
  /verify N    compare the safety number with N, which is read to you
               by telephone or face to face, never here
  /peers       the known keys         /status       about this call
  /name NAME   your own name          /rename NAME  their name here
  /history N   the last N messages    /search TEXT  those with TEXT
"
    }

    fn files_help(&self) -> &'static str {
        "\
To send and receive files:
  /send PATH   offer a file or directory   /cancel N   drop one
  /accept N    take one; as NAME if given  /decline N  refuse one
"
    }

    fn wait_help(&self) -> &'static str {
        "\
While you wait:
  /note TEXT   leave one line for them
"
    }

    fn callers_help(&self) -> &'static str {
        "\
When somebody calls, or waits:
  /answer      take the call that rings (Enter does, too)
  /decline     refuse who rings, or waits; /decline TEXT says why
  /block       block the key for good /next         the next caller
"
    }

    fn end_help(&self) -> &'static str {
        "\
To end: 88 alone hangs up             /quit         ends the program
"
    }

    fn how_to_list_keys(&self) -> &'static str {
        "To edit what you type: /help keys lists the keys.\n"
    }

    fn keys_help(&self) -> &'static str {
        "\
Keys:
  Alt-Enter, Ctrl-J: a new line       Ctrl-_        undo
  Left, Right, Home, End, Ctrl-B, -F, -A, -E, Alt-B, -F: move
  Backspace, Ctrl-D, -W, -U, -K, Alt-D: delete; Ctrl-Y: bring back
  Ctrl-T: swap two characters         Tab           complete a command
  Up, Down, Ctrl-P, -N: older lines   Ctrl-R        search them
  Ctrl-C: drop the line, or hang up   Ctrl-D        hang up
  Ctrl-L: draw the screen anew        Ctrl-Z        suspend
"
    }

    fn no_command(&self, typed: &str, nearest: Option<&str>) -> String {
        match nearest {
            Some(nearest) => {
                format!("There is no {typed}; did you mean {nearest}? To say it, type /{typed}")
            }
            None => {
                format!("There is no {typed}; /help lists the commands. To say it, type /{typed}")
            }
        }
    }

    fn takes_text(&self, command: &str) -> String {
        format!("The text is missing: type it after {command}")
    }

    fn takes_nothing(&self, command: &str) -> String {
        format!("{command} takes nothing after it.")
    }

    fn takes_number(&self, command: &str) -> String {
        format!("{command} takes the number of a file after it.")
    }

    fn sends_nothing(&self) -> &'static str {
        "Send what? Type a path after /send"
    }

    fn says_nothing(&self) -> &'static str {
        "Say what? Type the text after /say"
    }

    fn searches_nothing(&self) -> &'static str {
        "Search for what? Type the text after /search"
    }

    fn no_count(&self, most: usize) -> String {
        format!("How many messages? Type a number from 1 to {most} after /history")
    }

    fn no_files(&self) -> &'static str {
        "Files are sent during a call, and there is none."
    }

    fn nobody_there(&self) -> &'static str {
        "Nobody is on the line."
    }

    fn nobody_waits(&self) -> &'static str {
        "Nobody is waiting."
    }

    fn next_is_for_servers(&self) -> &'static str {
        "/next is for chat-server; /quit ends this call."
    }

    fn nobody_rings(&self) -> &'static str {
        "Nobody is calling."
    }

    fn nothing_to_wait_for(&self) -> &'static str {
        "/note works only while you wait: one line, once."
    }

    fn no_call_to_read(&self) -> &'static str {
        "Nobody is on the line; chat-server --history NAME shows what was recorded with NAME."
    }
}
