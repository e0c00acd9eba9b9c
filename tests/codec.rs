//! Bytes in, frames out: the line codec, without a runtime.

use bytes::{Bytes, BytesMut};
use chat_core::wire::{Batch, Frame, Framing, LineCodec, LineError, MAX_LINE};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio_util::codec::{Decoder, Encoder};

/// What came out, without the borders between reads.
#[derive(Clone, Debug, PartialEq)]
enum Heard {
    Line(String),
    Control(Vec<u8>),
    HangUp,
    TooLong,
}

fn line(text: &str) -> Heard {
    Heard::Line(text.into())
}

fn lines<const N: usize>(texts: [&str; N]) -> Vec<Heard> {
    texts.map(line).into()
}

/// A codec and the bytes it has not yet used.
struct Ear {
    codec: LineCodec,
    bytes: BytesMut,
    heard: Vec<Heard>,
}

impl Ear {
    fn new(codec: LineCodec) -> Self {
        Self {
            codec,
            bytes: BytesMut::new(),
            heard: Vec::new(),
        }
    }

    fn note(&mut self, frame: Result<Option<Frame>, LineError>) -> bool {
        match frame {
            Ok(None) => return false,
            Ok(Some(Frame::Text(batch))) => {
                assert!(!batch.is_empty(), "a batch has at least one line");
                assert_eq!(batch.len(), batch.lines().count());
                self.heard.extend(batch.lines().map(line));
            }
            Ok(Some(Frame::Control(json))) => self.heard.push(Heard::Control(json.into())),
            Ok(Some(Frame::HangUp)) => self.heard.push(Heard::HangUp),
            Err(LineError::TooLong { .. }) => {
                self.heard.push(Heard::TooLong);
                return false;
            }
            Err(LineError::Io(error)) => panic!("there is no I/O here: {error}"),
        }
        true
    }

    fn failed(&self) -> bool {
        self.heard.last() == Some(&Heard::TooLong)
    }

    fn read(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        while !self.failed() {
            let frame = self.codec.decode(&mut self.bytes);
            if !self.note(frame) {
                break;
            }
        }
    }

    fn silence(&mut self) {
        let frame = self.codec.take_unterminated(&mut self.bytes);
        self.note(Ok(frame));
    }

    fn end(mut self) -> Vec<Heard> {
        while !self.failed() {
            let frame = self.codec.decode_eof(&mut self.bytes);
            if !self.note(frame) {
                break;
            }
        }
        self.heard
    }
}

/// All that `codec` makes of `pieces`, each from one read, and the end of the stream.
fn decode<P: AsRef<[u8]>>(codec: LineCodec, pieces: &[P]) -> Vec<Heard> {
    let mut ear = Ear::new(codec);
    for piece in pieces {
        ear.read(piece.as_ref());
    }
    ear.end()
}

fn encode(mut codec: LineCodec, frame: Frame) -> Bytes {
    let mut bytes = BytesMut::new();
    codec.encode(frame, &mut bytes).expect("encoding is total");
    bytes.freeze()
}

fn auto() -> LineCodec {
    LineCodec::new(Framing::Auto)
}

fn raw() -> LineCodec {
    LineCodec::new(Framing::Raw)
}

#[test]
fn lf_and_crlf_end_a_line() {
    assert_eq!(
        decode(auto(), &["one\ntwo\r\n\nthree\r\r\nfo\rur\n"]),
        lines(["one", "two", "", "three\r", "fo\rur"])
    );
}

#[test]
fn a_crlf_may_come_in_two_reads() {
    assert_eq!(
        decode(auto(), &["one\r", "\ntwo", "\r\n"]),
        lines(["one", "two"])
    );
}

#[test]
fn all_lines_of_a_read_come_in_one_batch() {
    let mut bytes = BytesMut::from("one\ntwo\r\nthree\nfo");
    let frame = auto().decode(&mut bytes).expect("lines");
    assert_eq!(frame, Some(Frame::Text("one\ntwo\nthree".into())));
    assert_eq!(bytes, "fo");
}

#[test]
fn a_line_waits_for_its_end() {
    let mut ear = Ear::new(auto());
    ear.read(b"one");
    assert_eq!(ear.heard, []);
    ear.read(b" and a half\n");
    assert_eq!(ear.heard, lines(["one and a half"]));
}

#[test]
fn characters_survive_being_cut() {
    let text = "你好 🙂\n";
    let bytes: Vec<_> = text.as_bytes().chunks(1).collect();
    assert_eq!(decode(auto(), &bytes), lines(["你好 🙂"]));
}

