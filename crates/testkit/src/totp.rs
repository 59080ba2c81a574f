//! An authenticator app: time-based one-time passwords (RFC 6238) over HMAC-SHA1, six digits, thirty seconds.
//!
//! Written apart from the library that the control plane checks codes with, so that the two prove each other.

use aws_lc_rs::hmac;
use model::Timestamp;

const STEP_SECONDS: i64 = 30;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a TOTP secret is not base32 (RFC 4648 §6)")]
pub struct TotpError;

/// The code that stands in the app at `now` for `secret` (base32, as shown when it is registered).
pub fn code(secret: &str, now: Timestamp) -> Result<String, TotpError> {
    let key = decode_base32(secret).ok_or(TotpError)?;
    Ok(hotp(&key, now.seconds().div_euclid(STEP_SECONDS).unsigned_abs()))
}

/// A new secret: 160 random bits, the length RFC 4226 §4 recommends.
pub fn new_secret() -> String {
    encode_base32(&runtime::random::bytes::<20>())
}

/// RFC 4226 §5.3.
fn hotp(key: &[u8], counter: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let tag = hmac::sign(&key, &counter.to_be_bytes());
    let offset = usize::from(tag.as_ref().last().copied().unwrap_or_default() & 0x0f);
    let word = tag.as_ref().iter().skip(offset).take(4).fold(0u32, |word, byte| word << 8 | u32::from(*byte));
    format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
}

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn decode_base32(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut bits, mut count) = (0u32, 0u32);
    for character in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let value = ALPHABET.iter().position(|letter| *letter == character.to_ascii_uppercase())?;
        bits = bits << 5 | u32::try_from(value).ok()?;
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    if out.is_empty() { None } else { Some(out) }
}

fn encode_base32(bytes: &[u8]) -> String {
    let (mut bits, mut count) = (0u32, 0u32);
    let mut out = String::new();
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            out.extend(letter(bits >> count));
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        out.extend(letter(bits << (5 - count)));
    }
    out
}

fn letter(bits: u32) -> Option<char> {
    ALPHABET.get((bits & 31) as usize).map(|letter| char::from(*letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B (SHA-1), of whose eight digits an app shows the last six.
    #[test]
    fn the_codes_of_the_standard() {
        let secret = encode_base32(b"12345678901234567890");
        assert_eq!(secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        for (seconds, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(&secret, Timestamp::from_seconds(seconds)).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn base32_is_read_as_people_write_it_and_nothing_else_is() {
        assert_eq!(decode_base32("mzxw 6ytb oi==").as_deref(), Some(b"foobar".as_slice()));
        assert_eq!(decode_base32("MZXW6YTBOI1"), None);
        assert_eq!(decode_base32(""), None);
        let secret = new_secret();
        assert_eq!(secret.len(), 32);
        assert_eq!(encode_base32(&decode_base32(&secret).unwrap()), secret);
    }
}
