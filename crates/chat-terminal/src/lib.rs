//! The person's side of a chat, shared by both programs.
//!
//! A [`Console`](console::Console) is the person: a [`screen`] on a terminal, plain [`lines`]
//! otherwise. Behind the screen, [`keys`] become strokes, the [`view`] turns strokes and events
//! into inputs, lines and the live region, and the [`painter`] draws them; none of these three
//! needs a terminal. Every text from elsewhere passes through [`sanitize`] on its way to a
//! person, and everything that the programs say by themselves stands in [`words`].
//!
//! What a program is around that is in [`program`], [`args`], [`signals`] and [`exit`]; what it
//! does about the peer's key, in [`acquaintance`].

pub mod acquaintance;
pub mod args;
mod commands;
pub mod console;
mod display;
mod draft;
mod editor;
pub mod exit;
mod history;
pub mod keys;
pub mod lines;
pub mod painter;
pub mod program;
pub mod sanitize;
pub mod screen;
pub mod signals;
mod situation;
mod status;
pub mod style;
mod terminal;
pub mod transcript;
pub mod view;
pub mod words;
mod writer;
