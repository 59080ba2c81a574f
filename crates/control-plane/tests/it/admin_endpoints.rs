//! Invariant 7: every endpoint of the API description is tried without a token, with tokens that are not good, and with
//! good ones that allow too little. What needs no token is in a committed file, with the reason, and nothing else is.

use crate::admin_fixture::{ADA, ALEX, BASE, CLIENT, EVERY_PERMISSION, EVERY_SCOPE, LEE, Platform, TENANT};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use control_plane::api::{self, Access, Permission, Route};
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const NOBODY: &str = "00000000-0000-0000-0000-00000000dead";
const EXEMPT: &str = include_str!("../../../../docs/reference/unauthenticated-endpoints.txt");

fn guarded() -> Vec<(Route, Permission)> {
    let permission = |route: Route| match route.access {
        Access::Public => None,
        Access::Graph(permission) => Some((route, permission)),
    };
    api::routes().into_iter().filter_map(permission).collect()
}

fn address(path: &str) -> String {
    path.replace("{tenant}", TENANT).replace("{id}", NOBODY).replace("{method}", NOBODY)
}

#[test]
fn what_needs_no_token_is_in_the_file_with_its_reason() {
    let public: BTreeSet<String> = api::routes()
        .into_iter()
        .filter(|route| matches!(route.access, Access::Public))
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let mut listed = BTreeSet::new();
    for line in EXEMPT.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (endpoint, reason) = line.split_once("  ").unwrap_or_else(|| panic!("no reason: `{line}`"));
        assert!(reason.trim().len() > 10, "no reason: `{line}`");
        assert!(listed.insert(endpoint.to_owned()), "twice: `{line}`");
    }
    assert_eq!(public.difference(&listed).collect::<Vec<_>>(), Vec::<&String>::new(), "public, but not in the file");
    assert_eq!(listed.difference(&public).collect::<Vec<_>>(), Vec::<&String>::new(), "in the file, but not public");
}

#[test]
fn no_endpoint_is_described_twice_or_lets_anybody_in() {
    let mut seen = BTreeSet::new();
    for route in api::routes() {
        assert!(seen.insert((route.method.to_string(), route.path)), "{} {} stands twice", route.method, route.path);
    }
    for (route, permission) in guarded() {
        let someone = !permission.scopes.is_empty() || !permission.application.is_empty();
        assert!(someone, "nobody may call {} {}", route.method, route.path);
        // With a scope alone, without a role, people reach nothing but themselves.
        let is_own = permission.scopes.is_empty() || !permission.roles.is_empty() || route.path.ends_with("/me");
        assert!(is_own, "{} {} asks for no role", route.method, route.path);
    }
}

/// Each token that must not be accepted anywhere, by what is wrong with it.
async fn bad_tokens(platform: &Platform) -> Vec<(&'static str, String)> {
    let now = platform.clock.now().seconds();
    let all = || json!({"idtyp": "app", "azp": CLIENT, "oid": CLIENT, "roles": EVERY_PERMISSION});
    let with = |over: Value| {
        let mut claims = all();
        for (name, value) in over.as_object().unwrap() {
            claims[name] = value.clone();
        }
        platform.claims(claims)
    };
    let good = platform.sign(&with(json!({})));
    let parts: Vec<&str> = good.split('.').collect();
    let header = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let kid: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[0]).unwrap()).unwrap();
    let stranger = Platform::start().await;
    let revoked = platform.user_token(LEE, EVERY_SCOPE).await;
    let session = json!({"oid": ADA, "scp": EVERY_SCOPE});
    let of_nobody = platform.claims(json!({"oid": NOBODY, "sid": platform.session(ADA).await, "scp": EVERY_SCOPE}));
    let of_somebody_else = platform.claims(json!({"oid": ADA, "sid": platform.session(ALEX).await, "scp": EVERY_SCOPE}));
    let revoke = platform.application_token(&["User.ReadWrite.All"]);
    platform.post(&format!("/v1.0/users/{LEE}/revokeSignInSessions"), &revoke, json!({})).await.expect(200);
    vec![
        ("not a token", "anything".to_owned()),
        ("expired", platform.sign(&with(json!({"exp": now})))),
        ("not valid yet", platform.sign(&with(json!({"nbf": now + 1})))),
        ("of another tenant", platform.sign(&with(json!({"iss": format!("{BASE}/{NOBODY}/v2.0"), "tid": NOBODY})))),
        ("of another issuer", platform.sign(&with(json!({"iss": "https://login.example/"})))),
        ("for another audience", platform.sign(&with(json!({"aud": CLIENT})))),
        ("unsigned", format!("{}.{}.", header(json!({"alg": "none", "typ": "JWT"})), parts[1])),
        ("unsigned, with a key id", format!("{}.{}.", header(json!({"alg": "none", "typ": "JWT", "kid": kid["kid"]})), parts[1])),
        ("with its signature cut off", format!("{}.{}.", parts[0], parts[1])),
        ("signed with another key", stranger.sign(&with(json!({})))),
        ("an event, not a token", platform.state.keys.sign(&with(json!({})), "secevent+jwt").unwrap()),
        ("of a client that is not registered", platform.sign(&with(json!({"azp": NOBODY})))),
        ("of a session that does not exist", platform.sign(&platform.claims(session))),
        ("of a user who does not exist", platform.sign(&of_nobody)),
        ("of somebody else's session", platform.sign(&of_somebody_else)),
        ("of a session that was revoked", revoked),
    ]
}

