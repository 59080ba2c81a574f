//! The token request (RFC 6749 §4.1.3, §4.4.2, §6) and the client's authentication in it (§2.3.1).

use crate::aadsts::{Aadsts, Fault};
use crate::oauth::{Parameters, RequestedScopes, claims};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    pub client: ClientAuthentication,
    pub grant: TokenGrant,
    /// The `claims` parameter as it came.
    pub claims: Option<String>,
}

/// Who the client says it is, and what it shows for it; unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuthentication {
    pub client_id: String,
    pub secret: Option<Secret>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenGrant {
    AuthorizationCode { code: Secret, redirect_uri: String, code_verifier: Option<Secret> },
    RefreshToken { refresh_token: Secret, scopes: Option<RequestedScopes> },
    ClientCredentials { scopes: RequestedScopes, scope_text: String },
}

/// Text that must not be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

impl TokenRequest {
    /// From a form's bytes.
    pub fn parse(form: &[u8], authorization: Option<&str>) -> Result<Self, Fault> {
        Self::read(&Parameters::parse(form)?, authorization)
    }

    /// `authorization` is the request's `Authorization` header, if it has one.
    pub fn read(parameters: &Parameters, authorization: Option<&str>) -> Result<Self, Fault> {
        let claims = parameters.optional("claims");
        claims.map(claims::parse).transpose()?;
        Ok(Self {
            client: ClientAuthentication::read(parameters, authorization)?,
            grant: TokenGrant::read(parameters)?,
            claims: claims.map(str::to_owned),
        })
    }
}

impl ClientAuthentication {
    pub fn read(parameters: &Parameters, authorization: Option<&str>) -> Result<Self, Fault> {
        let in_body = parameters.optional("client_secret");
        let Some(authorization) = authorization else {
            let client_id = parameters.required("client_id")?.to_owned();
            return Ok(Self { client_id, secret: in_body.map(Secret::new) });
        };
        let (client_id, secret) = basic(authorization)
            .ok_or_else(|| Aadsts::MalformedRequest.fault(&["the Authorization header is not readable as Basic"]))?;
        // One way of authentication only (RFC 6749 §2.3).
        if in_body.is_some() {
            return Err(Aadsts::MalformedRequest.fault(&["the client authenticates in two ways"]));
        }
        if parameters.optional("client_id").is_some_and(|other| other != client_id) {
            return Err(Aadsts::MalformedRequest.fault(&["'client_id' differs from the Authorization header"]));
        }
        Ok(Self { client_id, secret: Some(Secret(secret)) })
    }
}

impl TokenGrant {
    fn read(parameters: &Parameters) -> Result<Self, Fault> {
        match parameters.required("grant_type")? {
            "authorization_code" => Ok(Self::AuthorizationCode {
                code: Secret::new(parameters.required("code")?),
                redirect_uri: parameters.required("redirect_uri")?.to_owned(),
                code_verifier: parameters.optional("code_verifier").map(Secret::new),
            }),
            "refresh_token" => Ok(Self::RefreshToken {
                refresh_token: Secret::new(parameters.required("refresh_token")?),
                scopes: parameters.optional("scope").map(RequestedScopes::parse).transpose()?,
            }),
            "client_credentials" => {
                let scope_text = parameters.required("scope")?;
                let scopes = RequestedScopes::parse(scope_text)?;
                Ok(Self::ClientCredentials { scopes, scope_text: scope_text.to_owned() })
            }
            other => Err(Aadsts::UnsupportedGrantType.fault(&[other])),
        }
    }
}

/// User name and password of a Basic header; both are form-encoded inside it (RFC 6749 §2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > 8192 {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((form_decoded(name)?, form_decoded(password)?))
}

fn form_decoded(text: &str) -> Option<String> {
    // Read as the value of a parameter, in which `&` cannot stand for itself.
    let form = format!("v={}", text.replace('&', "%26"));
    form_urlencoded::parse(form.as_bytes()).next().map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(form: &str, authorization: Option<&str>) -> Result<TokenRequest, Fault> {
        TokenRequest::parse(form.as_bytes(), authorization)
    }

    #[test]
    fn the_three_grants_are_read() {
        let code = read("client_id=c&grant_type=authorization_code&code=x&redirect_uri=https://a.example/&code_verifier=v", None)
            .unwrap();
        assert!(matches!(code.grant, TokenGrant::AuthorizationCode { code_verifier: Some(_), .. }));
        let refresh = read("client_id=c&grant_type=refresh_token&refresh_token=x&x-client-SKU=MSAL", None).unwrap();
        assert!(matches!(refresh.grant, TokenGrant::RefreshToken { scopes: None, .. }));
        let own = read("client_id=c&client_secret=s&grant_type=client_credentials&scope=api://a/.default", None).unwrap();
        assert!(matches!(own.grant, TokenGrant::ClientCredentials { .. }));
        assert_eq!(own.client.secret, Some(Secret::new("s")));
    }

    #[test]
    fn a_table_of_refusals() {
        for (form, number) in [
            ("grant_type=refresh_token&refresh_token=x", 900_144),
            ("client_id=c", 900_144),
            ("client_id=c&grant_type=password&username=a&password=b", 70_003),
            ("client_id=c&grant_type=authorization_code&code=x", 900_144),
            ("client_id=c&grant_type=client_credentials", 900_144),
            ("client_id=c&grant_type=refresh_token&refresh_token=x&refresh_token=y", 9_000_411),
        ] {
            assert_eq!(read(form, None).unwrap_err().number(), number, "{form}");
        }
    }

    #[test]
    fn basic_is_form_decoded_and_never_mixed() {
        let header = format!("Basic {}", STANDARD.encode("my%20client:s%2Be%3Ac+r"));
        let request = read("grant_type=client_credentials&scope=a/.default", Some(&header)).unwrap();
        assert_eq!(request.client.client_id, "my client");
        assert_eq!(request.client.secret, Some(Secret::new("s+e:c r")));
        assert!(read("grant_type=client_credentials&scope=a/.default&client_secret=s", Some(&header)).is_err());
        assert!(read("grant_type=client_credentials&scope=a/.default&client_id=other", Some(&header)).is_err());
        assert!(read("grant_type=client_credentials&scope=a/.default", Some("Bearer x")).is_err());
    }

    #[test]
    fn a_secret_is_not_printed() {
        let request = read("client_id=c&client_secret=hush&grant_type=refresh_token&refresh_token=hush", None).unwrap();
        assert!(!format!("{request:?}").contains("hush"));
    }

    proptest! {
        #[test]
        fn basic_undoes_what_a_client_does(name in "[!-~]{1,20}", secret in "[ -~]{1,40}") {
            let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let header = format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(&name), encode(&secret))));
            prop_assert_eq!(basic(&header), Some((name, secret)));
        }

        #[test]
        fn no_header_makes_it_panic(header in "\\PC{0,60}", bytes: Vec<u8>) {
            let _ = TokenRequest::parse(&bytes, Some(&header));
            let _ = basic(&header);
            let _ = basic(&format!("Basic {}", STANDARD.encode(bytes)));
        }
    }
}
