//! The vectors in `docs/protocol.md`, read from the document and held against the code.

use bytes::BytesMut;
use chat_core::files::{Directory, Expected, FileName, Incoming, Progress, Source};
use chat_core::trust::{Fingerprint, replaced_keys};
use chat_core::wire::{Control, ControlError, FileLine, Frame, Hex, LineCodec};
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use tokio_util::codec::Decoder;

const DOCUMENT: &str = include_str!("../docs/protocol.md");

/// The lines of all blocks of this kind.
fn vectors(kind: &str) -> Vec<&'static str> {
    let fence = format!("```vectors {kind}\n");
    let blocks = DOCUMENT.split(fence.as_str()).skip(1);
    let lines: Vec<_> = blocks
        .filter_map(|block| block.split("```").next())
        .flat_map(str::lines)
        .collect();
    assert!(!lines.is_empty(), "the document has no vectors of {kind}");
    lines
}

/// A JSON string at the start of a line, and what stands after it.
fn quoted(line: &str) -> (String, &str) {
    let mut values = serde_json::Deserializer::from_str(line).into_iter();
    let text = values.next().expect("a string").expect("a JSON string");
    (text, &line[values.byte_offset()..])
}

/// The frames in a stream, which ends with close_notify or without.
fn frames(stream: &str, close_notify: bool) -> Vec<Frame> {
    let mut codec = LineCodec::chat1();
    let mut bytes = BytesMut::from(stream);
    let mut frames = Vec::new();
    loop {
        let frame = match close_notify {
            true => codec.decode_eof(&mut bytes),
            false => codec.decode(&mut bytes),
        };
        match frame.expect("no line is too long") {
            Some(frame) => frames.push(frame),
            None => return frames,
        }
    }
}

/// What the document writes for a frame.
fn written(frame: &Frame) -> Vec<Value> {
    match frame {
        Frame::Text(lines) => lines.lines().map(Value::from).collect(),
        Frame::Control(json) => vec![serde_json::from_slice(json).expect("JSON")],
        Frame::HangUp => vec![json!(88)],
    }
}

fn parse(json: &str) -> Result<Option<Control>, ControlError> {
    Control::parse(json.as_bytes())
}

#[test]
fn streams_are_framed_as_documented() {
    for line in vectors("framing") {
        let (stream, expected) = quoted(line);
        let expected: Value = serde_json::from_str(expected).expect("a JSON array");
        let read: Vec<_> = frames(&stream, true).iter().flat_map(written).collect();
        assert_eq!(Value::from(read), expected, "{line}");
    }
}

#[test]
fn a_hang_up_is_one_where_the_document_says_so() {
    for line in vectors("hang-up") {
        let (stream, rest) = quoted(line);
        let words: Vec<_> = rest.split_whitespace().collect();
        let (close_notify, hangs_up) = match words[..] {
            [
                end @ ("cut" | "close_notify"),
                meaning @ ("hang-up" | "lost"),
            ] => (end == "close_notify", meaning == "hang-up"),
            _ => panic!("how does it end? {line}"),
        };
        let frames = frames(&stream, close_notify);
        assert_eq!(frames.contains(&Frame::HangUp), hangs_up, "{line}");
    }
}

#[test]
fn control_lines_are_read_and_written_as_documented() {
    for line in vectors("control") {
        let (verdict, json) = line.split_once(' ').unwrap_or((line, ""));
        let json = json.trim();
        match verdict {
            "same" => {
                let control = parse(json).expect(line).expect(line);
                assert_eq!(control.to_line(), format!("\u{1}{json}\n"), "{line}");
            }
            "like" => {
                let (json, like) = json.split_once(" => ").expect(line);
                let control = parse(json).expect(line);
                assert!(control.is_some(), "{line}");
                assert_eq!(control, parse(like).expect(line), "{line}");
            }
            "none" => assert_eq!(parse(json), Ok(None), "{line}"),
            "bad" => assert!(parse(json).is_err(), "{line}"),
            _ => panic!("what is that? {line}"),
        }
    }
}

