//! Who is at the other end.

pub mod safety_number;
