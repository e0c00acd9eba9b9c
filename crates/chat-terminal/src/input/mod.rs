//! From the bytes that a terminal sends to lines and commands, without any I/O.

pub(crate) mod commands;
pub(crate) mod editor;
mod history;
mod line;
pub(crate) mod memory;
pub(crate) mod parser;
pub(crate) mod paths;
