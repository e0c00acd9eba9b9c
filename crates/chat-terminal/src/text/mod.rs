//! Makes text from elsewhere safe to print.

pub(crate) mod sanitize;
