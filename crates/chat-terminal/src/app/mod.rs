//! The `main` that both programs share, around their own work.

pub mod args;
pub mod command_line;
pub mod completion;
pub mod console;
pub mod exit;
pub mod history;
pub mod keys;
pub mod list;
pub(crate) mod logging;
mod memory;
pub mod messages;
pub mod peer;
pub mod record;
pub mod runtime;
pub mod sandbox;
pub mod signals;
pub mod version;
