//! A tenant to sign in to, and a visitor who follows pages as `templates/README.md` says, without JavaScript.

use crate::admin_fixture::{BASE, GRAPH, Platform, SECRET, TENANT};
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode, header};
use runtime::listen::Peer;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use testkit::Authenticator;

pub(crate) const ALEX: &str = "00000000-0000-0000-0000-0000000000b1";
pub(crate) const ADA: &str = "00000000-0000-0000-0000-0000000000a1";
pub(crate) const PAT: &str = "00000000-0000-0000-0000-0000000000b3";
pub(crate) const ALEX_NAME: &str = "alex@woodgrove.example";
pub(crate) const ADA_NAME: &str = "ada@woodgrove.example";
pub(crate) const PAT_NAME: &str = "pat@woodgrove.example";
pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const TOTP: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
pub(crate) const WEB: &str = "0a000000-0000-0000-0000-000000000004";
pub(crate) const NATIVE: &str = "0a000000-0000-0000-0000-000000000005";
pub(crate) const PAYROLL: &str = "0a000000-0000-0000-0000-000000000006";
pub(crate) const DAEMON: &str = "0a000000-0000-0000-0000-000000000007";
pub(crate) const GATEWAY: &str = "0a000000-0000-0000-0000-000000000008";
pub(crate) const CALLBACK: &str = "https://client.localhost/callback";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(crate) async fn platform(policies: &[Value]) -> Platform {
    let platform = Platform::empty().await;
    let report = platform.apply(objects(policies)).await;
    assert!(!report.is_refused(), "{report:?}");
    platform
}

pub(crate) fn policy(id: &str, name: &str, grant: Value) -> Value {
    json!({
        "id": format!("00000000-0000-0000-0000-0000000000{id}"), "displayName": name, "state": "enabled",
        "conditions": {
            "users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["all"],
        },
        "grantControls": grant,
    })
}

pub(crate) fn require_mfa() -> Value {
    policy("e1", "CA001: MFA for all apps", json!({"operator": "OR", "builtInControls": ["mfa"]}))
}

pub(crate) fn phishing_resistant_for(application: &str) -> Value {
    let strength = json!({"id": "00000000-0000-0000-0000-000000000004"});
    let mut policy = policy(
        "e3",
        "CA003: phishing-resistant",
        json!({"operator": "OR", "builtInControls": [], "authenticationStrength": strength}),
    );
    policy["conditions"]["applications"]["includeApplications"] = json!([application]);
    policy
}

pub(crate) fn mfa_to_register() -> Value {
    let mut policy = policy("e6", "CA006: MFA to register", json!({"operator": "OR", "builtInControls": ["mfa"]}));
    policy["conditions"]["applications"] = json!({"includeUserActions": ["urn:user:registersecurityinfo"]});
    policy
}

pub(crate) fn objects(policies: &[Value]) -> Vec<Value> {
    let graph: Value =
        serde_json::from_str(include_str!("../../../../examples/tenant/applications/2eb73728-2fea-475e-b536-5e1458294a90.json"))
            .unwrap();
    let access = |list: &Value, kind: &str| -> Vec<Value> {
        list.as_array().unwrap().iter().map(|entry| json!({"id": entry["id"], "type": kind})).collect()
    };
    let scopes = json!([{"resourceAppId": GRAPH, "resourceAccess": access(&graph["api"]["oauth2PermissionScopes"], "Scope")}]);
    let roles = json!([{"resourceAppId": GRAPH, "resourceAccess": access(&graph["appRoles"], "Role")}]);
    let secret = json!([{"keyId": "0d000000-0000-0000-0000-000000000001", "secretText": SECRET}]);
    let user = |id: &str, name: &str| {
        json!({
            "id": id, "userPrincipalName": format!("{name}@woodgrove.example"), "displayName": format!("{name} <b>"),
            "accountEnabled": true, "userType": "Member", "passwordProfile": {"password": PASSWORD},
        })
    };
    let with_totp = |mut user: Value| {
        user["authentication"] = json!({"softwareOathMethods": [{"secretKey": TOTP}]});
        user
    };
    let mut objects = vec![
        json!({"id": TENANT, "displayName": "Woodgrove", "verifiedDomains": [{"name": "woodgrove.example", "isDefault": true}]}),
        with_totp(user(ALEX, "alex")),
        with_totp(user(ADA, "ada")),
        user(PAT, "pat"),
        json!({"id": "00000000-0000-0000-0000-0000000000d1", "principalId": ADA,
            "roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10", "directoryScopeId": "/"}),
        graph,
        json!({"id": "0b000000-0000-0000-0000-000000000004", "appId": WEB, "displayName": "Web Client",
            "web": {"redirectUris": [CALLBACK]}, "passwordCredentials": secret, "requiredResourceAccess": scopes}),
        json!({"id": "0b000000-0000-0000-0000-000000000005", "appId": NATIVE, "displayName": "Native Client",
            "publicClient": {"redirectUris": ["http://localhost"]}, "requiredResourceAccess": scopes}),
        json!({"id": "0b000000-0000-0000-0000-000000000006", "appId": PAYROLL, "displayName": "Payroll",
            "onPremisesPublishing": {"externalUrl": "https://payroll.localhost:8444/", "internalUrl": "http://127.0.0.1:9000/"}}),
        json!({"id": "0b000000-0000-0000-0000-000000000007", "appId": DAEMON, "displayName": "Daemon",
            "passwordCredentials": secret, "requiredResourceAccess": roles}),
        json!({"id": "0b000000-0000-0000-0000-000000000008", "appId": GATEWAY, "displayName": "Gateway",
            "web": {"redirectUris": ["https://payroll.localhost:8444/.auth/callback"]}, "passwordCredentials": secret}),
    ];
    objects.extend(policies.iter().cloned());
    objects
}

