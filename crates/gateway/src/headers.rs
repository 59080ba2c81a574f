//! What a header may carry across the gateway. Towards the application: nothing that a client could use to pose as
//! somebody, to pose as the proxy, or to steer the connection. Towards the client: nothing that touches our cookies.

use crate::cookies;
use http::HeaderMap;
use http::header::{
    ALT_SVC, CONNECTION, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use std::net::IpAddr;

/// Who is calling, signed by this gateway, for the application alone.
pub(crate) const ASSERTION: HeaderName = HeaderName::from_static("countersign-assertion");

/// RFC 9110 §7.6.1, and the older ones that it names in passing.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Headers by which some application, framework or proxy learns who the user is, where a request came from, or which
/// path and method it really has. A client that sends one is lying or lost; either way the application never sees it.
const FORGEABLE: [&str; 56] = [
    "authorization",
    "client-cert",
    "client-cert-chain",
    "client-ip",
    "cluster-client-ip",
    "expect",
    "fastly-client-ip",
    "forwarded",
    "from",
    "iv-creds",
    "iv-groups",
    "iv-user",
    "max-forwards",
    "proxy",
    "sm-user",
    "true-client-ip",
    "user",
    "username",
    "x-account-id",
    "x-arr-clientcert",
    "x-cluster-client-ip",
    "x-custom-ip-authorization",
    "x-email",
    "x-endpoint-api-userinfo",
    "x-forwarded",
    "x-groups",
    "x-groups-claim",
    "x-host",
    "x-http-method",
    "x-http-method-override",
    "x-http-path-override",
    "x-id-token",
    "x-identity",
    "x-impersonate-user",
    "x-login",
    "x-method-override",
    "x-org-role",
    "x-originating-ip",
    "x-override-url",
    "x-path-override",
    "x-permissions",
    "x-principal",
    "x-proxy-user",
    "x-real-ip",
    "x-replaced-path",
    "x-rewrite-url",
    "x-role",
    "x-roles",
    "x-scopes",
    "x-sub",
    "x-subject",
    "x-tenant-id",
    "x-url",
    "x-user",
    "x-userid",
    "x-username",
];

const FORGEABLE_PREFIXES: [&str; 53] = [
    "cf-access-",
    "cf-connecting-",
    "countersign-",
    "gap-",
    "impersonate-",
    "oidc-",
    "remote-",
    "shib-",
    "ssl-client-",
    "tailscale-",
    "teleport-",
    "x-accel-",
    "x-access-token",
    "x-amzn-oidc-",
    "x-anonymous-",
    "x-appengine-",
    "x-auth-email",
    "x-auth-group",
    "x-auth-name",
    "x-auth-principal",
    "x-auth-request-",
    "x-auth-role",
    "x-auth-subject",
    "x-auth-user",
    "x-authelia-",
    "x-authenticated-",
    "x-authentik-",
    "x-azure-",
    "x-client-",
    "x-consumer-",
    "x-countersign-",
    "x-credential-",
    "x-envoy-",
    "x-forwarded-",
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-identity-",
    "x-iisnode-",
    "x-jwt",
    "x-ms-client-principal",
    "x-ms-token-",
    "x-oidc-",
    "x-original-",
    "x-pomerium-",
    "x-remote-",
    "x-saml-",
    "x-ssl-",
    "x-sso-",
    "x-token-",
    "x-user-",
    "x-vouch-",
    "x-waws-",
    "x-webauth-",
];

/// Where a request came from, as the gateway saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) address: IpAddr,
    /// Host and port that the client asked for.
    pub(crate) authority: &'a str,
}

