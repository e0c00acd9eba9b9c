//! A public key in one short line.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

const PREFIX: &str = "SHA256:";

/// Written with padding, as `openssl dgst -binary | base64` does; read without it too.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The SHA-256 hash of a public key in its SPKI form (RFC 5280), by which people know it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; SHA256_OUTPUT_LEN]);

impl Fingerprint {
    /// Of a public key, given as the DER of its SubjectPublicKeyInfo.
    pub fn of_spki(der: &[u8]) -> Self {
        let mut hash = [0; SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest(&SHA256, der).as_ref());
        Self(hash)
    }

    /// From the bare hash.
    pub const fn from_bytes(hash: [u8; SHA256_OUTPUT_LEN]) -> Self {
        Self(hash)
    }

    /// Its first 8 characters after the `SHA256:`, to tell peers apart who have no name. Too short
    /// to recognise anybody by it.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(PREFIX.len() + 8);
        text
    }

    /// The bare hash.
    pub fn as_bytes(&self) -> &[u8; SHA256_OUTPUT_LEN] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", BASE64.encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no [`Fingerprint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no fingerprint")]
pub struct InvalidFingerprint;

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        let base64 = text.strip_prefix(PREFIX).ok_or(InvalidFingerprint)?;
        let hash = BASE64.decode(base64).map_err(|_| InvalidFingerprint)?;
        hash.try_into().map(Self).map_err(|_| InvalidFingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// printf '' | openssl dgst -sha256 -binary | base64
    const OF_NOTHING: &str = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    #[test]
    fn is_written_as_openssl_and_base64_do() {
        assert_eq!(Fingerprint::of_spki(b"").to_string(), OF_NOTHING);
    }

    #[test]
    fn is_read_with_and_without_padding() {
        let fingerprint = Fingerprint::of_spki(b"");
        assert_eq!(OF_NOTHING.parse(), Ok(fingerprint));
        assert_eq!(OF_NOTHING.trim_end_matches('=').parse(), Ok(fingerprint));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "SHA256:",
            "SHA256:AAAA",
            "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU==",
            "SHA256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
            "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFUAAAA=",
        ] {
            assert_eq!(
                text.parse::<Fingerprint>(),
                Err(InvalidFingerprint),
                "{text}"
            );
        }
    }
}
