//! The certificates of a key: its own, and those by which earlier keys vouch for it.
//!
//! They go over the wire as the certificate chain of TLS. The first is self-signed. If there are
//! more, the second is for the same key, signed by the key of the third, and so on: each key was
//! vouched for by the one after it.

use rcgen::{CertificateParams, DistinguishedName, DnType, Issuer};
use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;

use super::{Fingerprint, Identity, PublicKey};

/// How many earlier keys of a peer are looked at, and kept of the own ones. Whoever has not called
/// for longer meets a new key.
pub(crate) const MAX_REPLACED: usize = 3;

/// The key's own certificate.
pub(super) fn self_signed(key: &Identity) -> Result<CertificateDer<'static>, rcgen::Error> {
    Ok(params().self_signed(key)?.into())
}

/// A certificate by which the owner of the key `old` says that `new` takes its place.
pub(super) fn vouch(
    old: &Identity,
    new: &Identity,
) -> Result<CertificateDer<'static>, rcgen::Error> {
    let issuer = Issuer::new(params(), old);
    Ok(params().signed_by(new, &issuer)?.into())
}

fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "chat");
    params
}

/// The earlier keys that vouch for the key of the first certificate, the last one first. Whoever
/// has the secret half of any of them can have made that so.
pub fn replaced_keys(chain: &[CertificateDer<'_>]) -> Vec<Fingerprint> {
    let [own, vouched @ ..] = chain else {
        return Vec::new();
    };
    match (public_key(own), vouched.first().map(public_key)) {
        (Ok(own), Some(Ok(vouched))) if own == vouched => {}
        _ => return Vec::new(),
    }
    let pairs = vouched.windows(2).take(MAX_REPLACED);
    pairs.map_while(|pair| signer(&pair[0], &pair[1])).collect()
}

/// The key of `issuer`, if it has signed `certificate`.
fn signer(certificate: &CertificateDer<'_>, issuer: &CertificateDer<'_>) -> Option<Fingerprint> {
    let key = PublicKey::from_spki(&public_key(issuer).ok()?)?;
    let mut issuers = RootCertStore::empty();
    issuers.add(issuer.clone().into_owned()).ok()?;
    verify_server_cert_signed_by_trust_anchor(
        &ParsedCertificate::try_from(certificate).ok()?,
        &issuers,
        &[],
        UnixTime::now(),
        aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .all,
    )
    .ok()?;
    Some(key.fingerprint())
}

/// The public key in a certificate.
pub(crate) fn public_key(
    certificate: &CertificateDer<'_>,
) -> Result<SubjectPublicKeyInfoDer<'static>, rustls::Error> {
    Ok(ParsedCertificate::try_from(certificate)?.subject_public_key_info())
}
