//! The size of the terminal.

/// Columns and rows of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// Columns, at least 1.
    pub(crate) columns: usize,
    /// Rows, at least 1.
    pub(crate) rows: usize,
}
