//! Sealing: authenticated encryption of what leaves our hands and comes back (cookies, form state) or rests in the store
//! (signing keys, seeds). AES-256-GCM-SIV (RFC 8452): a repeated nonce reveals only that two equal texts are equal.
//!
//! Each purpose has a key of its own (HKDF-SHA256, RFC 5869), so a cookie can never be passed off as form state.

use crate::random;
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;

#[derive(Clone)]
pub struct Sealer {
    root: Prk,
}

impl Sealer {
    pub fn new(key: &[u8; 32]) -> Self {
        Self { root: Salt::new(HKDF_SHA256, b"countersign").extract(key) }
    }

    /// Nonce, ciphertext and tag.
    #[expect(clippy::panic, reason = "fails only for texts of over 64 GiB, which no caller has")]
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = random::bytes();
        let mut sealed = plain.to_vec();
        let Some(Ok(tag)) = self.key(purpose).map(|key| {
            key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(purpose.as_bytes()), &mut sealed)
        }) else {
            panic!("sealing failed");
        };
        let mut out = nonce.to_vec();
        out.extend_from_slice(&sealed);
        out.extend_from_slice(tag.as_ref());
        out
    }

    /// `None` when the key, the purpose or a single bit differs.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = rest.to_vec();
        let length = self.key(purpose)?.open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }

    /// As `seal`, in base64url: for cookies and form fields.
    pub fn seal_text(&self, purpose: &str, plain: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.seal(purpose, plain))
    }

    pub fn open_text(&self, purpose: &str, sealed: &str) -> Option<Vec<u8>> {
        self.open(purpose, &URL_SAFE_NO_PAD.decode(sealed).ok()?)
    }

    /// 32 bytes that only holders of the root key can compute, for a keyed hash or a key of a caller's own.
    pub fn derive(&self, purpose: &str) -> Option<[u8; 32]> {
        let mut key = [0; 32];
        self.root.expand(&[purpose.as_bytes()], Length).ok()?.fill(&mut key).ok()?;
        Some(key)
    }

    fn key(&self, purpose: &str) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM_SIV, &self.derive(purpose)?).ok().map(LessSafeKey::new)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sealer")
    }
}

#[derive(Clone, Copy, Debug)]
struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn open_undoes_seal_and_nothing_else(plain: Vec<u8>, flip in 0usize..4096) {
            let sealer = Sealer::new(&[7; 32]);
            let sealed = sealer.seal("cookie", &plain);
            prop_assert_eq!(sealer.open("cookie", &sealed), Some(plain));
            prop_assert_eq!(sealer.open("form", &sealed), None);
            prop_assert_eq!(Sealer::new(&[8; 32]).open("cookie", &sealed), None);
            let mut bent = sealed.clone();
            let at = flip % bent.len();
            bent[at] ^= 1;
            prop_assert_eq!(sealer.open("cookie", &bent), None);
            prop_assert_eq!(sealer.open("cookie", &sealed[..at]), None);
        }
    }
}
