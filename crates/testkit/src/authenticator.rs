//! A passkey authenticator in software, with the part of the browser that stands before it: WebAuthn Level 3
//! `navigator.credentials.create` and `get`, options in and `toJSON()` of the credential out.
//!
//! It makes discoverable ES256 credentials with user verification and attestation `none`, and refuses an origin that
//! may not use the relying party's id. Keys live and die with the value; nothing is written anywhere.

use crate::cbor::{Item, encode};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use runtime::{hash, random};
use serde_json::{Value, json};
use url::Url;

/// Of this model of authenticator, made up once. It is in no metadata service.
pub const AAGUID: [u8; 16] = *b"\xc0\x17\x7e\x12\x51\x67\x4e\x5a\x90\x0d\x9a\x2b\x33\x5c\x41\x08";

/// COSE algorithm identifier of ECDSA with P-256 and SHA-256 (RFC 9053 §2.1).
const ES256: i64 = -7;
/// Flags of the authenticator data (WebAuthn §6.1).
const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const ATTESTED_CREDENTIAL_DATA: u8 = 0x40;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AuthenticatorError {
    #[error("the options have no usable `{0}`")]
    Options(&'static str),
    #[error("`{origin}` may not use the relying party id `{rp_id}` (WebAuthn §5.1.3)")]
    Origin { origin: String, rp_id: String },
    #[error("the relying party accepts no ES256 credential")]
    Algorithm,
    #[error("a credential that the relying party excludes is already here")]
    Excluded,
    #[error("no credential here for `{0}`")]
    NoCredential(String),
    #[error("the key could not be made or used")]
    Key,
}

#[derive(Debug, Default)]
pub struct Authenticator {
    credentials: Vec<Credential>,
}

#[derive(Debug)]
struct Credential {
    id: [u8; 32],
    rp_id: String,
    user_handle: Vec<u8>,
    key: EcdsaKeyPair,
    counter: u32,
}

impl Authenticator {
    pub fn new() -> Self {
        Self::default()
    }

    /// `navigator.credentials.create(options)` on a page of `origin`; `options` is `{"publicKey":{…}}`.
    pub fn create(&mut self, origin: &Url, options: &Value) -> Result<Value, AuthenticatorError> {
        let options = options.get("publicKey").ok_or(AuthenticatorError::Options("publicKey"))?;
        let rp_id = relying_party(origin, options.pointer("/rp/id"))?;
        let accepts = |parameter: &Value| parameter.get("alg").and_then(Value::as_i64) == Some(ES256);
        if !members(options, "pubKeyCredParams").any(accepts) {
            return Err(AuthenticatorError::Algorithm);
        }
        if self.credentials.iter().any(|known| known.rp_id == rp_id && lists(options, "excludeCredentials", &known.id)) {
            return Err(AuthenticatorError::Excluded);
        }
        let user_handle = bytes(options.pointer("/user/id")).ok_or(AuthenticatorError::Options("user.id"))?;
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| AuthenticatorError::Key)?;
        let credential = Credential { id: random::bytes(), rp_id, user_handle, key, counter: 0 };

        let client_data = client_data("webauthn.create", origin, options)?;
        let data = authenticator_data(&credential, USER_PRESENT | USER_VERIFIED | ATTESTED_CREDENTIAL_DATA)?;
        let attestation = encode(&Item::Map(&[
            (Item::Text("fmt"), Item::Text("none")),
            (Item::Text("attStmt"), Item::Map(&[])),
            (Item::Text("authData"), Item::Bytes(&data)),
        ]));
        let id = URL_SAFE_NO_PAD.encode(credential.id);
        // A second passkey of the same account takes the first one's place (CTAP2 §6.1.2).
        self.credentials.retain(|known| (&known.rp_id, &known.user_handle) != (&credential.rp_id, &credential.user_handle));
        self.credentials.push(credential);
        Ok(json!({
            "id": id, "rawId": id, "type": "public-key", "authenticatorAttachment": "platform",
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
                "attestationObject": URL_SAFE_NO_PAD.encode(attestation),
                "transports": ["internal"],
            },
            "clientExtensionResults": {},
        }))
    }

    /// `navigator.credentials.get(options)` on a page of `origin`. With an empty `allowCredentials` the newest passkey
    /// of the relying party answers, and says whose it is.
    pub fn get(&mut self, origin: &Url, options: &Value) -> Result<Value, AuthenticatorError> {
        let options = options.get("publicKey").ok_or(AuthenticatorError::Options("publicKey"))?;
        let rp_id = relying_party(origin, options.get("rpId"))?;
        let client_data = client_data("webauthn.get", origin, options)?;
        let anyone = members(options, "allowCredentials").next().is_none();
        let credential = self
            .credentials
            .iter_mut()
            .rev()
            .find(|known| known.rp_id == rp_id && (anyone || lists(options, "allowCredentials", &known.id)))
            .ok_or(AuthenticatorError::NoCredential(rp_id))?;
        credential.counter = credential.counter.saturating_add(1);

        let data = authenticator_data(credential, USER_PRESENT | USER_VERIFIED)?;
        let signed = [data.as_slice(), &hash::sha256(client_data.as_bytes())].concat();
        let signature = credential.key.sign(&SystemRandom::new(), &signed).map_err(|_| AuthenticatorError::Key)?;
        let id = URL_SAFE_NO_PAD.encode(credential.id);
        Ok(json!({
            "id": id, "rawId": id, "type": "public-key", "authenticatorAttachment": "platform",
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
                "authenticatorData": URL_SAFE_NO_PAD.encode(data),
                "signature": URL_SAFE_NO_PAD.encode(signature.as_ref()),
                "userHandle": URL_SAFE_NO_PAD.encode(&credential.user_handle),
            },
            "clientExtensionResults": {},
        }))
    }
}

