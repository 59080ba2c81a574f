//! Time-based one-time passwords (RFC 6238): SHA-1, six digits, thirty seconds, one step either way.
//!
//! A code is good once: `matching_step` says which step it belongs to, and the caller takes that step with
//! `credential::advance_counter`, which has one winner.

use aws_lc_rs::hmac;
use model::Timestamp;
use runtime::seal::Sealer;

const STEP_SECONDS: i64 = 30;
const DIGITS: u32 = 6;
const SEAL_PURPOSE: &str = "totp secret";
/// Steps before and after the present one that are accepted (RFC 6238 §5.2).
const TOLERANCE: i64 = 1;
/// 160 bits, as RFC 4226 §4 recommends.
const SECRET_BYTES: usize = 20;
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A new secret.
pub(crate) fn new_secret() -> [u8; SECRET_BYTES] {
    runtime::random::bytes()
}

/// A secret as it rests in the store.
pub(crate) fn seal_secret(sealer: &Sealer, secret: &[u8]) -> Vec<u8> {
    sealer.seal(SEAL_PURPOSE, secret)
}

pub(crate) fn open_secret(sealer: &Sealer, sealed: &[u8]) -> Option<Vec<u8>> {
    sealer.open(SEAL_PURPOSE, sealed)
}

/// The step whose code `code` is, if it is one of those accepted at `now`. Spaces are ignored, as people type them.
pub(crate) fn matching_step(secret: &[u8], code: &str, now: Timestamp) -> Option<i64> {
    let code: String = code.chars().filter(|character| !character.is_whitespace()).take(16).collect();
    let present = now.seconds().div_euclid(STEP_SECONDS);
    // All are computed, whichever matches.
    (present.saturating_sub(TOLERANCE)..=present.saturating_add(TOLERANCE)).fold(None, |found, step| {
        if runtime::hash::equal(code_at(secret, step).as_bytes(), code.as_bytes()) { Some(step) } else { found }
    })
}

/// The code of `step` (RFC 4226 §5.3).
fn code_at(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag.last().copied().unwrap_or_default() & 0x0f);
    let truncated = tag.iter().skip(offset).take(4).fold(0u32, |value, byte| (value << 8) | u32::from(*byte)) & 0x7fff_ffff;
    format!("{:0width$}", truncated % 10u32.pow(DIGITS), width = DIGITS as usize)
}

/// RFC 4648 §6, without padding: how authenticator applications take a secret.
pub(crate) fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut buffer, mut bits) = (0u32, 0u32);
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.extend(ALPHABET.get(((buffer >> bits) & 31) as usize).map(|letter| char::from(*letter)));
        }
        buffer &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.extend(ALPHABET.get(((buffer << (5 - bits)) & 31) as usize).map(|letter| char::from(*letter)));
    }
    text
}

/// Reads what `base32` writes, and what people make of it: lower case, spaces, padding. At most 128 bytes.
pub(crate) fn from_base32(text: &str) -> Option<Vec<u8>> {
    let letters: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b' ' | b'-' | b'=')).collect();
    if letters.is_empty() || letters.len() > 205 {
        return None;
    }
    let mut bytes = Vec::new();
    let (mut buffer, mut bits) = (0u32, 0u32);
    for letter in letters {
        let value = ALPHABET.iter().position(|known| *known == letter.to_ascii_uppercase())?;
        buffer = (buffer << 5) | u32::try_from(value).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((buffer >> bits) & 0xff).ok()?);
        }
        buffer &= (1 << bits) - 1;
    }
    Some(bytes)
}

/// `otpauth://totp/…`: the address that authenticator applications take, as a link or a picture.
pub(crate) fn address(issuer: &str, account: &str, secret: &[u8]) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
    let (issuer, account) = (encode(issuer), encode(account));
    format!("otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits=6&period=30", base32(secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn the_vectors_of_rfc_6238_appendix_b() {
        // The appendix has eight digits; six of them are the last six.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(matching_step(SECRET, code, Timestamp::from_seconds(seconds)), Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn one_step_either_way_and_no_more() {
        let code = code_at(SECRET, 1000);
        for (seconds, accepted) in [(29_969, false), (29_970, true), (30_000, true), (30_059, true), (30_060, false)] {
            let step = matching_step(SECRET, &code, Timestamp::from_seconds(seconds));
            assert_eq!(step, accepted.then_some(1000), "{seconds}");
        }
        let spaced = format!(" {} {}", &code[..3], &code[3..]);
        assert_eq!(matching_step(SECRET, &spaced, Timestamp::from_seconds(30_000)), Some(1000));
        for wrong in ["", "0", "00000000000000000000", "１２３４５６"] {
            assert_eq!(matching_step(SECRET, wrong, Timestamp::from_seconds(30_000)), None);
        }
    }

    #[test]
    fn the_vectors_of_rfc_4648_section_10() {
        for (plain, encoded) in
            [("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("fooba", "MZXW6YTB"), ("foobar", "MZXW6YTBOI")]
        {
            assert_eq!(base32(plain.as_bytes()), encoded);
            assert_eq!(from_base32(encoded).unwrap(), plain.as_bytes());
        }
        assert_eq!(from_base32("mzxw 6ytb oi======").unwrap(), b"foobar");
        assert_eq!(from_base32("0189"), None);
        assert_eq!(from_base32(""), None);
    }

    proptest! {
        #[test]
        fn base32_comes_back(bytes in proptest::collection::vec(any::<u8>(), 1..128)) {
            prop_assert_eq!(from_base32(&base32(&bytes)), Some(bytes));
        }

        #[test]
        fn an_independent_implementation_agrees(secret in proptest::collection::vec(any::<u8>(), 16..64), seconds in 0i64..4_000_000_000) {
            let other = totp_rs::Builder::new().with_secret(secret.clone()).build_noncompliant();
            let code = other.generate(u64::try_from(seconds).unwrap());
            prop_assert_eq!(matching_step(&secret, &code.to_string(), Timestamp::from_seconds(seconds)), Some(seconds / 30));
        }
    }
}
