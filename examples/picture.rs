//! Draws `docs/call-light.svg` and `docs/call-dark.svg`: a real call between the two programs, each
//! at a terminal of its own. What differs from call to call, such as the time, is drawn the same
//! each time, so that `--check` can tell whether the pictures are those of today's programs.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::{fs, io};

use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::Color;
use chat_testkit::terminal::{Emulator, Size, Terminal, command};

/// Each terminal, narrow enough to be read on a telephone.
const SIZE: Size = Size(52, 16);

/// A cell, in pixels.
const CELL: (f64, f64) = (8.4, 18.0);

/// Around the text, between the windows, and a title's height, in pixels.
const PADDING: f64 = 12.0;
const GAP: f64 = 12.0;
const TITLE: f64 = 28.0;

const FONT: &str = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";

const WIDE_FONT: &str =
    "'Apple Color Emoji', 'Segoe UI Emoji', 'Noto Color Emoji', ui-monospace, monospace";

const INFALLIBLE: &str = "a string takes everything";

/// The colours of a window.
struct Theme {
    name: &'static str,
    paper: &'static str,
    edge: &'static str,
    title: &'static str,
    text: &'static str,
}

const THEMES: [Theme; 2] = [
    Theme {
        name: "light",
        paper: "#ffffff",
        edge: "#d1d9e0",
        title: "#59636e",
        text: "#1f2328",
    },
    Theme {
        name: "dark",
        paper: "#0d1117",
        edge: "#3d444d",
        title: "#9198a1",
        text: "#f0f6fc",
    },
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let windows = call().await?;
    let checks = std::env::args().any(|argument| argument == "--check");
    for theme in &THEMES {
        let picture = theme.picture(&windows);
        let name = format!("docs/call-{}.svg", theme.name);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&name);
        if !checks {
            fs::write(&path, picture)?;
        } else if fs::read_to_string(&path)? != picture {
            let told = format!("{name} is out of date: cargo run --example picture");
            return Err(io::Error::other(told));
        }
        println!("{name}");
    }
    Ok(())
}

/// Holds the call that is pictured: the second between two people, who know each other by now.
async fn call() -> io::Result<[Window; 2]> {
    let (ann_home, bob_home) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let server = command("chat-server", ann_home.path()).args(["127.0.0.1:0", "--name", "ann"]);
    let mut ann = Terminal::start(SIZE, server);
    let address = &ann.invitation().await;
    let dial = || {
        let client = command("chat-client", bob_home.path()).args([address, "--name", "bob"]);
        Terminal::start(SIZE, client)
    };
    let mut bob = dial();
    verify(&mut ann, &mut bob).await;
    bob.type_keys("88\r").await;
    bob.exit_code().await;
    ann.wait_for_status("waiting for a call").await;
    let mut bob = dial();
    talk(&mut ann, &mut bob).await;
    Ok([
        Window::of("ann: chat-server", &ann.screen(), address),
        Window::of("bob: chat-client 192.0.2.77", &bob.screen(), address),
    ])
}

/// They read the number to each other by telephone, not in the chat.
async fn verify(ann: &mut Terminal, bob: &mut Terminal) {
    bob.wait_for_line("Safety number").await;
    let number = ann.wait_for_line("Safety number").await;
    let (number, _) = number.split_once(':').expect("it goes on");
    let (_, number) = number.split_once("number ").expect("it says so");
    for person in [ann, bob] {
        person.type_keys(&format!("/verify {number}\r")).await;
        person.wait_for_status("🔒 verified").await;
    }
}

async fn talk(ann: &mut Terminal, bob: &mut Terminal) {
    ann.wait_for_status("bob · ").await;
    bob.wait_for_status("ann · ").await;
    say(bob, ann, "hi ann! is the train on time?").await;
    say(ann, bob, "你好 bob, to the minute 👋").await;
    ann.type_keys("I put the kettle").await;
    bob.type_keys("and bring").await;
    for (person, other) in [(ann, "bob"), (bob, "ann")] {
        let is_measured =
            |row: &String| row.contains(" ms · ") && row.contains(&format!("{other} is typing …"));
        person
            .wait_for(|screen| screen.rows().last().is_some_and(is_measured))
            .await;
    }
}

