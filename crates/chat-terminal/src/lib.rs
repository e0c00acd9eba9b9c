//! The person's side of a chat, shared by both programs.

pub mod acquaintance;
pub mod args;
pub mod console;
pub mod exit;
pub mod lines;
pub mod program;
pub mod signals;
pub mod words;