/// A person's browser: cookies, and the address that it comes from.
pub(crate) struct Visitor<'a> {
    platform: &'a Platform,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) address: SocketAddr,
    pub(crate) user_agent: &'static str,
}

#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) fields: BTreeMap<String, String>,
}

impl Page {
    pub(crate) fn kind(&self) -> &str {
        between(&self.body, "data-page=\"", "\"").unwrap_or_default()
    }

    pub(crate) fn location(&self) -> &str {
        self.headers
            .get(header::LOCATION)
            .unwrap_or_else(|| panic!("no redirect: {} {}", self.status, self.body))
            .to_str()
            .unwrap()
    }

    /// A parameter of the redirect's query.
    pub(crate) fn answer(&self, name: &str) -> Option<String> {
        let address = url::Url::parse(self.location()).unwrap();
        address.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    pub(crate) fn element(&self, id: &str) -> Option<String> {
        let rest = self.body.split_once(&format!("id=\"{id}\""))?.1.split_once('>')?.1;
        Some(unescape(rest.split_once('<').map_or(rest, |(text, _)| text)))
    }

    pub(crate) fn policies(&self) -> Vec<&str> {
        self.body.split("data-policy=\"").skip(1).filter_map(|rest| rest.split_once('"').map(|(id, _)| id)).collect()
    }

    #[track_caller]
    pub(crate) fn form(&self, suffix: &str) -> Form {
        self.forms()
            .into_iter()
            .find(|form| form.action.ends_with(suffix))
            .unwrap_or_else(|| panic!("no {suffix} in {}", self.body))
    }

    /// The form that offers `method`.
    #[track_caller]
    pub(crate) fn choice(&self, method: &str) -> Form {
        let offers = |form: &Form| form.fields.get("method").or(form.fields.get("action")).is_some_and(|value| value == method);
        self.forms().into_iter().find(offers).unwrap_or_else(|| panic!("{method} is not offered: {}", self.body))
    }

    pub(crate) fn offers(&self, method: &str) -> bool {
        self.forms().iter().any(|form| form.fields.get("method").is_some_and(|value| value == method))
    }

    fn forms(&self) -> Vec<Form> {
        let forms = self.body.split("<form").skip(1).map(|rest| rest.split("</form>").next().unwrap());
        forms
            .map(|form| Form {
                action: unescape(between(form, "action=\"", "\"").unwrap_or_default()),
                fields: form
                    .split("<input")
                    .skip(1)
                    .filter_map(|input| {
                        let input = input.split('>').next()?;
                        let name = between(input, " name=\"", "\"")?;
                        Some((name.to_owned(), unescape(between(input, " value=\"", "\"").unwrap_or_default())))
                    })
                    .collect(),
            })
            .collect()
    }
}

impl Form {
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.insert(name.to_owned(), value.to_owned());
        self
    }
}

impl<'a> Visitor<'a> {
    pub(crate) fn new(platform: &'a Platform) -> Self {
        Self {
            platform,
            cookies: BTreeMap::new(),
            address: "203.0.113.7:50000".parse().unwrap(),
            user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        }
    }

    pub(crate) async fn send(&mut self, method: Method, path: &str, form: Option<&BTreeMap<String, String>>) -> Page {
        let mut request = Request::builder().method(method).uri(path).header(header::USER_AGENT, self.user_agent);
        if !self.cookies.is_empty() {
            let line = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
            request = request.header(header::COOKIE, line);
        }
        let body = form.map_or_else(Body::empty, |form| {
            Body::from(form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish())
        });
        let mut request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body).unwrap();
        request.extensions_mut().insert(Peer { address: self.address });
        let answer = self.platform.raw(request).await;
        for set in answer.headers.get_all(header::SET_COOKIE) {
            let (pair, attributes) = set.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Page { status: answer.status, body: answer.text(), headers: answer.headers }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        self.send(Method::GET, path.strip_prefix(BASE).unwrap_or(path), None).await
    }