#[tokio::test]
async fn without_a_good_token_nothing_is_answered() {
    let platform = Platform::start().await;
    let bad = bad_tokens(&platform).await;
    let mut tried = 0;
    for (route, _) in guarded() {
        let path = address(route.path);
        let mut methods = vec![route.method.clone()];
        if route.method == Method::GET {
            methods.push(Method::HEAD);
        }
        for method in methods {
            let cases = std::iter::once(("missing", None)).chain(bad.iter().map(|(what, token)| (*what, Some(token.as_str()))));
            for (what, token) in cases {
                let answer = platform.send(method.clone(), &path, token, None).await;
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} with a token {what}: {}", answer.text());
                assert!(answer.headers.contains_key(header::WWW_AUTHENTICATE), "{method} {path}");
                tried += 1;
            }
        }
    }
    assert!(tried > 1000, "{tried}");
}

#[tokio::test]
async fn a_token_that_allows_too_little_is_refused() {
    let platform = Platform::start().await;
    let no_role = platform.user_token(ALEX, EVERY_SCOPE).await;
    let no_scope = platform.user_token(ADA, "openid profile").await;
    let no_permission = platform.application_token(&[]);
    for (route, permission) in guarded() {
        let path = address(route.path);
        let others = |names: &[&'static str], all: &[&'static str]| -> Vec<&'static str> {
            all.iter().copied().filter(|name| !names.contains(name)).collect()
        };
        let scopes: Vec<&str> = EVERY_SCOPE.split(' ').collect();
        let other_scopes = platform.user_token(ADA, &others(permission.scopes, &scopes).join(" ")).await;
        let other_permissions = platform.application_token(&others(permission.application, &EVERY_PERMISSION));
        let mut cases = vec![
            ("no scope", &no_scope),
            ("other scopes only", &other_scopes),
            ("no permission", &no_permission),
            ("other permissions only", &other_permissions),
        ];
        if !permission.roles.is_empty() || permission.scopes.is_empty() {
            cases.push(("no role", &no_role));
        }
        for (what, token) in cases {
            let answer = platform.send(route.method.clone(), &path, Some(token), None).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{} {path} with {what}: {}", route.method, answer.text());
            assert_eq!(answer.json()["error"]["code"], "Authorization_RequestDenied");
        }
    }
}

/// So that the tests above refuse for the reason that they think.
#[tokio::test]
async fn a_token_that_allows_it_gets_further() {
    let platform = Platform::start().await;
    let administrator = platform.user_token(ADA, EVERY_SCOPE).await;
    for (route, permission) in guarded() {
        let path = address(route.path);
        let mut tokens: Vec<String> = permission.application.iter().map(|name| platform.application_token(&[*name])).collect();
        if !permission.scopes.is_empty() {
            tokens.push(administrator.clone());
        }
        for token in tokens {
            let answer = platform.send(route.method.clone(), &path, Some(&token), None).await;
            let is_further =
                ![StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::METHOD_NOT_ALLOWED].contains(&answer.status);
            assert!(
                is_further && !answer.status.is_server_error(),
                "{} {path}: {} {}",
                route.method,
                answer.status,
                answer.text()
            );
        }
    }
}

#[tokio::test]
async fn what_is_not_described_does_not_exist() {
    let platform = Platform::start().await;
    let token = platform.application_token(&EVERY_PERMISSION);
    let described: BTreeSet<(String, &str)> = api::routes().iter().map(|route| (route.method.to_string(), route.path)).collect();
    let paths: BTreeSet<&str> = described.iter().map(|(_, path)| *path).collect();
    for path in paths {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS, Method::TRACE] {
            if described.contains(&(method.to_string(), path)) {
                continue;
            }
            let answer = platform.send(method.clone(), &address(path), Some(&token), None).await;
            // The guard stands before the choice of the method, so it may refuse first.
            let is_refused = [StatusCode::METHOD_NOT_ALLOWED, StatusCode::FORBIDDEN].contains(&answer.status);
            assert!(is_refused, "{method} {path}: {} {}", answer.status, answer.text());
        }
    }
    for path in ["/v1.0/", "/v1.0/servicePrincipals", "/v2.0/users", "/metrics", "/v1.0/users/../me"] {
        platform.get(path, &token).await.expect(404);
    }
}
