//! Randomness, from the operating system through aws-lc.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// `N` random bytes.
#[expect(clippy::panic, reason = "a machine without entropy must not go on: every secret it made would be guessable")]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        panic!("the operating system gives no random bytes");
    }
    bytes
}

/// A secret for a cookie, code or token: 256 random bits in base64url.
pub fn token() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<32>())
}

/// A random GUID (RFC 9562 version 4).
pub fn guid() -> String {
    uuid::Builder::from_random_bytes(bytes()).into_uuid().to_string()
}
