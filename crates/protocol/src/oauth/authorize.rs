//! The authorization request (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1). It is read in two steps, since only a redirect
//! address that was checked may hear of what is wrong with the rest: first the `Envelope`, then, once the caller has checked it,
//! the request.

use crate::aadsts::{Aadsts, Fault};
use crate::oauth::{ClientKind, CodeChallenge, Parameters, RequestedScopes, claims};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Where the answer goes, unchecked as yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    pub client_id: String,
    pub redirect_uri: String,
    pub state: Option<String>,
    pub response_mode: ResponseMode,
}

/// How the answer travels (OAuth 2.0 Multiple Response Type Encoding Practices §2.1; Form Post Response Mode §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    #[default]
    Query,
    Fragment,
    FormPost,
}

/// A request for an authorization code: the only response type there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizeRequest {
    pub envelope: Envelope,
    pub client_kind: ClientKind,
    pub scopes: RequestedScopes,
    pub nonce: Option<String>,
    pub code_challenge: Option<CodeChallenge>,
    pub prompts: BTreeSet<Prompt>,
    pub login_hint: Option<String>,
    /// Seconds since the last interactive sign-in that are tolerated.
    pub max_age: Option<u64>,
    /// The `claims` parameter as it came.
    pub claims: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    None,
    Login,
    SelectAccount,
    /// Accepted; consent here is an administrator's (`requiredResourceAccess`), so there is nothing to ask the person.
    Consent,
}

impl Envelope {
    /// Fails only where the answer could not be sent anywhere.
    pub fn read(parameters: &Parameters) -> Result<Self, Fault> {
        let response_mode = match parameters.optional("response_mode") {
            None | Some("query") => ResponseMode::Query,
            Some("fragment") => ResponseMode::Fragment,
            Some("form_post") => ResponseMode::FormPost,
            Some(other) => return Err(Aadsts::UnsupportedResponseMode.fault(&[other])),
        };
        Ok(Self {
            client_id: parameters.required("client_id")?.to_owned(),
            redirect_uri: parameters.required("redirect_uri")?.to_owned(),
            state: parameters.optional("state").map(str::to_owned),
            response_mode,
        })
    }
}

impl AuthorizeRequest {
    /// From a form's bytes, for a client whose kind is known: what the two steps do together.
    pub fn parse(form: &[u8], kind: ClientKind) -> Result<Self, Fault> {
        let parameters = Parameters::parse(form)?;
        let envelope = Envelope::read(&parameters)?;
        Self::read(&parameters, envelope, kind)
    }

    /// `kind` comes of `redirect::registered_kind`: whoever has it has checked the envelope's redirect address.
    pub fn read(parameters: &Parameters, envelope: Envelope, kind: ClientKind) -> Result<Self, Fault> {
        if parameters.optional("request").is_some() || parameters.optional("request_uri").is_some() {
            return Err(Aadsts::RequestObject.into());
        }
        match parameters.required("response_type")? {
            "code" => {}
            other => return Err(Aadsts::UnsupportedResponseType.fault(&[other])),
        }
        let code_challenge = CodeChallenge::of_request(parameters)?;
        if kind == ClientKind::Public && code_challenge.is_none() {
            return Err(Aadsts::MissingParameter.fault(&["code_challenge"]));
        }
        let claims = parameters.optional("claims");
        claims.map(claims::parse).transpose()?;
        Ok(Self {
            scopes: RequestedScopes::parse(parameters.required("scope")?)?,
            nonce: short(parameters, "nonce")?,
            prompts: prompts(parameters.optional("prompt").unwrap_or_default())?,
            login_hint: short(parameters, "login_hint")?,
            max_age: max_age(parameters)?,
            claims: claims.map(str::to_owned),
            client_kind: kind,
            code_challenge,
            envelope,
        })
    }

    pub fn asks(&self, prompt: Prompt) -> bool {
        self.prompts.contains(&prompt)
    }

    /// Authentication contexts asked for by `claims`.
    pub fn authentication_contexts(&self) -> BTreeSet<String> {
        let claims = self.claims.as_deref().and_then(|text| claims::parse(text).ok());
        claims.map(|claims| claims::authentication_contexts(&claims)).unwrap_or_default()
    }
}

fn prompts(text: &str) -> Result<BTreeSet<Prompt>, Fault> {
    let prompts = text
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| match word {
            "none" => Ok(Prompt::None),
            "login" => Ok(Prompt::Login),
            "select_account" => Ok(Prompt::SelectAccount),
            "consent" => Ok(Prompt::Consent),
            _ => Err(Aadsts::MalformedRequest.fault(&["'prompt' has a value that is not supported"])),
        })
        .collect::<Result<BTreeSet<_>, Fault>>()?;
    if prompts.contains(&Prompt::None) && prompts.len() > 1 {
        return Err(Aadsts::MalformedRequest.fault(&["'prompt=none' cannot be combined with another value"]));
    }
    Ok(prompts)
}

fn max_age(parameters: &Parameters) -> Result<Option<u64>, Fault> {
    let malformed = |_| Aadsts::MalformedRequest.fault(&["'max_age' is not a number of seconds"]);
    parameters.optional("max_age").map(|text| text.parse().map_err(malformed)).transpose()
}