/// Rewrites a client's headers into what the application gets. `host`: the `Host` that it is to see.
pub(crate) fn for_application(headers: &mut HeaderMap, origin: Origin<'_>, host: &HeaderValue, assertion: &HeaderValue) {
    remove_hop_by_hop(headers);
    let forgeable: Vec<HeaderName> = headers.keys().filter(|name| is_forgeable(name.as_str())).cloned().collect();
    for name in forgeable {
        headers.remove(name);
    }
    cookies::remove_ours(headers);
    headers.insert(HOST, host.clone());
    headers.insert(ASSERTION, assertion.clone());
    // RFC 9110 §7.6.3.
    headers.append(VIA, HeaderValue::from_static("1.1 countersign"));
    headers.insert(HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_static("https"));
    for (name, value) in
        [("x-forwarded-for", origin.address.to_canonical().to_string()), ("x-forwarded-host", origin.authority.to_owned())]
    {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// Rewrites an application's headers into what the client gets.
pub(crate) fn for_client(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    headers.remove(ASSERTION);
    // It would lead clients past the gateway.
    headers.remove(ALT_SVC);
    if headers.contains_key(SET_COOKIE) {
        let kept: Vec<HeaderValue> =
            headers.get_all(SET_COOKIE).iter().filter(|value| !cookies::sets_ours(value)).cloned().collect();
        headers.remove(SET_COOKIE);
        for value in kept {
            headers.append(SET_COOKIE, value);
        }
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.into_iter().chain(named) {
        headers.remove(name);
    }
}

fn is_forgeable(name: &str) -> bool {
    // gRPC-Web's name for the client library, not for a person.
    if name == "x-user-agent" {
        return false;
    }
    FORGEABLE.binary_search(&name).is_ok() || FORGEABLE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(lines: &[(&str, &str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let origin = Origin { address: "::ffff:192.0.2.7".parse().unwrap(), authority: "app.localhost:8444" };
        for_application(&mut headers, origin, &HeaderValue::from_static("inner:9000"), &HeaderValue::from_static("SIGNED"));
        let mut lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    const ADDED: [&str; 6] = [
        "countersign-assertion: SIGNED",
        "host: inner:9000",
        "via: 1.1 countersign",
        "x-forwarded-for: 192.0.2.7",
        "x-forwarded-host: app.localhost:8444",
        "x-forwarded-proto: https",
    ];

    #[test]
    fn whatever_names_an_identity_is_replaced_by_ours() {
        let names = [
            "Countersign-Assertion",
            "Countersign-User",
            "X-Forwarded-For",
            "X-Forwarded-User",
            "X-Forwarded-Proto",
            "Forwarded",
            "X-Remote-User",
            "Remote-User",
            "Remote-Groups",
            "X-MS-CLIENT-PRINCIPAL",
            "X-MS-CLIENT-PRINCIPAL-NAME",
            "X-MS-TOKEN-AAD-ID-TOKEN",
            "X-Auth-Request-Email",
            "X-Auth-User",
            "X-Real-IP",
            "Authorization",
            "X-User",
            "X-User-Id",
            "X-WebAuth-User",
            "Cf-Access-Jwt-Assertion",
            "X-Goog-Iap-Jwt-Assertion",
            "X-Amzn-Oidc-Data",
            "SSL-Client-S-Dn",
            "X-SSL-Client-Cert",
            "Client-Cert",
            "X-Original-URL",
            "X-Rewrite-URL",
            "X-HTTP-Method-Override",
            "Proxy",
            "Host",
            "Tailscale-User-Login",
            "X-Consumer-Username",
            "X-Credential-Identifier",
            "X-Authentik-Username",
            "True-Client-IP",
        ];
        for name in names {
            assert_eq!(rewritten(&[(name, "mallory")]), ADDED, "{name}");
        }
    }

    #[test]
    fn hop_by_hop_headers_and_those_that_connection_names_stay_behind() {
        let lines = [
            ("connection", "keep-alive, x-hop"),
            ("connection", "x-other"),
            ("x-hop", "1"),
            ("x-other", "1"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("keep-alive", "5"),
            ("proxy-authorization", "x"),
            ("upgrade", "h2c"),
            ("transfer-encoding", "chunked"),
            ("expect", "100-continue"),
        ];
        assert_eq!(rewritten(&lines), ADDED);
        assert_eq!(rewritten(&[("connection", "countersign-assertion, x-forwarded-for, host")]), ADDED);
    }

    #[test]
    fn everything_else_passes() {
        let mut expected: Vec<_> = ADDED.iter().copied().chain(["x-auth-token: t", "x-request-id: 7"]).collect();
        expected.sort_unstable();
        assert_eq!(rewritten(&[("X-Request-Id", "7"), ("X-Auth-Token", "t")]), expected);
    }

    #[test]
    fn an_application_can_not_set_our_cookies() {
        let mut headers = HeaderMap::new();
        for value in ["a=1; Path=/", "__Host-access=forged; Path=/; Secure", " __host-SIGNIN-abc=x", "b=2"] {
            headers.append(SET_COOKIE, HeaderValue::from_static(value));
        }
        for_client(&mut headers);
        let kept: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(kept, ["a=1; Path=/", "b=2"]);
    }

    #[test]
    fn the_list_is_sorted_for_binary_search() {
        assert!(FORGEABLE.is_sorted());
    }
}