#[test]
fn lines_about_files_are_read_and_written_as_documented() {
    for line in vectors("file") {
        let (verdict, json) = line.split_once(' ').expect(line);
        let json = json.trim();
        let read = FileLine::parse(json.as_bytes());
        match verdict {
            "same" => {
                let written = read.expect(line).to_line();
                assert_eq!(written, format!("\u{1}{json}\n"), "{line}");
            }
            "bad" => assert!(read.is_err(), "{line}"),
            _ => panic!("what is that? {line}"),
        }
    }
}

#[test]
fn a_list_of_files_is_hashed_as_documented() {
    let lines = vectors("file-list");
    let (hash, files) = lines.split_last().expect("a hash");
    let home = tempfile::tempdir().expect("a temporary directory");
    let source = home.path().join("source");
    let mut expected = Expected {
        id: Hex([1; 16]),
        name: FileName::sanitize("source"),
        size: 0,
        files: Some(files.len() as u64 + 1),
    };
    for line in files.iter().copied().chain(["z 1"]) {
        let (path, size) = line.split_once(' ').expect(line);
        let size: usize = size.parse().expect(line);
        let path = source.join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, vec![b'x'; size]).expect("written");
        expected.size += size as u64;
    }
    let incoming = || {
        let directory = Directory::open(&home.path().join("in")).expect("a directory");
        Incoming::open(directory, expected.clone()).expect("room")
    };
    let mut wire = Vec::new();
    let progress = Progress::default();
    let sent = Source::scan(&source)
        .and_then(|source| source.send(&incoming().have(), &mut wire, &progress));
    sent.expect("it can be read");
    // All but the last file, which was begun and has no byte yet.
    let last = wire
        .windows(4)
        .rposition(|bytes| bytes == b"next")
        .expect("three files");
    let end = last
        + wire[last..]
            .iter()
            .position(|byte| *byte == b'\n')
            .expect("a line")
        + 1;
    let cut = incoming().receive(&mut &wire[..end], &progress);
    cut.expect_err("it was cut");
    let have = incoming().have();
    assert_eq!(have.files, files.len() as u64);
    assert_eq!(format!("= {}", have.list), *hash);
}

#[test]
fn replaced_keys_are_found_as_documented() {
    let of = |kind: &str| {
        let lines = vectors("replaced-keys").into_iter();
        let values = lines.filter_map(|line| line.strip_prefix(kind));
        values.map(|hex| bytes(hex.trim())).collect::<Vec<_>>()
    };
    let chain: Vec<_> = of("certificate")
        .into_iter()
        .map(CertificateDer::from)
        .collect();
    let replaced: Vec<_> = of("replaced")
        .into_iter()
        .map(|hash| Fingerprint::from_bytes(hash.try_into().expect("32 bytes")))
        .collect();
    assert_eq!(replaced.len(), 2);
    assert_eq!(replaced_keys(&chain), replaced);
    // Without the first, another key is proved.
    assert_eq!(replaced_keys(&chain[1..]), []);
    for at in 0..chain[1].len() {
        let mut forged = chain.clone();
        let mut der = forged[1].to_vec();
        der[at] ^= 1;
        forged[1] = der.into();
        assert_eq!(replaced_keys(&forged), [], "byte {at}");
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(digits).collect()
}

/// The two programs write lines of this size too; that is tested where they are written.
#[test]
fn the_padded_lines_have_one_size() {
    for line in vectors("control") {
        let Some((padded, _)) = line.split_once(" => ").filter(|_| line.contains("   }")) else {
            continue;
        };
        let padded = padded.trim_start_matches("like").trim_start();
        assert_eq!("\u{1}".len() + padded.len() + "\n".len(), 48, "{line}");
    }
}
