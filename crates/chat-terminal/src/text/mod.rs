//! Makes text from elsewhere safe to print.

pub(crate) mod safety_number;
pub(crate) mod sanitize;
