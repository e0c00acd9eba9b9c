//! The person's side of a chat.

mod commands;
mod display;
mod draft;
mod editor;
mod history;
pub mod keys;
pub mod painter;
pub mod sanitize;
pub mod screen;
mod status;
pub mod style;
mod terminal;
pub mod transcript;
pub mod view;
mod words;
mod writer;
