//! The line codec: bytes to lines and back.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use memchr::{memchr, memchr_iter};
use tokio_util::codec::{Decoder, Encoder};

use super::line::{Batch, HANG_UP, MAX_LINE, is_hang_up};

/// Begins a control line of chat/1.
pub(crate) const CONTROL: u8 = 0x01;

/// One thing that crosses the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Lines of text.
    Text(Batch),
    /// A control line of chat/1, without its leading U+0001 and its LF.
    Control(Bytes),
    /// The other side hangs up.
    HangUp,
}

/// What it is, and not what it says.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(lines) => write!(f, "{} lines of text", lines.len()),
            Self::Control(json) => write!(f, "a control line of {} bytes", json.len()),
            Self::HangUp => f.write_str("the hang-up"),
        }
    }
}

/// Where one message ends and the next begins, with peers that do not speak chat/1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Lines; until the first LF, bytes that stay unterminated for 100 ms are a message too.
    #[default]
    Auto,
    /// Only LF ends a message.
    Line,
    /// What is read together is one message, as in programs where one `send` is one message.
    Raw,
}

/// Why bytes could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// A line over the limit, where cutting it would change the count of messages.
    #[error("a line is longer than {limit} bytes")]
    TooLong {
        /// The longest line allowed, in bytes.
        limit: usize,
    },
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// What to do with a line over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overlong {
    Cut,
    Refuse,
}

/// Turns bytes into [`Frame`]s and back, many lines at a time.
///
/// LF and CRLF end a line. Invalid UTF-8 becomes U+FFFD; [`has_mended`](Self::has_mended) tells
/// whether there was any. At the end of the stream the rest is a line. No more than about one line over the limit is ever buffered.
#[derive(Clone, Debug)]
pub struct LineCodec {
    framing: Framing,
    limit: usize,
    overlong: Overlong,
    /// Lines that begin with U+0001 are control lines.
    control: bool,
    /// `88` is text.
    literal: bool,
    /// How far the buffered, unfinished line was searched for its end.
    searched: usize,
    /// The buffered bytes continue a line that was cut at the limit.
    continued: bool,
    seen_lf: bool,
    seen_raw: bool,
    seen_crlf: bool,
    /// A CR before an LF belongs to the line, unless it would hang up.
    keeps_cr: bool,
    mended: bool,
    cut: bool,
}

impl Default for LineCodec {
    fn default() -> Self {
        Self::new(Framing::Auto)
    }
}

impl LineCodec {
    /// For peers that speak plain lines, and for a person's piped input.
    ///
    /// A line over [`MAX_LINE`] is passed on in pieces.
    pub fn new(framing: Framing) -> Self {
        Self {
            framing,
            limit: MAX_LINE,
            overlong: Overlong::Cut,
            control: false,
            literal: false,
            searched: 0,
            continued: false,
            seen_lf: false,
            seen_raw: false,
            seen_crlf: false,
            keeps_cr: false,
            mended: false,
            cut: false,
        }
    }

    /// For chat/1: only LF ends a line, U+0001 begins a control line, and a line over
    /// [`MAX_LINE`] is an error, because a cut one would be counted twice.
    pub fn chat1() -> Self {
        Self {
            control: true,
            ..Self::new(Framing::Line).whole_lines()
        }
    }

    /// Whether the peer speaks chat/1.
    pub fn is_chat1(&self) -> bool {
        self.control
    }

    /// Sets the longest line, in bytes.
    pub fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// Changes the longest line, in bytes.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Reads `88` as text.
    pub fn literal(self, literal: bool) -> Self {
        Self { literal, ..self }
    }

    /// Makes a line over the limit an error instead of cutting it.
    pub fn whole_lines(mut self) -> Self {
        self.set_whole_lines(true);
        self
    }

    /// Sets whether a line over the limit is an error, or is cut.
    pub fn set_whole_lines(&mut self, whole: bool) {
        self.overlong = match whole {
            true => Overlong::Refuse,
            false => Overlong::Cut,
        };
    }

