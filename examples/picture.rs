//! Draws `docs/call.svg`: a real call between the two programs, each typed into a shell at a
//! terminal of its own, as the terminals show it. Port 7788 must be free.

use std::fmt::Write as _;
use std::path::Path;

use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::{Color, NamedColor};
use chat_testkit::terminal::{Emulator, Size, Terminal, shell};

/// Each terminal.
const SIZE: Size = Size(76, 18);

/// A cell, in pixels.
const CELL: (f64, f64) = (8.4, 18.0);

/// Around the text, between the windows, and a title's height, in pixels.
const PADDING: f64 = 14.0;
const GAP: f64 = 18.0;
const TITLE: f64 = 30.0;

const FONT: &str = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";

const WIDE_FONT: &str =
    "'Apple Color Emoji', 'Segoe UI Emoji', 'Noto Color Emoji', ui-monospace, monospace";

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let (ann_home, bob_home) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut ann = Terminal::start(SIZE, shell("ann", ann_home.path()));
    let mut bob = Terminal::start(SIZE, shell("bob", bob_home.path()));
    talk(&mut ann, &mut bob).await;
    let picture = picture([("ann", &ann.screen()), ("bob", &bob.screen())]);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/call.svg");
    std::fs::write(&path, picture)?;
    println!("{}", path.display());
    Ok(())
}

/// The call that is pictured.
async fn talk(ann: &mut Terminal, bob: &mut Terminal) {
    ann.wait_for_line("$").await;
    ann.type_keys("chat-server 127.0.0.1:7788 --name ann\n")
        .await;
    ann.wait_for_status("waiting for a call").await;
    bob.wait_for_line("$").await;
    bob.type_keys("chat-client --name bob\n").await;
    bob.wait_for_line("Safety number").await;
    let number = ann.wait_for_line("Safety number").await;
    let (number, _) = number.split_once(':').expect("it goes on");
    let (_, number) = number.split_once("number ").expect("it says so");
    // They read it to each other by telephone, not in the chat.
    for person in [&mut *ann, &mut *bob] {
        person.type_keys(&format!("/verify {number}\r")).await;
        person.wait_for_status("🔒 verified").await;
    }
    say(bob, ann, "the numbers are the same, hi ann! 👋").await;
    say(ann, bob, "你好 bob, is the train on time?").await;
    bob.type_keys("\x1b[200~Yes:\r14:05 platform 3\r16:20 your door\x1b[201~")
        .await;
    bob.wait_for(|screen| screen.cursor().0.contains("your door"))
        .await;
    bob.type_keys("\r").await;
    bob.wait_for_line("✓ you: Yes:").await;
    ann.wait_for_line("│ 16:20 your door").await;
    ann.type_keys("wonderful, I put the kettle").await;
    bob.type_keys("and bring").await;
    ann.wait_for_status("bob is typing …").await;
    bob.wait_for_status("ann is typing …").await;
}

async fn say(speaker: &mut Terminal, listener: &mut Terminal, text: &str) {
    speaker.type_keys(text).await;
    speaker.type_keys("\r").await;
    speaker.wait_for_line(&format!("✓ you: {text}")).await;
    listener.wait_for_line(&format!("> {text}")).await;
}

