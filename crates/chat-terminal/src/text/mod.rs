//! Makes text from elsewhere safe to print, and to paste.

pub(crate) mod action;
pub(crate) mod charset;
pub(crate) mod past;
pub(crate) mod safety_number;
pub(crate) mod sanitize;
pub(crate) mod shell;
pub(crate) mod stderr;
pub(crate) mod wrap;
