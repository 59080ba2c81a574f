//! The few shapes of CBOR (RFC 8949) that an authenticator writes. It never reads any.

pub(crate) enum Item<'a> {
    Integer(i64),
    Bytes(&'a [u8]),
    Text(&'a str),
    /// In the order given: callers write CTAP2's canonical order (shorter keys first).
    Map(&'a [(Item<'a>, Item<'a>)]),
}

pub(crate) fn encode(item: &Item<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    write(item, &mut out);
    out
}

fn write(item: &Item<'_>, out: &mut Vec<u8>) {
    match item {
        Item::Integer(number) => match u64::try_from(*number) {
            Ok(number) => head(0, number, out),
            // RFC 8949 §3.1: a negative integer n is written as -1 - n.
            Err(_) => head(1, number.unsigned_abs().saturating_sub(1), out),
        },
        Item::Bytes(bytes) => {
            head(2, bytes.len() as u64, out);
            out.extend_from_slice(bytes);
        }
        Item::Text(text) => {
            head(3, text.len() as u64, out);
            out.extend_from_slice(text.as_bytes());
        }
        Item::Map(entries) => {
            head(5, entries.len() as u64, out);
            for (key, value) in *entries {
                write(key, out);
                write(value, out);
            }
        }
    }
}

/// Major type and argument, in the shortest form.
fn head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    let bytes = argument.to_be_bytes();
    let [.., b4, b5, b6, b7] = bytes;
    match argument {
        0..=23 => out.push(major | b7),
        24..=0xff => out.extend_from_slice(&[major | 24, b7]),
        0x100..=0xffff => out.extend_from_slice(&[major | 25, b6, b7]),
        0x1_0000..=0xffff_ffff => out.extend_from_slice(&[major | 26, b4, b5, b6, b7]),
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8949, appendix A.
    #[test]
    fn the_examples_of_the_standard() {
        for (item, hex) in [
            (Item::Integer(0), "00"),
            (Item::Integer(23), "17"),
            (Item::Integer(24), "1818"),
            (Item::Integer(1000), "1903e8"),
            (Item::Integer(1_000_000), "1a000f4240"),
            (Item::Integer(1_000_000_000_000), "1b000000e8d4a51000"),
            (Item::Integer(-1), "20"),
            (Item::Integer(-100), "3863"),
            (Item::Bytes(&[1, 2, 3, 4]), "4401020304"),
            (Item::Text("IETF"), "6449455446"),
            (Item::Map(&[(Item::Integer(1), Item::Integer(2)), (Item::Integer(3), Item::Integer(4))]), "a201020304"),
        ] {
            let written: String = encode(&item).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(written, hex);
        }
    }
}