    pub(crate) async fn submit(&mut self, form: Form) -> Page {
        self.send(Method::POST, &form.action, Some(&form.fields)).await
    }

    pub(crate) async fn authorize(&mut self, client: &str, extra: &str) -> Page {
        let redirect = match client {
            NATIVE => "http://localhost:51234".to_owned(),
            GATEWAY => "https://payroll.localhost:8444/.auth/callback".to_owned(),
            _ => CALLBACK.to_owned(),
        };
        let scope = match client {
            GATEWAY => format!("openid profile {PAYROLL}/.default"),
            _ => "openid profile email offline_access User.Read".to_owned(),
        };
        let scope: String = form_urlencoded::byte_serialize(scope.as_bytes()).collect();
        self.get(&format!(
            "/{TENANT}/oauth2/v2.0/authorize?client_id={client}&response_type=code&redirect_uri={redirect}&scope={scope}\
             &state=the%20state&nonce=the-nonce&code_challenge={CHALLENGE}&code_challenge_method=S256&{extra}"
        ))
        .await
    }

    /// Account and password, from the account page on.
    pub(crate) async fn password(&mut self, page: Page, name: &str, password: &str) -> Page {
        let page = self.submit(page.form("/signin/account").with("username", name)).await;
        assert_eq!(page.kind(), "password", "{}", page.body);
        self.submit(page.form("/signin/password").with("password", password)).await
    }

    pub(crate) async fn sign_in(&mut self, client: &str, name: &str) -> Page {
        let page = self.authorize(client, "").await;
        assert_eq!(page.kind(), "account", "{}", page.body);
        self.password(page, name, PASSWORD).await
    }

    /// The code of this moment.
    pub(crate) fn code(&self) -> String {
        testkit::totp::code(TOTP, self.platform.clock.now()).unwrap()
    }

    pub(crate) async fn totp(&mut self, page: &Page) -> Page {
        let code = self.code();
        self.submit(page.form("/signin/totp").with("otp", &code)).await
    }

    /// Answers the page's passkey challenge with the first form that takes one.
    pub(crate) async fn passkey(&mut self, page: &Page, authenticator: &mut Authenticator) -> Page {
        let answer = authenticator.get(&BASE.parse().unwrap(), &options(page)).unwrap();
        self.submit(page.form("/signin/passkey").with("credential", &answer.to_string())).await
    }

    pub(crate) async fn register_passkey(&mut self, page: &Page, authenticator: &mut Authenticator) -> Page {
        assert_eq!(page.kind(), "register-passkey", "{}", page.body);
        let answer = authenticator.create(&BASE.parse().unwrap(), &options(page)).unwrap();
        self.submit(page.form("/signin/register-passkey").with("credential", &answer.to_string())).await
    }
}

pub(crate) fn options(page: &Page) -> Value {
    let text = page.body.split_once("id=\"passkey-options\">").unwrap().1.split_once("</script>").unwrap().0;
    serde_json::from_str(text).unwrap()
}

/// What the token endpoint answers: status and body.
pub(crate) async fn token(platform: &Platform, form: &[(&str, &str)]) -> (u16, Value) {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let mut request = Request::post(format!("/{TENANT}/oauth2/v2.0/token")).body(Body::from(body)).unwrap();
    request.extensions_mut().insert(Peer { address: "203.0.113.9:40000".parse().unwrap() });
    let answer = platform.raw(request).await;
    (answer.status.as_u16(), answer.json())
}

pub(crate) async fn redeem_web(platform: &Platform, code: &str) -> (u16, Value) {
    token(
        platform,
        &[
            ("grant_type", "authorization_code"),
            ("client_id", WEB),
            ("client_secret", SECRET),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ],
    )
    .await
}

pub(crate) async fn refresh_web(platform: &Platform, refresh_token: &str) -> (u16, Value) {
    token(
        platform,
        &[("grant_type", "refresh_token"), ("client_id", WEB), ("client_secret", SECRET), ("refresh_token", refresh_token)],
    )
    .await
}

/// Claims of a token, whose signature somebody else checks.
pub(crate) fn claims(token: &str) -> Value {
    use base64::Engine;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// Newest first.
pub(crate) async fn sign_ins(platform: &Platform) -> Vec<model::sign_in::SignIn> {
    let query = store::sign_in::SignInQuery { limit: 1000, ..Default::default() };
    let rows = store::sign_in::list(&platform.state.store, &query).await.unwrap();
    rows.into_iter().map(|row| row.sign_in).collect()
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> Option<&'t str> {
    text.split_once(start)?.1.split_once(end).map(|(found, _)| found)
}

fn unescape(text: &str) -> String {
    text.replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}
