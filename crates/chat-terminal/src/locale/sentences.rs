//! Every sentence, said in every language with typical values.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use chat_core::files::{Direction, FileName, FileSummary, FileViolation, NotNow};
use chat_core::protocol::{Peer, SendError, Violation};
use chat_core::transport::{Route, TargetError, TlsError};
use chat_core::trust::{
    self, ChangedKey, FileKind, Fingerprint, InvalidNumber, KnownPeer, Number, ParseError,
    PeerState, PublicKey, Security, Verification,
};
use chat_core::wire::{CancelCode, ControlError, RefusalCode};
use jiff::civil::date;
use unicode_width::UnicodeWidthStr;

use super::en::English;
use super::zh::Chinese;
use super::{Language, bytes};
use crate::input::commands::Role;

const KEY: &str = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

/// What stands in one row of its own, beside nothing else.
const ROWS: [&str; 23] = [
    "hint_alone",
    "hanging_up",
    "nobody",
    "rings_meanwhile",
    "own_number",
    "hang_up_maybe",
    "ctrl_c_hangs_up",
    "ctrl_c_quits",
    "no_call",
    "full",
    "paste_stalled",
    "paste_cancelled",
    "gathered",
    "pasted",
    "paste_too_long",
    "call_has_changed",
    "no_command",
    "takes_text",
    "takes_nothing",
    "takes_number",
    "no_count",
    "searching",
    "terminal_gone",
];

/// Columns of a small terminal.
const COLUMNS: usize = 80;

/// Each language that there is.
pub(crate) const LANGUAGES: [&dyn Language; 2] = [&English, &Chinese];