fn short(parameters: &Parameters, name: &str) -> Result<Option<String>, Fault> {
    match parameters.optional(name) {
        Some(value) if value.len() > 1024 => Err(Aadsts::MalformedRequest.fault(&[&format!("'{name}' is too long")])),
        value => Ok(value.map(str::to_owned)),
    }
}

/// The address that carries `answer` to the client; `None` for a form post, which is a page.
pub fn answer_address(envelope: &Envelope, answer: &[(&str, &str)]) -> Option<String> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(answer);
    let text = form.finish();
    let address = &envelope.redirect_uri;
    match envelope.response_mode {
        ResponseMode::Query if address.contains('?') => Some(format!("{address}&{text}")),
        ResponseMode::Query => Some(format!("{address}?{text}")),
        ResponseMode::Fragment => Some(format!("{address}#{text}")),
        ResponseMode::FormPost => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHALLENGE: &str = "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

    fn read(form: &str, kind: ClientKind) -> Result<AuthorizeRequest, Fault> {
        AuthorizeRequest::parse(form.as_bytes(), kind)
    }

    fn plain(extra: &str) -> String {
        format!("client_id=c&redirect_uri=https://app.example/&response_type=code&scope=openid&{extra}")
    }

    #[test]
    fn a_public_client_needs_s256() {
        assert_eq!(read(&plain(""), ClientKind::Public).unwrap_err().number(), 900_144);
        assert!(read(&plain(CHALLENGE), ClientKind::Public).is_ok());
        assert!(read(&plain(""), ClientKind::Confidential).is_ok());
        let downgraded = plain("code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=plain");
        assert_eq!(read(&downgraded, ClientKind::Confidential).unwrap_err().number(), 90_023);
    }

    #[test]
    fn a_table_of_refusals() {
        for (extra, number) in [
            ("prompt=none%20login", 90_023),
            ("prompt=admin", 90_023),
            ("max_age=soon", 90_023),
            ("max_age=-1", 90_023),
            ("claims=%5B%5D", 90_023),
            ("request=eyJ", 90_023),
            ("request_uri=https://a.example", 90_023),
            ("response_mode=web_message", 70_007),
            ("scope=openid", 9_000_411),
        ] {
            assert_eq!(read(&plain(extra), ClientKind::Confidential).unwrap_err().number(), number, "{extra}");
        }
        let token = "client_id=c&redirect_uri=https://app.example/&response_type=token&scope=openid";
        assert_eq!(read(token, ClientKind::Confidential).unwrap_err().number(), 70_005);
    }

    #[test]
    fn everything_asked_is_kept() {
        let claims = "claims=%7B%22access_token%22%3A%7B%22acrs%22%3A%7B%22value%22%3A%22c7%22%7D%7D%7D";
        let request = read(
            &plain(&format!("state=s&nonce=n&prompt=select_account%20consent&login_hint=a@b.example&max_age=60&response_mode=form_post&{claims}")),
            ClientKind::Confidential,
        )
        .unwrap();
        assert_eq!(request.envelope.state.as_deref(), Some("s"));
        assert_eq!(request.envelope.response_mode, ResponseMode::FormPost);
        assert_eq!(request.nonce.as_deref(), Some("n"));
        assert_eq!(request.max_age, Some(60));
        assert!(request.asks(Prompt::SelectAccount) && !request.asks(Prompt::None));
        assert!(request.authentication_contexts().contains("c7"));
    }

    #[test]
    fn an_answer_goes_where_the_mode_says() {
        let mut envelope = Envelope {
            client_id: "c".to_owned(),
            redirect_uri: "https://app.example/?tab=1".to_owned(),
            state: None,
            response_mode: ResponseMode::Query,
        };
        let answer = [("code", "a b"), ("state", "x&y")];
        assert_eq!(answer_address(&envelope, &answer).unwrap(), "https://app.example/?tab=1&code=a+b&state=x%26y");
        envelope.response_mode = ResponseMode::Fragment;
        assert_eq!(answer_address(&envelope, &answer).unwrap(), "https://app.example/?tab=1#code=a+b&state=x%26y");
        envelope.response_mode = ResponseMode::FormPost;
        assert_eq!(answer_address(&envelope, &answer), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = AuthorizeRequest::parse(&bytes, ClientKind::Public);
        }

        #[test]
        fn no_form_makes_it_panic(form in "([a-z_]{1,14}=[ -~]{0,20}&){0,8}") {
            let _ = read(&form, ClientKind::Public);
            let _ = read(&plain(&form), ClientKind::Confidential);
        }

        #[test]
        fn what_is_sealed_into_a_form_comes_back_the_same(state in "[!-~]{0,30}", nonce in "[a-z0-9]{1,30}", max_age: Option<u64>) {
            let state: String = form_urlencoded::byte_serialize(state.as_bytes()).collect();
            let max_age = max_age.map(|seconds| format!("&max_age={seconds}")).unwrap_or_default();
            let request = read(&plain(&format!("state={state}&nonce={nonce}{max_age}")), ClientKind::Confidential).unwrap();
            let text = serde_json::to_string(&request).unwrap();
            prop_assert_eq!(serde_json::from_str::<AuthorizeRequest>(&text).unwrap(), request);
        }
    }
}
