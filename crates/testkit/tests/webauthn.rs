//! The software authenticator before a relying party that nobody here wrote: webauthn-rs.

#![expect(clippy::unwrap_used, reason = "the whole file is a test; helpers stand outside `#[test]`")]

use serde_json::{Value, json};
use testkit::Authenticator;
use testkit::authenticator::AuthenticatorError;
use url::Url;
use webauthn_rs::prelude::*;

fn origin() -> Url {
    Url::parse("https://localhost:8443").unwrap()
}

fn relying_party() -> Webauthn {
    WebauthnBuilder::new("localhost", &origin()).unwrap().rp_name("Countersign").build().unwrap()
}

fn register(relying_party: &Webauthn, authenticator: &mut Authenticator, user: Uuid) -> Passkey {
    let (options, state) = relying_party.start_passkey_registration(user, "ada@woodgrove.example", "Ada", None).unwrap();
    let credential = authenticator.create(&origin(), &serde_json::to_value(options).unwrap()).unwrap();
    let credential: RegisterPublicKeyCredential = serde_json::from_value(credential).unwrap();
    relying_party.finish_passkey_registration(&credential, &state).unwrap()
}

#[test]
fn a_passkey_is_registered_and_signs_in_and_its_counter_rises() {
    let relying_party = relying_party();
    let mut authenticator = Authenticator::new();
    let passkey = register(&relying_party, &mut authenticator, Uuid::from_u128(7));
    for expected in 1..=3 {
        let (options, state) = relying_party.start_passkey_authentication(std::slice::from_ref(&passkey)).unwrap();
        let credential = authenticator.get(&origin(), &serde_json::to_value(options).unwrap()).unwrap();
        let credential: PublicKeyCredential = serde_json::from_value(credential).unwrap();
        let result = relying_party.finish_passkey_authentication(&credential, &state).unwrap();
        assert!(result.user_verified());
        assert_eq!(result.counter(), expected);
    }
}

#[test]
fn a_discoverable_passkey_says_whose_it_is() {
    let relying_party = relying_party();
    let mut authenticator = Authenticator::new();
    let user = Uuid::from_u128(99);
    let passkey = register(&relying_party, &mut authenticator, user);
    let (options, state) = relying_party.start_discoverable_authentication().unwrap();
    let credential = authenticator.get(&origin(), &serde_json::to_value(options).unwrap()).unwrap();
    let credential: PublicKeyCredential = serde_json::from_value(credential).unwrap();
    let (named, _) = relying_party.identify_discoverable_authentication(&credential).unwrap();
    assert_eq!(named, user);
    relying_party.finish_discoverable_authentication_v2(&credential, state, DiscoverableKey::from(&passkey)).unwrap();
}

#[test]
fn an_answer_to_another_challenge_or_from_another_origin_is_refused() {
    let relying_party = relying_party();
    let mut authenticator = Authenticator::new();
    let passkey = register(&relying_party, &mut authenticator, Uuid::from_u128(7));
    let (options, _) = relying_party.start_passkey_authentication(std::slice::from_ref(&passkey)).unwrap();
    let (_, other_state) = relying_party.start_passkey_authentication(std::slice::from_ref(&passkey)).unwrap();
    let options = serde_json::to_value(options).unwrap();
    let credential: PublicKeyCredential = serde_json::from_value(authenticator.get(&origin(), &options).unwrap()).unwrap();
    assert!(relying_party.finish_passkey_authentication(&credential, &other_state).is_err());

    let phishing = Url::parse("https://localhost.evil.example").unwrap();
    assert!(matches!(authenticator.get(&phishing, &options), Err(AuthenticatorError::Origin { .. })));
    let plain = Url::parse("http://localhost:8443").unwrap();
    assert!(matches!(authenticator.get(&plain, &options), Err(AuthenticatorError::Origin { .. })));
}

#[test]
fn what_the_authenticator_cannot_do_it_says() {
    let mut authenticator = Authenticator::new();
    let options = |algorithm: i64| -> Value {
        json!({"publicKey": {"rp": {"id": "localhost"}, "user": {"id": "AQ"}, "challenge": "AA",
            "pubKeyCredParams": [{"type": "public-key", "alg": algorithm}]}})
    };
    assert_eq!(authenticator.create(&origin(), &options(-257)), Err(AuthenticatorError::Algorithm));
    assert_eq!(authenticator.create(&origin(), &json!({})), Err(AuthenticatorError::Options("publicKey")));
    let made = authenticator.create(&origin(), &options(-7)).unwrap();
    let mut again = options(-7);
    again["publicKey"]["excludeCredentials"] = json!([{"type": "public-key", "id": made["id"]}]);
    assert_eq!(authenticator.create(&origin(), &again), Err(AuthenticatorError::Excluded));
    let elsewhere = json!({"publicKey": {"challenge": "AA", "allowCredentials": [{"type": "public-key", "id": "AAAA"}]}});
    assert_eq!(authenticator.get(&origin(), &elsewhere), Err(AuthenticatorError::NoCredential("localhost".into())));
}