    /// Whether a line has ended with CRLF, as telnet ends all of them (RFC 854).
    pub fn has_seen_crlf(&self) -> bool {
        self.seen_crlf
    }

    /// Sets whether the CR of a CRLF belongs to the line, for input that is to arrive as it was
    /// written.
    pub fn set_keeps_cr(&mut self, keeps_cr: bool) {
        self.keeps_cr = keeps_cr;
    }

    /// Whether some of the bytes were not UTF-8, and became U+FFFD.
    pub fn has_mended(&self) -> bool {
        self.mended
    }

    /// Whether a line over the limit was cut.
    pub fn has_cut(&self) -> bool {
        self.cut
    }

    /// Whether `src` holds unterminated bytes that are a message if nothing follows soon.
    pub fn has_unterminated(&self, src: &[u8]) -> bool {
        let unterminated = match self.framing {
            Framing::Auto => !self.seen_lf,
            Framing::Line => false,
            Framing::Raw => true,
        };
        unterminated && complete_chars(src) > 0
    }

    /// Whether the peer sends messages without terminators, and expects the same.
    pub fn is_raw(&self) -> bool {
        match self.framing {
            Framing::Auto => self.seen_raw && !self.seen_lf,
            Framing::Line => false,
            Framing::Raw => true,
        }
    }

    /// Takes the unterminated bytes as a message.
    ///
    /// A character that is still incomplete stays in `src`.
    pub fn take_unterminated(&mut self, src: &mut BytesMut) -> Option<Frame> {
        if !self.has_unterminated(src) {
            return None;
        }
        self.seen_raw = true;
        let message = src.split_to(complete_chars(src));
        self.searched = 0;
        Some(self.unterminated_line(message))
    }

    /// An unterminated message. It may hold LFs if the framing is raw.
    fn unterminated_line(&mut self, mut line: BytesMut) -> Frame {
        let continued = std::mem::take(&mut self.continued);
        if self.framing == Framing::Raw {
            for end in [b'\n', b'\r'] {
                if line.last() == Some(&end) {
                    line.truncate(line.len() - 1);
                }
            }
        }
        if !continued && self.hangs_up(&line) {
            return Frame::HangUp;
        }
        line.put_u8(b'\n');
        Frame::Text(self.counted(line))
    }

    /// Makes a batch of lines not yet counted.
    fn counted(&mut self, text: BytesMut) -> Batch {
        let lines = memchr_iter(b'\n', &text).count();
        self.batch(text, lines)
    }

    /// Makes a batch of `lines` lines, replacing invalid UTF-8 with U+FFFD.
    fn batch(&mut self, text: BytesMut, lines: usize) -> Batch {
        let text = text.freeze();
        match simdutf8::basic::from_utf8(&text) {
            Ok(_) => Batch::from_wire(text, lines),
            Err(_) => {
                self.mended = true;
                let mended = String::from_utf8_lossy(&text).into_owned();
                Batch::from_wire(mended.into(), lines)
            }
        }
    }

    fn hangs_up(&self, line: &[u8]) -> bool {
        !self.literal && is_hang_up(line)
    }

    /// Whether a line without its terminator has a meaning of its own.
    fn is_special(&self, line: &[u8]) -> bool {
        !self.continued && (self.hangs_up(line) || (self.control && line.first() == Some(&CONTROL)))
    }