/// The sentences of a language by the names of their methods.
pub(crate) fn said(language: &dyn Language) -> Vec<(&'static str, String)> {
    let mut said = Vec::new();
    macro_rules! say {
        ($($sentence:ident($($value:expr),*)),+ $(,)?) => {
            $(said.push((stringify!($sentence), String::from(language.$sentence($($value),*))));)+
        };
    }
    let key: Fingerprint = KEY.parse().expect("a fingerprint");
    let secured = |security| Peer {
        name: Some("ann".to_owned()),
        address: "192.0.2.7:7788".to_owned(),
        security,
    };
    let with_key = |verification| Security::Key {
        fingerprint: key,
        verification,
    };
    let ann = secured(with_key(Verification::New));
    let (none, some) = (
        Security::NoKey { post_quantum: true },
        Security::NoKey {
            post_quantum: false,
        },
    );
    let file = |direction, files| FileSummary {
        number: 2,
        direction,
        name: FileName::sanitize("report.pdf"),
        size: 3_456_789,
        files,
    };
    let (to, from) = (
        file(Direction::Sent, None),
        file(Direction::Received, Some(7)),
    );
    let known = |state| KnownPeer {
        name: "ann".to_owned(),
        addresses: vec!["192.0.2.7:7788".to_owned()],
        key_type: "ed25519".to_owned(),
        fingerprint: key,
        first_seen: "2026-11-24".to_owned(),
        state,
        heard: None,
        number: None,
        replaced: Vec::new(),
    };
    let changed = ChangedKey {
        known: Box::new(known(PeerState::Verified)),
        new_key: key,
        direction: trust::Direction::Called,
        claim: chat_core::trust::Claim::Unproven,
    };
    let number = Number {
        key: PublicKey([7; 32]),
        relay: "relay.example".to_owned(),
    };
    let path = Path::new("/home/ann/.local/share/chat");
    let at = "[::]:80".parse().expect("an address");
    let (ten, long) = (Duration::from_millis(10_200), Duration::from_secs(3_720));
    let why = language.system(&ErrorKind::PermissionDenied.into());
    let why = why.as_str();

    // Keys that change, and keys elsewhere.
    say!(
        no_agent_key(),
        agent_error(&trust::AgentError::NoAgent),
        no_certificate(why),
        new_key(key, key),
        key_accepted(&known(PeerState::Unverified), key),
        key_is_vouched_for(&changed),
        key_was_replaced(&changed),
        key_is_taken("ann")
    );

    // The status row.
    say!(
        you(),
        hint(),
        hint_alone(),
        hanging_up(),
        rings("ann"),
        how_to_answer(),
        somebody()
    );
    say!(
        file_waits(&to.name),
        says("ann", "…"),
        lock(&Security::Plaintext),
        lock(&none),
        lock(&some)
    );
    for verification in [
        Verification::New,
        Verification::Unverified,
        Verification::Verified,
    ] {
        let security = with_key(verification);
        say!(lock(&security), call(&secured(security)));
    }
    say!(
        round_trip(Duration::ZERO),
        round_trip(ten),
        silent_for(7),
        route(Route::Direct),
        route(Route::Relayed),
        waiting_for_them(7)
    );
    say!(
        reconnecting(2, 7),
        typing("ann"),
        ahead(0),
        ahead(2),
        waiting(3),
        away(""),
        away("…")
    );
    say!(
        answering(),
        idle(7788),
        calling("ann.example:7788"),
        searching("x"),
        not_found()
    );
    say!(
        unread_from_here(),
        day(date(2026, 11, 24)),
        received_later(1),
        received_later(2)
    );

    // What is typed.
    say!(
        nobody(),
        rings_meanwhile(),
        own_number(),
        own_number_in_line(),
        hang_up_maybe()
    );
    say!(
        hang_up_maybe_in_line(),
        ctrl_c_hangs_up(),
        ctrl_c_quits(),
        too_late(),
        no_call()
    );
    say!(
        left_unsent(),
        input_left(),
        input_not_utf8(),
        input_cut(),
        full()
    );
    let too_long = SendError::TooLong {
        length: 70_000,
        limit: 65_536,
    };
    say!(
        not_sent(&too_long),
        not_sent(&SendError::Full),
        not_sent(&SendError::WouldHangUp)
    );
    say!(
        paste_stalled(),
        paste_cancelled(),
        gathered(12),
        pasted(12),
        paste_too_long(70_000, 65_536)
    );
    say!(
        transliterated(),
        draft_not_sent("…"),
        draft_is_back(),
        put_aside(None)
    );
    say!(
        put_aside(Some("ann")),
        call_has_changed("ann"),
        terminal_gone()
    );

    // The help.
    say!(
        say_help(),
        know_help(),
        files_help(),
        wait_help(),
        callers_help(),
        end_help()
    );
    say!(
        how_to_list_keys(),
        keys_help(),
        no_command("/hepl", Some("/help")),
        no_command("/x", None)
    );
    say!(
        takes_text("/note"),
        takes_nothing("/quit"),
        takes_number("/cancel"),
        sends_nothing()
    );
    say!(
        says_nothing(),
        searches_nothing(),
        no_count(1_000),
        no_files(),
        nobody_there()
    );
    say!(
        nobody_waits(),
        next_is_for_servers(),
        nobody_rings(),
        nothing_to_wait_for()
    );
    say!(no_call_to_read());

    // Calls.
    for security in [Security::Plaintext, none, some] {
        say!(call(&secured(security)));
    }
    say!(
        other_side_is(&ann),
        way(Route::Direct),
        way(Route::Relayed),
        no_more_to_say(),
        hangs_up_unheard(long),
        link_silent(ten)
    );
    say!(
        lost_waiting(),
        lost_reconnecting(1),
        lost_reconnecting(12),
        back(ten, 0),
        back(ten, 1)
    );
    say!(
        goes_on(0),
        goes_on(2),
        restarted("ann", 0, false),
        restarted("ann", 1, false)
    );
    say!(
        restarted("ann", 2, true),
        peer_records(true),
        peer_records(false),
        peer_keeps(true)
    );
    say!(
        peer_keeps(false),
        machine_answers(true),
        machine_answers(false),
        peer_is_back()
    );
    say!(
        peer_is_away(""),
        peer_is_away("…"),
        in_queue(0),
        in_queue(2),
        ringing(&ann)
    );
    say!(
        ringing_stopped(),
        call_lasted(ten),
        call_lasted(long),
        call_lasted(ten * 20)
    );
    say!(
        you_hung_up(),
        they_hung_up(),
        both_finished(),
        you_hung_up_unheard(long)
    );
    say!(
        broke_the_rules("…"),
        busy(0),
        busy(2),
        failed_here(why),
        not_received(1)
    );
    say!(
        not_received(2),
        lost(),
        lost_unreachable(why),
        lost_refused("…"),
        lost_silent(ten)
    );
    say!(
        lost_stuck(),
        lost_to(why),
        refused_for_now(ten, "88"),
        refused_for_now(long, "Ctrl-C")
    );
    say!(refused_for_now(ten * 800, "88"), line_too_long(65_536));
    for code in [
        RefusalCode::UnknownKey,
        RefusalCode::ChangedKey,
        RefusalCode::BadHello,
        RefusalCode::NoSession,
        RefusalCode::ForeignSession,
        RefusalCode::Blocked,
        RefusalCode::Declined,
        RefusalCode::Closed,
        RefusalCode::OwnKey,
        RefusalCode::Unavailable,
        RefusalCode::Other,
    ] {
        say!(
            refused_by_them(code, None),
            refused_by_them(code, Some("…"))
        );
    }
    for error in [
        ControlError::Syntax { column: 3 },
        ControlError::Value { column: 3 },
        ControlError::TooDeep,
        ControlError::TooLong,
    ] {
        say!(malformed(&error));
    }
    say!(
        number_unasked(),
        number_tampered_with(),
        nobody_there_yet(&ann),
        you_are_away()
    );
    say!(you_are_back());
    for violation in [
        Violation::AckUnsent,
        Violation::AckTakenBack,
        Violation::HasUnsent,
        Violation::PongUnasked,
        Violation::OtherSession,
        Violation::SecondHello,
        Violation::LateQueue,
        Violation::ControlBeforeHello,
        Violation::DoneTakenBack,
        Violation::TextBeforeHello,
        Violation::TextAfterDone,
        Violation::ControlInPlain,
    ] {
        say!(violation(violation));
    }

    // Callers.
    say!(
        waiting_for_a_call(7788),
        at_another_address(),
        at_a_number(),
        caller_waits(&ann, 2)
    );
    say!(
        how_to_take_the_next(),
        caller_left(&ann),
        caller_turned_away(&ann),
        relay_gone("relay.example", why),
        relay_there("relay.example"),
        declined(&ann)
    );
    say!(
        note(&ann, "…"),
        note_left(),
        refused("…"),
        refused_own_key(),
        refused_bad_hello()
    );
    say!(refused_plaintext("192.0.2.7"), refused_unknown("192.0.2.7"));
    say!(refused_handshake(
        "192.0.2.7",
        &language.tls_error(&TlsError::NotTls)
    ));
    say!(
        after_others("…", 3),
        left_out(3),
        strangers_ring(long),
        guessing(3),
        blocked(&ann)
    );
    say!(no_key_to_block());

    // Names and keys.
    let pictures = [
        ('🦉', "owl"),
        ('🔑', "key"),
        ('🌈', "rainbow"),
        ('🐝', "bee"),
        ('🍕', "pizza"),
    ];
    say!(own_key(key), safety_number("5836 5501", &pictures, true));
    say!(
        safety_number("5836 5501", &pictures, false),
        no_safety_number()
    );
    say!(
        number_withheld("…", true),
        number_withheld("…", false),
        how_to_verify(&ann)
    );
    say!(
        no_number("12"),
        wrong_number(&ann),
        no_key_to_verify(),
        verified(&ann)
    );
    say!(
        calls_itself(&ann, "anna"),
        renamed(&ann, "anna"),
        rename_to_what(),
        no_key_to_name()
    );
    say!(
        you_are_called("anna"),
        name_is_taken("ann", "ann-2"),
        not_remembered(why),
        known_peers()
    );
    say!(
        no_known_peers(),
        known_peer(&known(PeerState::Blocked)),
        forgot(&known(PeerState::Verified))
    );
    say!(
        known_peer(&known(PeerState::Verified)),
        known_peer(&known(PeerState::Unverified))
    );
    say!(picture_name('🦉', "owl"));

    // The past, and the machine.
    say!(
        nothing_recorded(&ann),
        search_found("x", 0, 0),
        search_found("x", 1, 1)
    );
    say!(
        search_found("x", 9, 9),
        search_found("x", 90, 20),
        nothing_found(),
        needle_too_long()
    );
    say!(
        carried_over(1),
        carried_over(2),
        not_recorded(why),
        end_not_recorded(why)
    );
    say!(
        passed_over(why),
        set_aside(path),
        kept(),
        cannot_keep(),
        cannot_keep_for_later(why)
    );
    say!(
        machine_text(),
        machine_without_key("…"),
        machine_full(),
        machine_talks()
    );
    say!(
        machine_recorded(&ann, 1),
        machine_recorded(&ann, 2),
        left_while_away("ann", 2)
    );
    say!(
        no_messages(),
        on_the_line("ann"),
        messages_unreadable(why),
        still_unread(why)
    );
    say!(
        reply_busy(),
        reply_declined(),
        reply_closed(),
        reply_no_plaintext(),
        reply_no_key()
    );

    // The start.
    say!(
        no_data_dir(),
        no_fingerprint(),
        no_listen_address(),
        target_error(&TargetError::NoHost)
    );
    say!(
        target_error(&TargetError::NoBracket),
        target_error(&TargetError::AfterBracket)
    );
    say!(
        target_error(&TargetError::NoPort("x".to_owned())),
        target_error(&TargetError::Number(InvalidNumber::Key)),
        target_error(&TargetError::Number(InvalidNumber::Relay)),
        no_reach("chat-client"),
        no_relay("a b"),
        impossible_number(&number),
        cannot_use_relays("…"),
        how_to_write_a_port("ann:7788")
    );
    say!(
        no_key_to_wait_for("ann:7788"),
        no_answer_text(),
        no_program(),
        no_time()
    );
    say!(time_too_long(), not_a_time("…"), cannot_listen(at, why));
    say!(
        port_is_taken(at, why, "chat-server 81"),
        port_is_privileged(at, why, "chat-server")
    );
    say!(
        address_is_elsewhere(at, why, "chat-server 80"),
        cannot_use_passed_socket(why)
    );
    say!(
        cannot_log(path, why),
        log_is_symlink(),
        log_is_no_file(),
        log_is_full(67_108_864),
        build(true),
        build(false)
    );

    // Files.
    say!(
        offered_to_you(&from, true),
        offered_to_you(&to, false),
        offered(&to),
        resumed(&to)
    );
    say!(
        resumed(&from),
        taken("“x”", Direction::Sent),
        taken("“x”", Direction::Received)
    );
    say!(
        received(path),
        sent("“x”"),
        dropped(2, "“x”", CancelCode::Declined),
        dropped(2, "“x”", CancelCode::Cancelled),
        dropped(2, "“x”", CancelCode::Unattended),
        file_not_sent("“x”", why)
    );
    say!(
        does_not_come("“x”", "…"),
        offered_anew("“x”"),
        file_not_received("“x”", why)
    );
    say!(
        cannot_be_sent("“x”", why),
        not_now(NotNow::PlainPeer),
        not_now(NotNow::OldPeer),
        not_now(NotNow::NothingOpen)
    );
    say!(
        not_now(NotNow::WhichOne),
        not_now(NotNow::NoSuchOffer(3)),
        rate("1.2 MB", "0:05")
    );
    say!(
        and_more_files(2),
        has_changed(path),
        nothing_to_send(),
        too_many_files(),
        disk_is_full()
    );
    say!(
        too_little_room(&bytes(3_000_000), &bytes(500)),
        wrong_hash(path)
    );
    for code in [
        CancelCode::Declined,
        CancelCode::Unattended,
        CancelCode::Cancelled,
        CancelCode::Changed,
        CancelCode::Unreadable,
        CancelCode::NoSpace,
        CancelCode::Unwritable,
        CancelCode::WrongHash,
        CancelCode::TooMany,
        CancelCode::Unknown,
        CancelCode::Other,
    ] {
        say!(cancelled(code));
    }
    say!(
        file_violation(FileViolation::TooMuch),
        file_violation(FileViolation::TooLittle)
    );
    say!(file_violation(FileViolation::Path));

    // Errors.
    for kind in [
        ErrorKind::NotFound,
        ErrorKind::ConnectionRefused,
        ErrorKind::ConnectionReset,
        ErrorKind::NetworkUnreachable,
        ErrorKind::AddrInUse,
        ErrorKind::StorageFull,
        ErrorKind::TimedOut,
    ] {
        say!(system(&kind.into()));
    }
    say!(
        cannot_find("ann.example", why),
        cannot_reach("ann:7788", why),
        no_way_to("ann:7788", why)
    );
    say!(
        no_answer("ann:7788", ten),
        no_relay_there("relay.example", why),
        nobody_at_number("KEY@relay.example", ten),
        not_encrypted("ann:7788"),
        no_handshake("ann:7788", why)
    );
    say!(
        no_encrypted_connection("ann:7788", why),
        no_handshake_with_known("h:1", "ann", why)
    );
    say!(
        is_blocked("h:1", "ann"),
        is_yourself("h:1"),
        other_key("h:1", key, Some(key))
    );
    say!(
        other_key("h:1", key, None),
        other_key_is_vouched_for("h:1", key, key),
        downgraded("h:1", key),
        known_key("h:1", "ann")
    );
    say!(
        too_many_tries("h:1"),
        not_tried_again("…"),
        identity_is_empty(path)
    );
    for error in [
        TlsError::OtherProtocol,
        TlsError::NotTls,
        TlsError::TimedOut(Duration::from_secs(10)),
        TlsError::Closed,
        TlsError::NoKey,
        TlsError::NotPostQuantum,
        TlsError::Io(io::Error::from(ErrorKind::ConnectionReset)),
    ] {
        say!(tls_error(&error));
    }
    say!(
        identity_is_no_key(path),
        no_randomness(),
        is_symlink(path),
        home_is_no_directory(path)
    );
    say!(
        is_wrong_kind(path, FileKind::File),
        is_wrong_kind(path, FileKind::Directory)
    );
    say!(
        is_exposed(path, 0o644, 0o600),
        is_not_owned(path, 1_000),
        is_locked(path)
    );
    say!(
        home_cannot_be_made(path, why),
        cannot_use(path, why),
        cannot_use_here(path, why)
    );
    say!(
        no_address("a b"),
        no_name("a b"),
        no_such_key(key),
        no_such_name("bob", &["ann", "eve"])
    );
    say!(
        no_such_name("bob", &[]),
        is_ambiguous("ann", &[format!("anna {KEY}")])
    );
    say!(
        dialed_key_changed(&changed, "h:1"),
        caller_key_changed(&changed)
    );
    say!(
        nothing_is_recorded(path, why),
        exists(path),
        is_newer(path, 2, 1)
    );
    say!(
        line_is_left_out(path, 3, 0, "…"),
        line_is_left_out(path, 3, 2, "…")
    );
    for error in [
        ParseError::Encoding,
        ParseError::TooShort,
        ParseError::Nameless,
        ParseError::State,
    ] {
        say!(line_is_skipped(path, 3, &error));
    }
    say!(reply_no_files());
    say!(joined("…", "…"), reply_idle(ten));

    // By name, and next door.
    let friend = known(PeerState::Verified);
    say!(
        calling_known(&friend),
        heard("2026-11-24"),
        never_called(),
        strangers_have_called(1),
        strangers_have_called(12),
        near_not_proven(),
        somebody_near(),
        nobody_to_call()
    );
    say!(
        no_way_to_peer("ann", &[]),
        no_way_to_peer("ann", &[why.to_owned()]),
        somebody_else("ann:7788")
    );
    say!(
        announced(None, key),
        announced(Some("ann"), key),
        cannot_announce(why),
        nothing_to_announce(at)
    );
    said
}

