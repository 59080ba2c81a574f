//! Passkeys (WebAuthn Level 3) through webauthn-rs: discoverable, with user verification, for this origin alone.
//!
//! The state of a ceremony travels in the sealed form token (`sign_in::flow`), which is bound to the browser and good once;
//! it never reaches a page in the clear. Nothing here knows who may register or what a passkey is worth.

use crate::config::Config;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{User, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::credential::{Credential, CredentialKind};
use uuid::Uuid;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, DiscoverableKey, Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

/// What a browser sends is no longer than this; what is, is not parsed.
const LONGEST_ANSWER: usize = 32 * 1024;

/// A ceremony under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Ceremony {
    /// Registration, with the account that it is for.
    Register(UserId, Box<PasskeyRegistration>),
    /// Any of one person's passkeys.
    Account(UserId, Box<PasskeyAuthentication>),
    /// Whoever has a passkey here: the account is not known yet.
    Usernameless(Box<DiscoverableAuthentication>),
}

/// Why an answer is not accepted. The person hears no more than that it was not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasskeyError {
    #[error("the passkey's answer is malformed")]
    Malformed,
    #[error("the passkey is not registered here")]
    Unknown,
    #[error("the passkey's answer is not accepted")]
    Refused(#[source] webauthn_rs::prelude::WebauthnError),
    #[error("a stored passkey is unreadable")]
    Unreadable,
}

/// A passkey that proved itself.
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    /// The signature counter; 0 from authenticators that have none.
    pub counter: u32,
    /// To be stored in place of the credential's secret, where something about it changed.
    pub changed: Option<Vec<u8>>,
}

/// RP id and origin are those of the base address (WebAuthn §5.1.2); `None` when it cannot be an origin.
pub(crate) fn verifier(config: &Config) -> Option<Webauthn> {
    let host = config.base_url.host_str()?.to_owned();
    WebauthnBuilder::new(&host, &config.base_url).ok()?.rp_name("Countersign").build().ok()
}

/// Options for `navigator.credentials.create`, for a person who has `registered` already.
pub(crate) fn start_registration(
    webauthn: &Webauthn,
    user: &User,
    registered: &[Credential],
) -> Result<(Value, Ceremony), PasskeyError> {
    let exclude = readable(registered)?.into_iter().map(|passkey| passkey.cred_id().clone()).collect();
    let name = if user.display_name.is_empty() { &user.user_principal_name } else { &user.display_name };
    let (options, state) = webauthn
        .start_passkey_registration(handle(&user.id), &user.user_principal_name, name, Some(exclude))
        .map_err(PasskeyError::Refused)?;
    let mut options = serde_json::to_value(options).map_err(|_| PasskeyError::Malformed)?;
    // webauthn-rs leaves it to the authenticator; sign-in without a user name needs it.
    if let Some(selection) = options.pointer_mut("/publicKey/authenticatorSelection").and_then(Value::as_object_mut) {
        selection.insert("residentKey".to_owned(), json!("required"));
        selection.insert("requireResidentKey".to_owned(), json!(true));
    }
    Ok((options, Ceremony::Register(user.id.clone(), Box::new(state))))
}

/// The credential to store: its id is the WebAuthn credential id in base64url, so one passkey cannot belong to two people.
pub(crate) fn finish_registration(
    webauthn: &Webauthn,
    user: &UserId,
    ceremony: &Ceremony,
    answer: &str,
    label: &str,
    now: model::Timestamp,
) -> Result<Credential, PasskeyError> {
    let Ceremony::Register(owner, state) = ceremony else { return Err(PasskeyError::Malformed) };
    if owner != user {
        return Err(PasskeyError::Malformed);
    }
    let answer: RegisterPublicKeyCredential = parse(answer)?;
    let passkey = webauthn.finish_passkey_registration(&answer, state).map_err(PasskeyError::Refused)?;
    Ok(Credential {
        id: id(passkey.cred_id().as_ref()),
        user_id: user.clone(),
        kind: CredentialKind::Passkey,
        label: label.to_owned(),
        secret: serde_json::to_vec(&passkey).map_err(|_| PasskeyError::Unreadable)?,
        created: now,
        last_used: None,
        counter: 0,
    })
}

