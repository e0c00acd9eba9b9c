//! The person's side of a chat, shared by both programs.

pub mod acquaintance;
pub mod args;
mod commands;
pub mod console;
mod display;
mod draft;
mod editor;
pub mod exit;
mod history;
pub mod keys;
pub mod lines;
pub mod painter;
pub mod program;
pub mod sanitize;
pub mod screen;
pub mod signals;
mod status;
pub mod style;
mod terminal;
pub mod transcript;
pub mod view;
pub mod words;
mod writer;
