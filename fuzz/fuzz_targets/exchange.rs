//! The safety number, in any order of events: nobody learns a number that was not revealed, and
//! both learn the same one.

#![no_main]

use std::time::Instant;

use chat_core::trust::Fingerprint;
use chat_core::trust::safety_number::{ChannelBinding, DialerExchange, ListenerExchange};
use chat_core::wire::Hex;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|events: &[u8]| {
    let now = Instant::now();
    let binding = |own, peer| ChannelBinding {
        exporter: [1; 32],
        own_key: Fingerprint::from_bytes([own; 32]),
        peer_key: Fingerprint::from_bytes([peer; 32]),
    };
    let (dialers, listeners) = (binding(2, 3), binding(3, 2));
    let mut dialer = DialerExchange::default();
    let mut listener = ListenerExchange::new(None);
    let (mut commitment, mut nonce, mut reveal) = (None, None, None);
    let (mut seen, mut shown, mut sent) = (None, None, 0);
    let mut honest = true;
    for event in events {
        match event % 8 {
            0 => {
                dialer.connected();
                commitment = listener.commit();
                (nonce, reveal) = (None, None);
            }
            1 => {
                if let Some(commitment) = commitment.take() {
                    dialer.committed(&dialers, commitment);
                }
            }
            2 => {
                if let Some(taken) = dialer.take_nonce() {
                    sent += 1;
                    nonce = Some(taken);
                }
            }
            3 => {
                if let Some(nonce) = nonce.take() {
                    let _ = listener.settle(&listeners, nonce);
                }
            }
            4 => {
                if let Some(revealed) = listener.reveal(now) {
                    shown = shown.or(revealed.number);
                    reveal = Some(revealed.nonce);
                }
            }
            5 => {
                if let Some(revealed) = reveal.take()
                    && let Ok(Some(number)) = dialer.open(revealed)
                {
                    seen = Some(number);
                }
            }
            6 => {
                honest = false;
                dialer.committed(&dialers, Hex([*event; 32]));
            }
            _ => {
                let opened = dialer.open(Hex([*event; 32]));
                assert!(!matches!(opened, Ok(Some(_))), "it is no reveal");
            }
        }
    }
    assert!(sent <= 3, "a nonce is a guess");
    if let (Some(seen), Some(shown), true) = (seen, shown, honest) {
        assert_eq!(seen, shown);
    }
});
