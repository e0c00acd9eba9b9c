//! The user's side of a chat, shared by both programs.
//!
//! A [`Console`](console::Console) is the user's end of a call: the screen on a terminal, plain
//! lines in a pipe. Behind the screen, bytes are parsed into input events, the view turns those
//! and the events of the call into inputs, lines and the live region, and the painter draws them;
//! none of these three needs a terminal. Remote text is sanitized before it is shown, and every
//! text of the programs themselves is in [`locale`].
//!
//! The `main` that both programs share is in [`args`], [`runtime`], [`signals`] and [`exit`]; the
//! handling of the peer's key is in [`peer`] and [`keys`], of the journals in [`record`], and what
//! was said earlier in [`history`] and [`messages`]; [`list`] prints whom one can call.

#![warn(unreachable_pub)]

mod app;
mod call_status;
#[cfg(fuzzing)]
pub mod fuzz;
mod input;
mod linear;
pub mod locale;
mod pipe;
mod screen;
mod text;

pub use app::{
    args, command_line, completion, console, exit, history, keys, list, messages, peer, record,
    runtime, sandbox, signals, version,
};
pub use screen::Idle;
