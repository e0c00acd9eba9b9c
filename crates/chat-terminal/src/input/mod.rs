//! From the bytes that a terminal sends to lines and commands, without any I/O.

pub(crate) mod commands;
pub(crate) mod editor;
mod history;
pub(crate) mod parser;
pub(crate) mod paths;
