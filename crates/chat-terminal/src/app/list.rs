//! Whom one can call: who is known, and who is near.

use std::io::{self, ErrorKind, Write};
use std::iter;

use chat_core::transport::nearby::Neighbour;
use chat_core::trust::{Fingerprint, KnownPeer, PeerList};

use crate::locale::text;
use crate::text::sanitize;
use crate::text::wrap::columns as columns_of;

/// Prints each row as a line.
///
/// # Errors
/// Standard output cannot be written to.
pub fn print(rows: &[String]) -> io::Result<()> {
    let mut lines = String::new();
    for row in rows {
        lines.push_str(&sanitize::line(row));
        lines.push('\n');
    }
    match io::stdout().lock().write_all(lines.as_bytes()) {
        // `| head` has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Who is known, in a row each.
pub fn known(known: &PeerList) -> Vec<String> {
    let is_listed = |peer: &&KnownPeer| peer.is_friend() || peer.is_blocked();
    let listed: Vec<_> = known.peers().filter(is_listed).collect();
    let mut rows = columns(listed.iter().map(|peer| {
        [
            peer.name.clone(),
            peer.state.as_str().to_owned(),
            peer.fingerprint.short(),
            text().heard(peer.last_heard()),
            places(peer),
        ]
    }));
    let strangers = known.peers().count() - listed.len();
    if strangers > 0 {
        rows.push(text().strangers_have_called(strangers));
    }
    rows
}

/// Who is near besides this user, in a row each; if nobody is, and nobody known, that.
pub fn near(known: &PeerList, near: &[Neighbour], own_key: Fingerprint) -> Vec<String> {
    let near = near.iter().filter(|neighbour| neighbour.key != own_key);
    let near = columns(near.map(|neighbour| {
        let known = known.by_key(neighbour.key).and_then(KnownPeer::given_name);
        let name = match (known, &neighbour.name) {
            (Some(known), _) => known.to_owned(),
            (None, Some(claimed)) => sanitize::quote(claimed),
            (None, None) => text().somebody_near().to_owned(),
        };
        let addresses: Vec<_> = neighbour
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect();
        [name, neighbour.key.short(), addresses.join(" ")]
    }));
    if !near.is_empty() {
        let head = text().near_not_proven().to_owned();
        return iter::once(head).chain(near).collect();
    }
    match known.peers().next() {
        Some(_) => Vec::new(),
        None => vec![text().nobody_to_call().to_owned()],
    }
}

/// Where a peer was dialed.
fn places(peer: &KnownPeer) -> String {
    let number = peer.number.as_ref().map(ToString::to_string);
    let places: Vec<_> = peer.addresses.iter().cloned().chain(number).collect();
    match places.is_empty() {
        true => text().never_called().to_owned(),
        false => places.join(" "),
    }
}

/// Rows whose fields stand under each other.
fn columns<const N: usize>(rows: impl Iterator<Item = [String; N]>) -> Vec<String> {
    let rows: Vec<_> = rows.collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| columns_of(&row[column]));
        widths.max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let fields = row.iter().zip(&widths).map(|(field, width)| {
            let blanks = width - columns_of(field);
            format!("{field}{}", " ".repeat(blanks))
        });
        fields.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use chat_core::transport::HostPort;
    use chat_core::trust::KnownPeers;

    use super::*;

    fn key(n: u8) -> Fingerprint {
        Fingerprint::of_spki(&[n])
    }

    fn list(file: &str, near: &[(u8, &str)]) -> Vec<String> {
        let home = tempfile::tempdir().expect("a directory");
        let known = KnownPeers::open(home.path()).expect("known peers");
        let path = home.path().join("known_peers");
        fs::write(&path, file).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("private");
        let near: Vec<_> = near
            .iter()
            .map(|(n, name)| Neighbour {
                announcement: n.to_string(),
                key: key(*n),
                name: Some((*name).to_owned()).filter(|name| !name.is_empty()),
                addresses: vec![HostPort::usual("192.0.2.7")],
            })
            .collect();
        let list = known.load().expect("a list");
        [super::known(&list), super::near(&list, &near, key(9))].concat()
    }

    #[test]
    fn friends_are_listed_and_strangers_counted() {
        let file = format!(
            "ann,ann.example:7788 k {} 2026-01-02 verified heard=2026-03-04\n\
             李雷 k {} 2026-01-02 verified\nbob,h:1,i:2 k {} 2026-01-02 blocked\n\
             eve k {} 2026-01-02 unverified\n",
            key(1),
            key(2),
            key(3),
            key(4),
        );
        let [ann, lilei, bob] = [1, 2, 3].map(|n| key(n).short());
        assert_eq!(
            list(&file, &[]),
            [
                format!("ann   verified  {ann}  heard 2026-03-04  ann.example:7788"),
                format!("李雷  verified  {lilei}  heard 2026-01-02  has called you"),
                format!("bob   blocked   {bob}  heard 2026-01-02  h:1 i:2"),
                "1 more has only called you; /peers in a call shows all.".to_owned(),
            ]
        );
    }

    #[test]
    fn who_is_near_has_the_name_that_goes_with_the_key_or_one_in_quotes() {
        let file = format!("ann,h:1 k {} 2026-01-02 verified\n", key(1));
        let near = [
            (1, "bob"),
            (2, "ann"),
            (3, ""),
            (9, "me"),
            (4, "\u{1b}[2J\u{202e}"),
        ];
        let rows = list(&file, &near);
        let [ann, other, nameless, hostile] = [1, 2, 3, 4].map(|n| key(n).short());
        for (row, begins, holds) in [
            (&rows[2], "ann ", ann),
            (&rows[3], "“ann” ", other),
            (&rows[4], "somebody ", nameless),
            (&rows[5], "“", hostile),
        ] {
            assert!(row.starts_with(begins) && row.contains(&holds), "{row}");
            assert!(row.ends_with("192.0.2.7:7788"), "{row}");
            assert!(!row.contains(char::is_control), "{row:?}");
        }
        assert_eq!(rows.len(), 6, "this user is not near: {rows:?}");
    }

    #[test]
    fn a_list_of_nobody_says_so() {
        assert_eq!(list("", &[(9, "me")]), [text().nobody_to_call()]);
    }
}
