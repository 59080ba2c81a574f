//! The parameters of one request. A parameter may be there once (RFC 6749 §3.1); one without a value counts as absent;
//! unknown ones are ignored. Everything is bounded.

use crate::aadsts::{Aadsts, Fault};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A query or a form body, in bytes.
pub const LONGEST_FORM: usize = 64 * 1024;
/// One value, in bytes: a `claims` request or an `id_token_hint` is the longest there is.
pub const LONGEST_VALUE: usize = 16 * 1024;
/// MSAL sends about 25.
pub const MOST_PARAMETERS: usize = 100;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads `application/x-www-form-urlencoded` text: a query or a body.
    pub fn parse(form: &[u8]) -> Result<Self, Fault> {
        let malformed = |reason: &str| Aadsts::MalformedRequest.fault(&[reason]);
        if form.len() > LONGEST_FORM {
            return Err(malformed("it is too long"));
        }
        let mut found = BTreeMap::new();
        for (count, (name, value)) in form_urlencoded::parse(form).enumerate() {
            if count >= MOST_PARAMETERS || value.len() > LONGEST_VALUE || name.len() > 256 {
                return Err(malformed("it has too many or too long parameters"));
            }
            if value.contains('\0') {
                return Err(malformed("a parameter contains a NUL"));
            }
            if found.insert(name.clone().into_owned(), Cow::into_owned(value)).is_some() {
                return Err(Aadsts::DuplicateParameter.fault(&[&name]));
            }
        }
        Ok(Self(found))
    }

    /// The value, if there is one and it is not empty.
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub fn required(&self, name: &str) -> Result<&str, Fault> {
        self.optional(name).ok_or_else(|| Aadsts::MissingParameter.fault(&[name]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn twice_is_refused_and_empty_is_absent() {
        let parameters = Parameters::parse(b"a=1&b=&c=x%20y").unwrap();
        assert_eq!(parameters.optional("a"), Some("1"));
        assert_eq!(parameters.optional("b"), None);
        assert_eq!(parameters.optional("c"), Some("x y"));
        assert_eq!(parameters.required("d").unwrap_err().number(), 900_144);
        assert_eq!(Parameters::parse(b"a=1&a=1").unwrap_err().number(), 9_000_411);
        assert_eq!(Parameters::parse(b"%61=1&a=").unwrap_err().number(), 9_000_411);
    }

    #[test]
    fn bounds_hold() {
        assert!(Parameters::parse(&vec![b'a'; LONGEST_FORM + 1]).is_err());
        let many: String = (0..=MOST_PARAMETERS).map(|index| format!("p{index}=1&")).collect();
        assert!(Parameters::parse(many.as_bytes()).is_err());
        assert!(Parameters::parse(format!("a={}", "x".repeat(LONGEST_VALUE + 1)).as_bytes()).is_err());
        assert!(Parameters::parse(b"a=x%00y").is_err());
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(pairs in proptest::collection::btree_map("[a-z_]{1,12}", "[^\0]{1,40}", 0..10)) {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.extend_pairs(&pairs);
            let parameters = Parameters::parse(form.finish().as_bytes()).unwrap();
            for (name, value) in &pairs {
                prop_assert_eq!(parameters.optional(name), Some(value.as_str()));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Parameters::parse(&bytes);
        }
    }
}
