//! Values → typed objects, with what may not be stored as it is written taken out: passwords, TOTP secrets, client secrets.

use super::{Problem, Severity};
use crate::passwords;
use crate::totp;
use model::object::ObjectError;
use model::{Application, Kind, Object};
use secrecy::{SecretBox, SecretString};
use serde_json::{Map, Value};

/// A client secret is kept as a plain SHA-256, which is only right for one that nobody could guess.
const SHORTEST_CLIENT_SECRET: usize = 32;
/// RFC 4226 §4 asks for at least 128 bits.
const SHORTEST_TOTP_SECRET: usize = 16;

/// One object to apply.
#[derive(Debug)]
pub(super) struct Item {
    /// `$.objects[3]`.
    pub(super) place: String,
    pub(super) object: Object,
    pub(super) seed: Seed,
}

/// Credentials that an account begins with.
#[derive(Debug, Default)]
pub(super) struct Seed {
    pub(super) password: Option<SecretString>,
    pub(super) totp: Vec<SecretBox<Vec<u8>>>,
}

impl Seed {
    pub(super) fn is_empty(&self) -> bool {
        self.password.is_none() && self.totp.is_empty()
    }
}

impl Problem {
    pub(super) fn error(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into(), hint: None, severity: Severity::Error }
    }

    pub(super) fn remark(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Remark, ..Self::error(place, message) }
    }

    #[must_use]
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Every object that can be read, in the order in which they are written, and every problem with the others.
pub(super) fn items(values: Vec<Value>) -> (Vec<Item>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut items: Vec<Item> = values
        .into_iter()
        .enumerate()
        .filter_map(|(index, value)| item(format!("$.objects[{index}]"), value, &mut problems))
        .collect();
    // What others refer to comes first; a stable sort keeps the given order within a kind.
    items.sort_by_key(|item| item.object.kind());
    (items, problems)
}

fn item(place: String, mut value: Value, problems: &mut Vec<Problem>) -> Option<Item> {
    let kind = Kind::of(&value);
    let seed = match (kind, &mut value) {
        (Some(Kind::User), Value::Object(members)) => take_seed(members, &place, problems),
        _ => Seed::default(),
    };
    match Object::from_value(value) {
        Ok(Object::Application(mut application)) => {
            hash_client_secrets(&mut application, &place, problems);
            Some(Item { place, object: Object::Application(application), seed })
        }
        Ok(object) => Some(Item { place, object, seed }),
        Err(error) => {
            let problem = Problem::error(place, error.to_string());
            problems.push(match error {
                ObjectError::UnknownKind => problem.hint("objects are in Graph's JSON, with the members that Graph gives"),
                ObjectError::Unreadable { .. } => problem,
                ObjectError::NoId { .. } => problem.hint("give the object a GUID of its own"),
            });
            None
        }
    }
}

fn take_seed(members: &mut Map<String, Value>, place: &str, problems: &mut Vec<Problem>) -> Seed {
    let mut seed = Seed::default();
    if let Some(profile) = members.shift_remove("passwordProfile") {
        match profile.get("password") {
            Some(Value::String(password)) => match passwords::check_policy(password) {
                Ok(()) => seed.password = Some(SecretString::from(password.as_str())),
                Err(error) => problems.push(Problem::error(format!("{place}.passwordProfile.password"), error.to_string())),
            },
            // An export shows the profile without its password.
            None | Some(Value::Null) => {}
            Some(_) => problems.push(Problem::error(format!("{place}.passwordProfile.password"), "not a text")),
        }
    }
    let Some(authentication) = members.shift_remove("authentication") else { return seed };
    let methods = authentication.get("softwareOathMethods").and_then(Value::as_array);
    for (index, method) in methods.into_iter().flatten().enumerate() {
        let secret = method.get("secretKey").and_then(Value::as_str).and_then(totp::from_base32);
        match secret {
            Some(secret) if secret.len() >= SHORTEST_TOTP_SECRET => seed.totp.push(SecretBox::new(Box::new(secret))),
            Some(_) | None => {
                let place = format!("{place}.authentication.softwareOathMethods[{index}].secretKey");
                let message = format!("not a secret of at least {SHORTEST_TOTP_SECRET} bytes in base32");
                problems.push(Problem::error(place, message));
            }
        }
    }
    seed
}

fn hash_client_secrets(application: &mut Application, place: &str, problems: &mut Vec<Problem>) {
    for (index, credential) in application.password_credentials.iter_mut().enumerate() {
        let place = format!("{place}.passwordCredentials[{index}]");
        if credential.secret_sha256.take().is_some() {
            let problem = Problem::error(format!("{place}.secretSha256"), "a hash cannot be applied");
            problems.push(problem.hint("give `secretText`, or leave both out to keep the secret that is stored"));
        }
        let Some(secret) = credential.secret_text.take() else { continue };
        if secret.len() < SHORTEST_CLIENT_SECRET {
            let message = format!("a client secret has at least {SHORTEST_CLIENT_SECRET} characters");
            problems.push(Problem::error(format!("{place}.secretText"), message).hint("let a machine make it: 256 random bits"));
        }
        credential.secret_sha256 = Some(runtime::hash::sha256_hex(secret.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use serde_json::json;

    const ID: &str = "11111111-1111-1111-1111-111111111111";

    #[test]
    fn secrets_are_taken_out_of_users_and_applications() {
        let (items, problems) = items(vec![
            json!({"id": ID, "appId": ID, "passwordCredentials": [{"keyId": ID, "secretText": "a client secret of more than 32 characters"}]}),
            json!({
                "id": ID, "userPrincipalName": "a@b",
                "passwordProfile": {"password": "correct horse"},
                "authentication": {"softwareOathMethods": [{"secretKey": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"}]},
            }),
        ]);
        assert_eq!(problems, []);
        let [user, application] = items.as_slice() else { panic!("{items:?}") };
        assert_eq!(user.seed.password.as_ref().unwrap().expose_secret(), "correct horse");
        assert_eq!(user.seed.totp[0].expose_secret().len(), 20);
        let text = format!("{:?} {:?} {}", user, application, user.object.to_value());
        assert!(!text.contains("horse") && !text.contains("JBSWY") && !text.contains("client secret of"), "{text}");
        let Object::Application(application) = &application.object else { panic!() };
        assert_eq!(application.password_credentials[0].secret_sha256.as_ref().unwrap().len(), 64);
    }

    #[test]
    fn every_problem_is_told_with_its_place() {
        let (_, problems) = items(vec![
            json!({"displayName": "what is this"}),
            json!({"id": "", "userPrincipalName": "a@b"}),
            json!({
                "id": ID, "userPrincipalName": "a@b", "passwordProfile": {"password": "short"},
                "authentication": {"softwareOathMethods": [{"secretKey": "1"}]},
            }),
            json!({"id": ID, "appId": ID, "passwordCredentials": [{"keyId": ID, "secretText": "s"}, {"keyId": ID, "secretSha256": "h"}]}),
            json!({"id": ID, "userPrincipalName": "a@b", "accountEnabled": "yes"}),
        ]);
        let places: Vec<&str> = problems.iter().map(|problem| problem.place.as_str()).collect();
        assert_eq!(
            places,
            [
                "$.objects[0]",
                "$.objects[1]",
                "$.objects[2].passwordProfile.password",
                "$.objects[2].authentication.softwareOathMethods[0].secretKey",
                "$.objects[3].passwordCredentials[0].secretText",
                "$.objects[3].passwordCredentials[1].secretSha256",
                "$.objects[4]",
            ]
        );
    }
}