/// The relying party's id: its own host, or a suffix of the page's host at a dot, over https.
fn relying_party(origin: &Url, asked: Option<&Value>) -> Result<String, AuthenticatorError> {
    let host = origin.host_str().unwrap_or_default();
    let rp_id = asked.and_then(Value::as_str).unwrap_or(host);
    let is_suffix = host.strip_suffix(rp_id).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if origin.scheme() == "https" && !rp_id.is_empty() && is_suffix {
        Ok(rp_id.to_owned())
    } else {
        Err(AuthenticatorError::Origin { origin: origin.origin().ascii_serialization(), rp_id: rp_id.to_owned() })
    }
}

/// WebAuthn §5.8.1.1, in the order in which the standard serializes.
fn client_data(ceremony: &str, origin: &Url, options: &Value) -> Result<String, AuthenticatorError> {
    let challenge = options.get("challenge").and_then(Value::as_str).ok_or(AuthenticatorError::Options("challenge"))?;
    let origin = origin.origin().ascii_serialization();
    Ok(json!({"type": ceremony, "challenge": challenge, "origin": origin, "crossOrigin": false}).to_string())
}

/// WebAuthn §6.1, with §6.5.1's attested credential data when the flags say so.
fn authenticator_data(credential: &Credential, flags: u8) -> Result<Vec<u8>, AuthenticatorError> {
    let mut data = hash::sha256(credential.rp_id.as_bytes()).to_vec();
    data.push(flags);
    data.extend_from_slice(&credential.counter.to_be_bytes());
    if flags & ATTESTED_CREDENTIAL_DATA != 0 {
        let length = u16::try_from(credential.id.len()).map_err(|_| AuthenticatorError::Key)?;
        data.extend_from_slice(&AAGUID);
        data.extend_from_slice(&length.to_be_bytes());
        data.extend_from_slice(&credential.id);
        data.extend_from_slice(&cose_key(&credential.key)?);
    }
    Ok(data)
}

/// RFC 9053 §7.1.1: an EC2 key on P-256, from the uncompressed point 04‖x‖y.
fn cose_key(key: &EcdsaKeyPair) -> Result<Vec<u8>, AuthenticatorError> {
    let point = key.public_key().as_ref().strip_prefix(&[4]).ok_or(AuthenticatorError::Key)?;
    let (x, y) = point.split_at_checked(32).ok_or(AuthenticatorError::Key)?;
    Ok(encode(&Item::Map(&[
        (Item::Integer(1), Item::Integer(2)),
        (Item::Integer(3), Item::Integer(ES256)),
        (Item::Integer(-1), Item::Integer(1)),
        (Item::Integer(-2), Item::Bytes(x)),
        (Item::Integer(-3), Item::Bytes(y)),
    ])))
}

fn members<'a>(options: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    options.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn lists(options: &Value, name: &str, id: &[u8]) -> bool {
    members(options, name).any(|descriptor| bytes(descriptor.get("id")).as_deref() == Some(id))
}

fn bytes(value: Option<&Value>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(value?.as_str()?.trim_end_matches('=')).ok()
}