fn is_chinese(character: char) -> bool {
    matches!(character, '\u{4e00}'..='\u{9fff}')
}

/// The methods of the traits, as a language's files have them.
fn methods() -> BTreeSet<&'static str> {
    let files = [
        include_str!("en/callers.rs"),
        include_str!("en/calls.rs"),
        include_str!("en/errors.rs"),
        include_str!("en/files.rs"),
        include_str!("en/help.rs"),
        include_str!("en/line.rs"),
        include_str!("en/machine.rs"),
        include_str!("en/mod.rs"),
        include_str!("en/past.rs"),
        include_str!("en/peers.rs"),
        include_str!("en/replies.rs"),
        include_str!("en/start.rs"),
        include_str!("en/status.rs"),
    ];
    let lines = files.into_iter().flat_map(str::lines);
    let heads = lines.filter_map(|line| line.strip_prefix("    fn "));
    heads.filter_map(|head| head.split('(').next()).collect()
}

#[test]
fn each_sentence_is_said_in_both_languages() {
    let (english, chinese) = (said(&English), said(&Chinese));
    let names: BTreeSet<_> = english.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, methods(), "a sentence is not looked at here");
    let mut table = String::new();
    for ((name, english), (_, chinese)) in english.iter().zip(&chinese) {
        writeln!(table, "{name}\n  {english}\n  {chinese}").expect("a string takes everything");
        assert!(
            !english.is_empty() && !english.contains(is_chinese),
            "{name}: {english}"
        );
        let is_word = !["hint", "joined"].contains(name);
        assert_eq!(
            chinese.contains(|c| is_chinese(c) || c == '：'),
            is_word,
            "{name}: {chinese}"
        );
    }
    println!("{table}");
}