/// Options for `navigator.credentials.get` with the person's own passkeys.
pub(crate) fn start_for_account(
    webauthn: &Webauthn,
    user: &UserId,
    registered: &[Credential],
) -> Result<(Value, Ceremony), PasskeyError> {
    let (options, state) = webauthn.start_passkey_authentication(&readable(registered)?).map_err(PasskeyError::Refused)?;
    let options = serde_json::to_value(options).map_err(|_| PasskeyError::Malformed)?;
    Ok((options, Ceremony::Account(user.clone(), Box::new(state))))
}

/// Options that name no account: they say nothing about who exists.
pub(crate) fn start_usernameless(webauthn: &Webauthn) -> Result<(Value, Ceremony), PasskeyError> {
    let (options, state) = webauthn.start_discoverable_authentication().map_err(PasskeyError::Refused)?;
    let options = serde_json::to_value(options).map_err(|_| PasskeyError::Malformed)?;
    Ok((options, Ceremony::Usernameless(Box::new(state))))
}

/// The stored credential's id that an answer names, to look it up.
pub(crate) fn credential_id(answer: &str) -> Result<String, PasskeyError> {
    let answer: PublicKeyCredential = parse(answer)?;
    Ok(id(answer.get_credential_id()))
}

/// Checks `answer` against the passkey that it names.
pub(crate) fn finish(
    webauthn: &Webauthn,
    ceremony: Ceremony,
    answer: &str,
    credential: &Credential,
) -> Result<Proof, PasskeyError> {
    let answer: PublicKeyCredential = parse(answer)?;
    let mut passkey: Passkey = serde_json::from_slice(&credential.secret).map_err(|_| PasskeyError::Unreadable)?;
    if id(answer.get_credential_id()) != credential.id {
        return Err(PasskeyError::Unknown);
    }
    // The handle is the person's; one that differs is another account's answer (WebAuthn §7.2, step 6).
    let named = answer.get_user_unique_id();
    let result = match ceremony {
        Ceremony::Register(..) => return Err(PasskeyError::Malformed),
        Ceremony::Account(user, state) => {
            if user != credential.user_id || named.is_some_and(|named| named != handle(&user).as_bytes()) {
                return Err(PasskeyError::Unknown);
            }
            webauthn.finish_passkey_authentication(&answer, &state)
        }
        Ceremony::Usernameless(state) => {
            if named != Some(handle(&credential.user_id).as_bytes().as_slice()) {
                return Err(PasskeyError::Unknown);
            }
            let key = DiscoverableKey::from(&passkey);
            webauthn.finish_discoverable_authentication_v2(&answer, *state, &key)
        }
    }
    .map_err(PasskeyError::Refused)?;
    if !result.user_verified() {
        return Err(PasskeyError::Malformed);
    }
    let changed = passkey.update_credential(&result) == Some(true);
    let changed = changed.then(|| serde_json::to_vec(&passkey)).transpose().map_err(|_| PasskeyError::Unreadable)?;
    Ok(Proof { counter: result.counter(), changed })
}

fn readable(credentials: &[Credential]) -> Result<Vec<Passkey>, PasskeyError> {
    credentials
        .iter()
        .filter(|credential| credential.kind == CredentialKind::Passkey)
        .map(|credential| serde_json::from_slice(&credential.secret).map_err(|_| PasskeyError::Unreadable))
        .collect()
}

fn parse<T: serde::de::DeserializeOwned>(answer: &str) -> Result<T, PasskeyError> {
    if answer.len() > LONGEST_ANSWER {
        return Err(PasskeyError::Malformed);
    }
    let mut value: Value = serde_json::from_str(answer).map_err(|_| PasskeyError::Malformed)?;
    // `toJSON()` names the client's extension results otherwise than webauthn-rs does.
    if let Some(object) = value.as_object_mut()
        && !object.contains_key("extensions")
    {
        let results = object.remove("clientExtensionResults").unwrap_or_else(|| json!({}));
        object.insert("extensions".to_owned(), results);
    }
    serde_json::from_value(value).map_err(|_| PasskeyError::Malformed)
}

fn id(credential_id: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(credential_id)
}

/// The user handle (WebAuthn §5.4.3): the account's GUID, or, where an id is not one, 16 bytes that stand for it.
fn handle(user: &UserId) -> Uuid {
    Uuid::try_parse(user.as_str()).unwrap_or_else(|_| {
        let digest = runtime::hash::sha256(user.as_str().as_bytes());
        Uuid::from_slice(digest.get(..16).unwrap_or_default()).unwrap_or_default()
    })
}