async fn say(speaker: &mut Terminal, listener: &mut Terminal, text: &str) {
    speaker.type_keys(text).await;
    speaker.type_keys("\r").await;
    speaker.wait_for_line(&format!("✓ you: {text}")).await;
    listener.wait_for_line(&format!("> {text}")).await;
}

/// A character and its style.
#[derive(Clone)]
struct Glyph {
    text: String,
    columns: usize,
    color: Color,
    flags: Flags,
}

impl Glyph {
    fn of(cell: &Cell) -> Self {
        let marks = cell.zerowidth().unwrap_or_default();
        Self {
            text: [cell.c].iter().chain(marks).collect(),
            columns: 1 + usize::from(cell.flags.contains(Flags::WIDE_CHAR)),
            color: cell.fg,
            flags: cell.flags & (Flags::BOLD | Flags::DIM),
        }
    }

    /// Whether it can be drawn in one piece with another: fonts disagree on the width of wide
    /// characters.
    fn goes_with(&self, other: &Self) -> bool {
        self.columns == 1
            && other.columns == 1
            && (self.color, self.flags) == (other.color, other.flags)
    }
}

/// What is drawn of a terminal.
struct Window {
    title: &'static str,
    rows: Vec<Vec<Glyph>>,
    /// The cursor's row and column.
    cursor: (usize, usize),
}

impl Window {
    /// The call that is on, from its first row to the status row.
    fn of(title: &'static str, screen: &Emulator, address: &str) -> Self {
        let rows = (0..SIZE.1).map(|row| screen.cells(row).map(|(_, cell)| Glyph::of(cell)));
        let mut rows: Vec<Vec<_>> = rows.map(Iterator::collect).collect();
        let first = rows
            .iter()
            .rposition(|row| find(row, " -- Call with ").is_some());
        let first = first.expect("there is a call");
        let (row, column) = screen.cursor_point();
        rows.truncate(row + 2);
        rows.drain(..first);
        for (index, row) in rows.iter_mut().enumerate() {
            same_each_time(row, index == 0, address);
        }
        Self {
            title,
            rows,
            cursor: (row - first, column),
        }
    }

    fn height(&self) -> f64 {
        TITLE + self.rows.len() as f64 * CELL.1 + PADDING
    }
}

/// Where these ASCII characters are in a row.
fn find(row: &[Glyph], text: &str) -> Option<usize> {
    let wanted: Vec<_> = text.chars().map(String::from).collect();
    let mut places = row.windows(wanted.len());
    places.position(|glyphs| glyphs.iter().map(|glyph| &glyph.text).eq(&wanted))
}

/// Writes these ASCII characters in the place of others, in their style.
fn replace(row: &mut Vec<Glyph>, range: Range<usize>, text: &str) {
    let style = row[range.start].clone();
    let glyphs = text.chars().map(|character| Glyph {
        text: character.into(),
        ..style.clone()
    });
    row.splice(range, glyphs.collect::<Vec<_>>());
}

/// Draws what differs from call to call as if it did not: the time, the round trip and the
/// addresses, in the place of which stand documentary ones of the same length (RFC 5737).
fn same_each_time(row: &mut Vec<Glyph>, is_first: bool, address: &str) {
    if is_first {
        row[0].flags = Flags::DIM;
        replace(row, 0..5, "14:05");
    } else if row[2].text == ":" {
        replace(row, 0..5, "     ");
    }
    if let Some(at) = find(row, address) {
        replace(row, at..at + address.len(), "192.0.2.77:7788");
    }
    if let Some(at) = find(row, "127.0.0.1:") {
        replace(row, at..at + "127.0.0.1:50412".len(), "192.0.2.7:50412");
    }
    if let Some(end) = find(row, " ms ") {
        let before = row[..end].iter().rposition(|glyph| glyph.text == "·");
        let start = before.expect("something stands before it") + 2;
        replace(row, start..end, "24");
    }
}