#[test]
fn bytes_that_are_no_utf8_are_shown_as_such() {
    assert_eq!(
        decode(auto(), &[b"a\xffb\n\xe4\xbd\nok\n"]),
        lines(["a\u{fffd}b", "\u{fffd}", "ok"])
    );
}

#[test]
fn the_end_of_the_stream_ends_a_line() {
    assert_eq!(decode(auto(), &["one\ntwo"]), lines(["one", "two"]));
    assert_eq!(decode(auto(), &["one\n"]), lines(["one"]));
    assert_eq!(decode(auto(), &[""]), []);
    assert_eq!(decode(auto(), &[b"cut \xe4\xbd"]), lines(["cut \u{fffd}"]));
}

#[test]
fn only_88_alone_hangs_up() {
    for bytes in ["88\n", "88\r\n", "88"] {
        assert_eq!(decode(auto(), &[bytes]), [Heard::HangUp], "{bytes:?}");
    }
    for text in ["88 ", " 88", "888", "8", "８８", "88\r\r", "08", "88\t"] {
        assert_eq!(decode(auto(), &[format!("{text}\n")])[0], {
            line(text.strip_suffix('\r').unwrap_or(text))
        });
    }
}

#[test]
fn a_hang_up_stands_where_it_was_said() {
    assert_eq!(
        decode(auto(), &["one\n88\r\ntwo\n"]),
        [line("one"), Heard::HangUp, line("two")]
    );
}

#[test]
fn a_hang_up_may_come_in_two_reads() {
    assert_eq!(decode(auto(), &["8", "8", "\n"]), [Heard::HangUp]);
    assert_eq!(decode(auto(), &["8", "8"]), [Heard::HangUp]);
}

#[test]
fn literal_88_is_text() {
    let codec = || auto().literal(true);
    assert_eq!(decode(codec(), &["88\n88"]), lines(["88", "88"]));
}

#[test]
fn a_line_at_the_limit_is_whole() {
    let codec = || auto().limit(4);
    assert_eq!(decode(codec(), &["abcd\n"]), lines(["abcd"]));
    assert_eq!(decode(codec(), &["abcd\r\n"]), lines(["abcd"]));
    assert_eq!(decode(codec(), &["abcd\r", "\n"]), lines(["abcd"]));
    assert_eq!(decode(codec(), &["abcd"]), lines(["abcd"]));
}

#[test]
fn a_line_over_the_limit_comes_in_pieces() {
    let codec = || auto().limit(4);
    assert_eq!(
        decode(codec(), &["abcdefghij\nkl\n"]),
        lines(["abcd", "efgh", "ij", "kl"])
    );
    assert_eq!(decode(codec(), &["abcdefgh\n"]), lines(["abcd", "efgh"]));
    assert_eq!(decode(codec(), &["abcd\rx\n"]), lines(["abcd", "\rx"]));
    assert_eq!(decode(codec(), &["你好\n"]), lines(["你", "好"]));
    assert_eq!(decode(codec(), &["x\nabcdef"]), lines(["x", "abcd", "ef"]));
}

#[test]
fn what_is_left_of_a_cut_line_never_hangs_up() {
    let codec = || auto().limit(4);
    for pieces in [
        &["abcd88\n"][..],
        &["abcd8", "8\n"],
        &["abcd88\r\n"],
        &["abcd88"],
    ] {
        assert_eq!(decode(codec(), pieces), lines(["abcd", "88"]), "{pieces:?}");
    }
    let next = decode(codec(), &["abcd88\n88\n"]);
    assert_eq!(next, [line("abcd"), line("88"), Heard::HangUp]);
}

#[test]
fn an_endless_line_takes_bounded_memory() {
    let mut ear = Ear::new(LineCodec::default());
    for _ in 0..64 {
        ear.read(&[b'x'; MAX_LINE / 8]);
        assert!(ear.bytes.len() <= MAX_LINE);
    }
    let heard = ear.end();
    assert_eq!(heard, vec![line(&"x".repeat(MAX_LINE)); 8]);
}

#[test]
fn whole_lines_refuses_to_cut() {
    let codec = || auto().limit(4).whole_lines();
    assert_eq!(decode(codec(), &["abcd\nabcde\n"])[1], Heard::TooLong);
    assert_eq!(decode(codec(), &["abcde"]), [Heard::TooLong]);
    assert_eq!(decode(codec(), &["abcd\r\nab\r\n"]), lines(["abcd", "ab"]));
}

