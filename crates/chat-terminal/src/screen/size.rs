//! The size of the terminal.

/// How large the terminal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// Columns, at least 1.
    pub(crate) columns: usize,
    /// Rows, at least 1.
    pub(crate) rows: usize,
}
