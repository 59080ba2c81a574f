//! Proof Key for Code Exchange (RFC 7636), S256 only: `plain` protects nobody against who can read the request.

use crate::aadsts::{Aadsts, Fault};
use crate::oauth::Parameters;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// `code_challenge` of method S256: the base64url SHA-256 of the verifier, so always 43 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeChallenge(String);

impl CodeChallenge {
    pub fn new(text: &str) -> Result<Self, Fault> {
        if text.len() == 43 && text.bytes().all(is_base64url) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Aadsts::CodeChallengeSize.into())
        }
    }

    /// What a client sends for `verifier` (RFC 7636 §4.2).
    pub fn of_verifier(verifier: &str) -> Self {
        Self(URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Does `verifier` (43 to 128 unreserved characters, §4.1) hash to this challenge?
    pub fn is_met_by(&self, verifier: &str) -> bool {
        let well_formed = (43..=128).contains(&verifier.len())
            && verifier.bytes().all(|byte| is_base64url(byte) || byte == b'.' || byte == b'~');
        well_formed && bool::from(Self::of_verifier(verifier).0.as_bytes().ct_eq(self.0.as_bytes()))
    }

    /// The challenge of an authorization request, if it has one. A challenge without a method is `plain` (§4.3).
    pub(crate) fn of_request(parameters: &Parameters) -> Result<Option<Self>, Fault> {
        match (parameters.optional("code_challenge"), parameters.optional("code_challenge_method")) {
            (None, None) => Ok(None),
            (Some(challenge), Some("S256")) => Self::new(challenge).map(Some),
            (None, Some(_)) => Err(Aadsts::MissingParameter.fault(&["code_challenge"])),
            (Some(_), _) => Err(Aadsts::MalformedRequest.fault(&["'code_challenge_method' must be S256"])),
        }
    }
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_7636_appendix_b() {
        let challenge = CodeChallenge::new("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        assert!(challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"));
        assert!(!challenge.is_met_by("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), "the challenge itself is no verifier");
    }

    #[test]
    fn plain_is_refused_in_every_spelling() {
        let read = |form: &str| CodeChallenge::of_request(&Parameters::parse(form.as_bytes()).unwrap());
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(read(&format!("code_challenge={challenge}&code_challenge_method=S256")).unwrap().is_some());
        for method in ["plain", "s256", "S512"] {
            assert!(read(&format!("code_challenge={challenge}&code_challenge_method={method}")).is_err(), "{method}");
        }
        assert!(read(&format!("code_challenge={challenge}")).is_err(), "no method is plain");
        assert!(read("code_challenge_method=S256").is_err());
        assert!(read(&format!("code_challenge={challenge}x&code_challenge_method=S256")).is_err());
        assert!(read("").unwrap().is_none());
    }

    proptest! {
        #[test]
        fn only_the_verifier_itself_meets_its_challenge(verifier in "[A-Za-z0-9._~-]{43,128}", other in "[A-Za-z0-9._~-]{43,128}") {
            let challenge = CodeChallenge::of_verifier(&verifier);
            prop_assert!(challenge.is_met_by(&verifier));
            prop_assert_eq!(challenge.is_met_by(&other), verifier == other);
        }
    }
}
