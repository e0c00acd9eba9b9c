//! Whom the person means by what was typed.

use chat_core::transport::{HostPort, Target};
use chat_core::trust::{Fingerprint, KnownPeer, KnownPeersError, Number, PeerList};

/// Whom the person calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// A host, whoever answers there.
    Host(HostPort),
    /// A peer whose key is known, wherever it is.
    Known(Box<KnownPeer>),
    /// The owner of this number.
    Number(Number),
}

impl Whom {
    /// Whom `target` means to somebody who knows these peers. A name of a peer goes before a host,
    /// unless `as_host`. `wanted` is the only key that is accepted, if there is one.
    ///
    /// # Errors
    /// Several peers have the name, or nobody has the key.
    pub fn find(
        target: &Target,
        as_host: bool,
        wanted: Option<Fingerprint>,
        known: &PeerList,
    ) -> Result<Self, KnownPeersError> {
        let peer = match target {
            Target::Host(host) => return Ok(Self::Host(host.clone())),
            Target::Number(number) => return Ok(Self::Number(number.clone())),
            Target::Name(name) if as_host => return Ok(Self::Host(HostPort::usual(name))),
            Target::Name(name) => {
                let mut named = known.friends_named(name);
                if let Some(wanted) = wanted {
                    named.retain(|peer| peer.fingerprint == wanted);
                }
                match named[..] {
                    [] => return Ok(Self::Host(HostPort::usual(name))),
                    [peer] => peer,
                    _ => {
                        let alike = named.into_iter().cloned().collect();
                        let name = name.clone();
                        return Err(KnownPeersError::Ambiguous { name, alike });
                    }
                }
            }
            Target::Key(key) => known.by_key(*key).ok_or(KnownPeersError::NoSuchKey(*key))?,
        };
        Ok(Self::Known(Box::new(peer.clone())))
    }

    /// By what the person knows it: an address, a number or a name.
    pub fn called(&self) -> String {
        match self {
            Self::Host(host) => host.to_string(),
            Self::Known(peer) => peer.name.clone(),
            Self::Number(number) => number.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use chat_core::trust::KnownPeers;

    use super::*;

    /// Whom `text` means to somebody with this file of known peers.
    fn find(file: &str, text: &str, as_host: bool, wanted: Option<Fingerprint>) -> String {
        let home = tempfile::tempdir().expect("a directory");
        let known = KnownPeers::open(home.path()).expect("known peers");
        std::fs::write(home.path().join("known_peers"), file).expect("written");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(home.path().join("known_peers"), private).expect("private");
        let list = known.load().expect("a list");
        let target = Target::parse(text).expect("a target");
        match Whom::find(&target, as_host, wanted, &list) {
            Ok(Whom::Known(peer)) => format!("peer {}", peer.name),
            Ok(Whom::Host(host)) => format!("host {host}"),
            Ok(Whom::Number(number)) => format!("number {number}"),
            Err(KnownPeersError::Ambiguous { alike, .. }) => format!("one of {}", alike.len()),
            Err(error) => format!("nobody: {error}"),
        }
    }

    #[test]
    fn a_name_is_a_peer_whom_one_has_dialed_or_verified_and_else_a_host() {
        let [ann, bob, eve, old] = [1, 2, 3, 4].map(|n| Fingerprint::of_spki(&[n]));
        let file = format!(
            "ann,h:1 k {ann} d unverified\nbob k {bob} d verified\neve k {eve} d unverified\n\
             twin,h:2 k {eve} d unverified\nTWIN,h:3 k {old} d unverified\n"
        );
        let key = ann.to_string();
        for (text, as_host, wanted, found) in [
            ("ann", false, None, "peer ann"),
            ("Ann", false, None, "peer ann"),
            ("\u{430}nn", false, None, "peer ann"), // Cyrillic
            (&key, false, None, "peer ann"),
            ("ann", true, None, "host ann:7788"),
            ("ann:7788", false, None, "host ann:7788"),
            ("bob", false, None, "peer bob"),
            // Who has only called chose the name.
            ("eve", false, None, "host eve:7788"),
            ("carol", false, None, "host carol:7788"),
            ("localhost", false, None, "host localhost:7788"),
            ("twin", false, None, "one of 2"),
            ("twin", false, Some(old), "peer TWIN"),
        ] {
            assert_eq!(find(&file, text, as_host, wanted), found, "{text}");
        }
        let nobody = find(&file, &Fingerprint::of_spki(&[9]).to_string(), false, None);
        assert!(nobody.starts_with("nobody"), "{nobody}");
    }
}