#[test]
fn chat1_knows_control_lines() {
    assert_eq!(
        decode(LineCodec::chat1(), &["a\n\u{1}{\"x\":1}\r\nb \u{1}\n88\n"]),
        [
            line("a"),
            Heard::Control(b"{\"x\":1}".into()),
            line("b \u{1}"),
            Heard::HangUp
        ]
    );
    assert_eq!(decode(auto(), &["\u{1}{}\n"]), lines(["\u{1}{}"]));
}

#[test]
fn chat1_counts_no_line_that_was_cut_off() {
    assert_eq!(decode(LineCodec::chat1(), &["a\nb"]), lines(["a"]));
    assert_eq!(decode(LineCodec::chat1(), &["\u{1}{}"]), []);
    assert_eq!(decode(LineCodec::chat1(), &["a\n88"])[1], Heard::HangUp);
}

#[test]
fn chat1_refuses_long_lines() {
    let long = vec![b'x'; MAX_LINE + 1];
    assert_eq!(decode(LineCodec::chat1(), &[&long]), [Heard::TooLong]);
    assert_eq!(
        decode(LineCodec::chat1(), &[&long[1..], b"\n"]),
        lines([&"x".repeat(MAX_LINE)])
    );
}

#[test]
fn silence_ends_a_message_until_the_first_lf() {
    let mut ear = Ear::new(auto());
    ear.read(b"one");
    assert!(!ear.codec.is_raw());
    ear.silence();
    assert!(ear.codec.is_raw());
    ear.read("好好".as_bytes());
    ear.silence();
    ear.silence();
    assert_eq!(ear.heard, lines(["one", "好好"]));
    ear.read(b"a line\nand");
    ear.silence();
    assert!(!ear.codec.is_raw());
    assert_eq!(ear.end(), lines(["one", "好好", "a line", "and"]));
}

#[test]
fn silence_never_ends_a_character() {
    let mut ear = Ear::new(auto());
    let (head, tail) = "a你".as_bytes().split_at(3);
    ear.read(head);
    ear.silence();
    assert_eq!(ear.heard, lines(["a"]));
    ear.silence();
    assert!(!ear.codec.has_unterminated(&ear.bytes));
    ear.read(tail);
    ear.silence();
    assert_eq!(ear.heard, lines(["a", "你"]));
}

#[test]
fn silence_after_88_hangs_up() {
    for codec in [auto(), raw()] {
        let mut ear = Ear::new(codec);
        ear.read(b"88");
        ear.silence();
        assert_eq!(ear.heard, [Heard::HangUp]);
    }
}

#[test]
fn silence_means_nothing_in_line_framing() {
    for codec in [LineCodec::new(Framing::Line), LineCodec::chat1()] {
        let mut ear = Ear::new(codec);
        ear.read(b"one");
        ear.silence();
        assert!(!ear.codec.is_raw());
        assert_eq!(ear.heard, []);
    }
}

#[test]
fn raw_framing_takes_what_comes_together() {
    let mut ear = Ear::new(raw());
    for bytes in ["one\ntwo", "three\r\n", "88\n"] {
        ear.read(bytes.as_bytes());
        ear.silence();
    }
    let wanted = [line("one"), line("two"), line("three"), Heard::HangUp];
    assert_eq!(ear.heard, wanted);
}

#[test]
fn a_cut_raw_message_never_hangs_up() {
    let mut ear = Ear::new(raw().limit(4));
    ear.read(b"abcd88");
    ear.silence();
    assert_eq!(ear.heard, lines(["abcd", "88"]));
}

#[test]
fn frames_go_out_as_lines() {
    let text = || Frame::Text("one\ntwo".into());
    assert_eq!(encode(auto(), text()), "one\ntwo\n");
    assert_eq!(encode(raw(), text()), "one\ntwo");
    assert_eq!(encode(raw(), Frame::Text(Batch::default())), "");
    for codec in [auto(), raw(), LineCodec::chat1()] {
        assert_eq!(encode(codec, Frame::HangUp), "88");
    }
    let control = Frame::Control(Bytes::from_static(b"{}"));
    assert_eq!(encode(LineCodec::chat1(), control), "\u{1}{}\n");
}

#[test]
fn a_limit_below_one_character_still_moves_on() {
    let batch = Batch::from_lines("你a", 1);
    assert_eq!(batch.lines().collect::<Vec<_>>(), ["你", "a"]);
}