impl Theme {
    /// The terminals one below the other, each in a window.
    fn picture(&self, windows: &[Window]) -> String {
        let width = SIZE.0 as f64 * CELL.0 + 2.0 * PADDING;
        let heights: f64 = windows.iter().map(Window::height).sum();
        let height = heights + GAP * (windows.len() - 1) as f64;
        let mut svg = String::new();
        writeln!(
            svg,
            "<svg xmlns='http://www.w3.org/2000/svg' width='{width:.0}' height='{height:.0}' \
             viewBox='0 0 {width:.0} {height:.0}' font-family=\"{FONT}\" font-size='14'>\n\
             <title>A call between ann and bob, each at a terminal</title>"
        )
        .expect(INFALLIBLE);
        let mut top = 0.0;
        for window in windows {
            writeln!(svg, "<g transform='translate(0 {top:.0})'>").expect(INFALLIBLE);
            self.window(window, width, &mut svg);
            svg.push_str("</g>\n");
            top += window.height() + GAP;
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn window(&self, window: &Window, width: f64, svg: &mut String) {
        let Self {
            paper,
            edge,
            title,
            text,
            ..
        } = self;
        writeln!(
            svg,
            "<rect x='.5' y='.5' width='{:.0}' height='{:.0}' rx='8' fill='{paper}' stroke='{edge}'/>\n\
             <text x='{PADDING}' y='19' fill='{title}' font-size='13'>{}</text>",
            width - 1.0,
            window.height() - 1.0,
            window.title,
        )
        .expect(INFALLIBLE);
        let (row, column) = window.cursor;
        writeln!(
            svg,
            "<rect x='{:.1}' y='{:.1}' width='{}' height='{}' fill='{text}' fill-opacity='.7'/>",
            x(column),
            TITLE + row as f64 * CELL.1,
            CELL.0,
            CELL.1,
        )
        .expect(INFALLIBLE);
        for (row, glyphs) in window.rows.iter().enumerate() {
            let baseline = TITLE + row as f64 * CELL.1 + 13.5;
            let mut column = 0;
            for run in glyphs.chunk_by(Glyph::goes_with) {
                self.run(run, column, baseline, svg);
                column += run.iter().map(|glyph| glyph.columns).sum::<usize>();
            }
        }
    }

    /// Glyphs of one style, side by side.
    fn run(&self, run: &[Glyph], column: usize, baseline: f64, svg: &mut String) {
        let is_blank = |glyph: &&Glyph| glyph.text == " ";
        let before = run.iter().take_while(is_blank).count();
        let after = run[before..].iter().rev().take_while(is_blank).count();
        let run_without_blanks = &run[before..run.len() - after];
        let Some(first) = run_without_blanks.first() else {
            return;
        };
        let text: String = run_without_blanks
            .iter()
            .map(|glyph| &*glyph.text)
            .collect();
        // Browsers drop ordinary blanks where there are many.
        let text = text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace(' ', "\u{a0}");
        let mut style = format!("fill='{}'", self.color(first.color));
        if first.flags.contains(Flags::BOLD) {
            style += " font-weight='bold'";
        }
        if first.flags.contains(Flags::DIM) {
            style += " fill-opacity='.65'";
        }
        let columns: usize = run_without_blanks.iter().map(|glyph| glyph.columns).sum();
        let (left, width) = (x(column + before), columns as f64 * CELL.0);
        let place = match first.columns {
            1 => format!(
                "x='{left:.1}' y='{baseline:.1}' textLength='{width:.1}' \
                 lengthAdjust='spacingAndGlyphs'"
            ),
            _ => format!(
                "x='{:.1}' y='{baseline:.1}' text-anchor='middle' font-family=\"{WIDE_FONT}\"",
                left + width / 2.0
            ),
        };
        writeln!(svg, "<text {place} {style}>{text}</text>").expect(INFALLIBLE);
    }

    /// A colour of the 6×6×6 cube of xterm, which all terminals share, or the text's.
    fn color(&self, color: Color) -> String {
        let Color::Indexed(index @ 16..=231) = color else {
            return self.text.to_owned();
        };
        let level = |part: u8| match part % 6 {
            0 => 0,
            part => 55 + 40 * part,
        };
        let cube = index - 16;
        let [red, green, blue] = [cube / 36, cube / 6, cube].map(level);
        format!("#{red:02x}{green:02x}{blue:02x}")
    }
}

fn x(column: usize) -> f64 {
    PADDING + column as f64 * CELL.0
}