#[test]
fn chinese_has_the_punctuation_of_chinese() {
    for (name, text) in said(&Chinese) {
        let characters: Vec<_> = text.chars().collect();
        for pair in characters.windows(2) {
            let [before, after] = [pair[0], pair[1]];
            let half_width = is_chinese(before) && ",;:!?()".contains(after);
            let doubled = "，。；：".contains(before) && "，。；：".contains(after);
            let crowded = is_chinese(before) && after.is_ascii_alphanumeric()
                || before.is_ascii_alphanumeric() && is_chinese(after);
            assert!(!half_width && !doubled && !crowded, "{name}: {text}");
        }
        let familiar = text.replace("你们", "").contains('你');
        assert!(!familiar, "{name}: {text}");
    }
}

#[test]
fn what_has_one_row_fits_it() {
    for language in LANGUAGES {
        for (name, text) in said(language) {
            if ROWS.contains(&name) {
                assert!(text.width() <= COLUMNS, "{name}, {}: {text}", text.width());
            }
        }
    }
}

#[test]
fn help_fits_the_screen_and_the_role() {
    let notice = "      -- ".len();
    for language in LANGUAGES {
        for role in [Role::Client, Role::Server] {
            let help = language.help(role, true);
            for page in [&help, language.keys_help()] {
                for line in page.lines() {
                    assert!(notice + line.width() < COLUMNS, "{line}");
                }
                // The draft and the status row stand below.
                assert!(page.lines().count() + 2 <= 24);
            }
            assert_eq!(help.contains("/next"), role == Role::Server);
        }
        assert!(!language.help(Role::Client, false).contains("Ctrl-"));
    }
}