/// The terminals side by side, each in a window.
fn picture(windows: [(&str, &Emulator); 2]) -> String {
    let (width, height) = window_size();
    let mut svg = String::new();
    let all = 2.0 * width + GAP;
    writeln!(
        svg,
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {all:.0} {height:.0}' \
         font-family=\"{FONT}\" font-size='14'>\n\
         <title>A call between ann and bob, each at a terminal</title>"
    )
    .expect(INFALLIBLE);
    for (index, (name, screen)) in windows.into_iter().enumerate() {
        let left = index as f64 * (width + GAP);
        writeln!(svg, "<g transform='translate({left:.0} 0)'>").expect(INFALLIBLE);
        window(name, screen, &mut svg);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

const INFALLIBLE: &str = "a string takes everything";

fn window_size() -> (f64, f64) {
    let Size(columns, rows) = SIZE;
    (
        columns as f64 * CELL.0 + 2.0 * PADDING,
        rows as f64 * CELL.1 + 2.0 * PADDING + TITLE,
    )
}

fn window(name: &str, screen: &Emulator, svg: &mut String) {
    let (width, height) = window_size();
    writeln!(
        svg,
        "<rect x='.5' y='.5' width='{:.0}' height='{:.0}' rx='9' fill='#1d2129' stroke='#3b4252'/>\n\
         <text x='{:.0}' y='20' fill='#8b93a5' font-size='13' text-anchor='middle'>{name}</text>",
        width - 1.0,
        height - 1.0,
        width / 2.0,
    )
    .expect(INFALLIBLE);
    for (index, color) in ["#ec6a5e", "#f4bf4f", "#61c554"].iter().enumerate() {
        let x = 18 + 18 * index;
        writeln!(svg, "<circle cx='{x}' cy='16' r='5.5' fill='{color}'/>").expect(INFALLIBLE);
    }
    let (row, column) = screen.cursor_point();
    writeln!(
        svg,
        "<rect x='{:.1}' y='{:.1}' width='{}' height='{}' fill='#d8dee9' fill-opacity='.8'/>",
        x(column),
        TITLE + PADDING + row as f64 * CELL.1,
        CELL.0,
        CELL.1,
    )
    .expect(INFALLIBLE);
    for row in 0..SIZE.1 {
        let baseline = TITLE + PADDING + row as f64 * CELL.1 + 13.5;
        for run in runs(screen.cells(row)) {
            run.draw(baseline, svg);
        }
    }
}

fn x(column: usize) -> f64 {
    PADDING + column as f64 * CELL.0
}

/// Cells of one style, side by side.
struct Run<'a> {
    column: usize,
    columns: usize,
    text: String,
    cell: &'a Cell,
}

/// The runs of a row. A wide character is a run of its own: fonts disagree on its width.
fn runs<'a>(cells: impl Iterator<Item = (usize, &'a Cell)>) -> Vec<Run<'a>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    for (column, cell) in cells {
        let wide = cell.flags.contains(Flags::WIDE_CHAR);
        let style = |cell: &Cell| (cell.fg, cell.flags & (Flags::BOLD | Flags::DIM));
        let goes_on = |run: &&mut Run<'_>| {
            !wide && !run.cell.flags.contains(Flags::WIDE_CHAR) && style(run.cell) == style(cell)
        };
        let run = match runs.last_mut().filter(goes_on) {
            Some(run) => run,
            None => {
                runs.push(Run {
                    column,
                    columns: 0,
                    text: String::new(),
                    cell,
                });
                runs.last_mut().expect("it was pushed just now")
            }
        };
        run.columns += if wide { 2 } else { 1 };
        run.text.push(cell.c);
        run.text.extend(cell.zerowidth().unwrap_or_default());
    }
    runs
}

impl Run<'_> {
    fn draw(&self, baseline: f64, svg: &mut String) {
        let text = self.text.trim_end();
        if text.trim_start().is_empty() {
            return;
        }
        let columns = self.columns - (self.text.len() - text.len());
        let before = text.len() - text.trim_start().len();
        // Browsers drop ordinary blanks where there are many.
        let escaped = text
            .trim_start()
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace(' ', "\u{a0}");
        let weight = match self.cell.flags.contains(Flags::BOLD) {
            true => " font-weight='bold'",
            false => "",
        };
        let opacity = match self.cell.flags.contains(Flags::DIM) {
            true => " fill-opacity='.6'",
            false => "",
        };
        let fill = color(self.cell.fg);
        let left = x(self.column + before);
        let width = (columns - before) as f64 * CELL.0;
        if self.cell.flags.contains(Flags::WIDE_CHAR) {
            let middle = left + width / 2.0;
            writeln!(
                svg,
                "<text x='{middle:.1}' y='{baseline:.1}' text-anchor='middle' \
                 font-family=\"{WIDE_FONT}\" fill='{fill}'{weight}>{escaped}</text>",
            )
        } else {
            writeln!(
                svg,
                "<text x='{left:.1}' y='{baseline:.1}' textLength='{width:.1}' \
                 lengthAdjust='spacingAndGlyphs' fill='{fill}'{weight}{opacity}>{escaped}</text>",
            )
        }
        .expect(INFALLIBLE);
    }
}

fn color(color: Color) -> &'static str {
    match color {
        Color::Named(NamedColor::Red) => "#f07178",
        Color::Named(NamedColor::Green) => "#a3be8c",
        Color::Named(NamedColor::Yellow) => "#ebcb8b",
        Color::Named(NamedColor::Cyan) => "#88c0d0",
        _ => "#d8dee9",
    }
}