/// What the lines of a stream mean, written down as plainly as can be.
fn model(bytes: &[u8], control: bool) -> Vec<Heard> {
    let mut heard = Vec::new();
    let mut parts: Vec<_> = bytes.split(|b| *b == b'\n').collect();
    let rest = parts.pop().unwrap_or_default();
    for part in parts {
        heard.push(match part.strip_suffix(b"\r").unwrap_or(part) {
            b"88" => Heard::HangUp,
            [1, json @ ..] if control => Heard::Control(json.into()),
            text => Heard::Line(String::from_utf8_lossy(text).into()),
        });
    }
    match rest {
        b"88" => heard.push(Heard::HangUp),
        text if control || text.is_empty() => {}
        text => heard.push(Heard::Line(String::from_utf8_lossy(text).into())),
    }
    heard
}

/// Bytes in which everything that means something is likely.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        3 => Just(b"\n".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        1 => Just(b"\r".to_vec()),
        2 => Just(b"88".to_vec()),
        1 => Just(b"\x01".to_vec()),
        2 => any::<String>().prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..6),
    ];
    vec(part, 0..24).prop_map(|parts| parts.concat())
}

/// The same bytes, as the network may cut them.
fn cut(bytes: Vec<u8>, cuts: Vec<prop::sample::Index>) -> Vec<Vec<u8>> {
    let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2)
        .map(|ends| bytes[ends[0]..ends[1]].to_vec())
        .collect()
}

fn pieces() -> impl Strategy<Value = (Vec<u8>, Vec<Vec<u8>>)> {
    let cuts = vec(any::<prop::sample::Index>(), 0..12);
    (streams(), cuts).prop_map(|(bytes, cuts)| (bytes.clone(), cut(bytes, cuts)))
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_come_out_the_same((bytes, pieces) in pieces()) {
        for framing in [Framing::Auto, Framing::Line] {
            prop_assert_eq!(decode(LineCodec::new(framing), &pieces), model(&bytes, false));
        }
        prop_assert_eq!(decode(LineCodec::chat1(), &pieces), model(&bytes, true));
    }

    #[test]
    fn the_limit_falls_in_the_same_place_however_bytes_come(
        (bytes, pieces) in pieces(),
        limit in 1_usize..12,
    ) {
        for codec in [auto().limit(limit), auto().limit(limit).whole_lines()] {
            prop_assert_eq!(decode(codec.clone(), &pieces), decode(codec, &[&bytes]));
        }
    }

    #[test]
    fn cutting_long_lines_loses_nothing(text in "[^\n\r]{0,40}", limit in 4_usize..12) {
        let heard = decode(auto().limit(limit).literal(true), &[format!("{text}\n")]);
        let mut whole = String::new();
        for piece in heard {
            let Heard::Line(piece) = piece else {
                return Err(TestCaseError::fail("all of it is text"));
            };
            prop_assert!(piece.len() <= limit);
            whole.push_str(&piece);
        }
        prop_assert_eq!(whole, text);
    }

    #[test]
    fn what_is_said_is_heard(
        texts in vec("[^\n]*[^\n\r]", 1..12),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let said = Frame::Text(texts.join("\n").as_str().into());
        let wire = encode(auto(), said);
        let heard = decode(auto().literal(true), &cut(wire.into(), cuts));
        prop_assert_eq!(heard, texts.iter().map(|text| line(text)).collect::<Vec<_>>());
    }

    #[test]
    fn raw_messages_keep_every_character(
        text in "[^\n\r]{0,40}",
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut ear = Ear::new(raw().literal(true));
        for piece in cut(text.clone().into(), cuts) {
            ear.read(&piece);
            ear.silence();
        }
        let mut whole = String::new();
        for message in ear.end() {
            let Heard::Line(message) = message else {
                return Err(TestCaseError::fail("all of it is text"));
            };
            whole.push_str(&message);
        }
        prop_assert_eq!(whole, text);
    }

    #[test]
    fn batches_cut_lines_between_characters(text in any::<String>(), limit in 4_usize..12) {
        let batch = Batch::from_lines(&text, limit);
        prop_assert!(batch.lines().all(|line| line.len() <= limit));
        let whole: String = batch.lines().collect();
        let lines = text.split('\n');
        let text: String = lines.map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
        prop_assert_eq!(whole, text);
    }

    #[test]
    fn splitting_a_batch_loses_nothing(texts in vec("[^\n\r]*", 1..12), count in 0_usize..14) {
        let whole = Batch::from(texts.join("\n").as_str());
        let mut rest = whole.clone();
        let head = rest.split_to(count);
        prop_assert_eq!(head.len(), count.min(texts.len()));
        prop_assert_eq!(head.wire_len() + rest.wire_len(), whole.wire_len());
        prop_assert_eq!(head.lines().chain(rest.lines()).collect::<Vec<_>>(), texts);
        let mut skipped = whole;
        skipped.skip(count);
        prop_assert_eq!(skipped, rest);
    }
}