    /// The whole lines at the start of `src`, up to the first special one.
    fn whole_lines_of(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, LineError> {
        let mut lines = 0;
        let mut start = 0; // of the line looked at
        let mut kept = 0; // length of the lines before it, now without their CRs
        let mut from = std::mem::take(&mut self.searched);
        while let Some(at) = memchr(b'\n', &src[from..]) {
            let lf = from + at;
            self.seen_lf = true;
            let mut end = match &src[start..lf] {
                [.., b'\r'] => {
                    self.seen_crlf = true;
                    lf - 1
                }
                _ => lf,
            };
            if self.keeps_cr && !self.is_special(&src[start..end]) {
                end = lf;
            }
            let overlong = end - start > self.limit;
            if overlong || self.is_special(&src[start..end]) {
                if lines > 0 {
                    break;
                }
                if overlong {
                    return self.cut(src).map(Some);
                }
                let mut line = src.split_to(lf + 1);
                line.truncate(end);
                return Ok(Some(if line[0] == CONTROL {
                    Frame::Control(line.freeze().slice(1..))
                } else {
                    Frame::HangUp
                }));
            }
            self.continued = false;
            if kept < start || end < lf {
                src.copy_within(start..end, kept);
                src[kept + end - start] = b'\n';
            }
            kept += end - start + 1;
            lines += 1;
            start = lf + 1;
            from = start;
        }
        if lines > 0 {
            let mut text = src.split_to(start);
            text.truncate(kept);
            return Ok(Some(Frame::Text(self.batch(text, lines))));
        }
        // A CR that may yet become part of a CRLF does not count.
        let unterminated = src.len() - usize::from(src.last() == Some(&b'\r'));
        if unterminated > self.limit {
            return self.cut(src).map(Some);
        }
        self.searched = src.len();
        Ok(None)
    }

    /// The first piece of a line over the limit.
    fn cut(&mut self, src: &mut BytesMut) -> Result<Frame, LineError> {
        if self.overlong == Overlong::Refuse {
            return Err(LineError::TooLong { limit: self.limit });
        }
        let at = match complete_chars(&src[..self.limit]) {
            0 => self.limit,
            at => at,
        };
        let mut piece = src.split_to(at);
        piece.put_u8(b'\n');
        self.continued = true;
        self.cut = true;
        Ok(Frame::Text(self.counted(piece)))
    }
}

impl Decoder for LineCodec {
    type Item = Frame;
    type Error = LineError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, LineError> {
        if self.framing == Framing::Raw {
            if src.len() > self.limit {
                return self.cut(src).map(Some);
            }
            return Ok(None);
        }
        self.whole_lines_of(src)
    }

    /// At the end of the stream the rest is a line. Of a chat/1 peer only the hang-up is:
    /// any other unterminated line was cut off, and is not counted as received.
    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, LineError> {
        if let Some(frame) = self.decode(src)? {
            return Ok(Some(frame));
        }
        self.searched = 0;
        let rest = src.split();
        if rest.is_empty() || (self.control && !self.hangs_up(&rest)) {
            return Ok(None);
        }
        Ok(Some(self.unterminated_line(rest)))
    }
}

impl Encoder<Frame> for LineCodec {
    type Error = LineError;

    /// The hang-up goes out without a terminator: every kind of peer understands it so,
    /// provided that the write half is closed next.
    fn encode(&mut self, frame: Frame, dst: &mut BytesMut) -> Result<(), LineError> {
        match frame {
            Frame::Text(batch) => {
                let bytes = batch.as_bytes();
                let end = bytes.len() - usize::from(self.is_raw() && !bytes.is_empty());
                dst.extend_from_slice(&bytes[..end]);
            }
            Frame::Control(json) => {
                dst.reserve(json.len() + 2);
                dst.put_u8(CONTROL);
                dst.put_slice(&json);
                dst.put_u8(b'\n');
            }
            Frame::HangUp => dst.put_slice(HANG_UP.as_bytes()),
        }
        Ok(())
    }
}

/// The length of `bytes` without a character at its end that is still incomplete.
fn complete_chars(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(3);
    let Some(lead) = bytes[tail..].iter().rposition(|b| b & 0xc0 != 0x80) else {
        return bytes.len();
    };
    let lead = tail + lead;
    let wanted = match bytes[lead] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    if bytes.len() - lead < wanted {
        lead
    } else {
        bytes.len()
    }
}
