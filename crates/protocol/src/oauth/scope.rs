//! The `scope` parameter as Entra reads it: OpenID Connect's own scopes, and those of one resource, `RESOURCE/NAME`. A name
//! without a resource is Graph's. `RESOURCE/.default` asks for everything that was consented to.

use crate::aadsts::{Aadsts, Fault};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Graph's app id, and the prefix that Entra's clients write for it.
pub const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
const GRAPH_ALIASES: [&str; 2] = ["https://graph.microsoft.com", "graph.microsoft.com"];
const MOST_SCOPES: usize = 100;

/// What was asked for, not yet checked against what the client may have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedScopes {
    pub oidc: OidcScopes,
    /// App id or identifier URI; `None` when only OpenID Connect scopes were asked for.
    pub resource: Option<String>,
    /// Scopes of the resource by name, without its prefix.
    pub names: BTreeSet<String>,
    /// `.default` was asked for.
    pub default: bool,
    /// What stood before the names, slash included: clients look for scopes in their caches as they wrote them.
    pub prefix: String,
}

/// The scopes of OpenID Connect Core §5.4 and §11.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcScopes {
    pub openid: bool,
    pub profile: bool,
    pub email: bool,
    pub offline_access: bool,
}

impl OidcScopes {
    /// Those asked for, by name.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [(self.email, "email"), (self.offline_access, "offline_access"), (self.openid, "openid"), (self.profile, "profile")]
            .into_iter()
            .filter_map(|(asked, name)| asked.then_some(name))
    }
}

impl RequestedScopes {
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let invalid = |scope: &str| Aadsts::InvalidScope.fault(&[&format!("The scope '{scope}' is not valid.")]);
        let mut requested = Self::default();
        for (count, scope) in text.split(' ').filter(|scope| !scope.is_empty()).enumerate() {
            if count >= MOST_SCOPES || !scope.bytes().all(is_scope_character) {
                return Err(invalid(scope));
            }
            match scope {
                "openid" => requested.oidc.openid = true,
                "profile" => requested.oidc.profile = true,
                "email" => requested.oidc.email = true,
                "offline_access" => requested.oidc.offline_access = true,
                _ => {
                    let (resource, name) = split(scope).ok_or_else(|| invalid(scope))?;
                    if requested.resource.get_or_insert_with(|| resource.clone()) != &resource {
                        return Err(Aadsts::SeveralResources.fault(&[text]));
                    }
                    if requested.prefix.is_empty() {
                        requested.prefix = scope.strip_suffix(name).unwrap_or_default().to_owned();
                    }
                    if name == ".default" {
                        requested.default = true;
                    } else {
                        requested.names.insert(name.to_owned());
                    }
                }
            }
        }
        if requested.default && !requested.names.is_empty() {
            return Err(Aadsts::InvalidScope.fault(&[".default scope can't be combined with resource-specific scopes."]));
        }
        Ok(requested)
    }

    /// The resource, as its app id or identifier URI: Graph when none was named.
    pub fn resource(&self) -> &str {
        self.resource.as_deref().unwrap_or(GRAPH)
    }
}

/// Resource and name; the name is what follows the last slash.
fn split(scope: &str) -> Option<(String, &str)> {
    let (resource, name) = scope.rsplit_once('/').unwrap_or((GRAPH, scope));
    let resource = resource.trim_end_matches('/');
    if name.is_empty() || resource.is_empty() || resource.ends_with(':') {
        None
    } else if GRAPH_ALIASES.iter().any(|alias| alias.eq_ignore_ascii_case(resource)) {
        Some((GRAPH.to_owned(), name))
    } else {
        Some((resource.to_owned(), name))
    }
}

/// RFC 6749 §3.3.
fn is_scope_character(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_table_of_scopes() {
        for (text, resource, names, default) in [
            ("openid profile", None, "", false),
            ("openid User.Read", Some(GRAPH), "User.Read", false),
            ("https://graph.microsoft.com/User.Read offline_access", Some(GRAPH), "User.Read", false),
            ("https://graph.microsoft.com//.default", Some(GRAPH), "", true),
            ("00000003-0000-0000-c000-000000000000/User.Read Mail.Read", Some(GRAPH), "Mail.Read User.Read", false),
            ("api://payroll/Read api://payroll/Write", Some("api://payroll"), "Read Write", false),
            ("api://payroll/.default", Some("api://payroll"), "", true),
            ("https://api.example/v1/Read", Some("https://api.example/v1"), "Read", false),
        ] {
            let requested = RequestedScopes::parse(text).unwrap();
            assert_eq!(requested.resource.as_deref(), resource, "{text}");
            assert_eq!(requested.names.iter().map(String::as_str).collect::<Vec<_>>().join(" "), names, "{text}");
            assert_eq!(requested.default, default, "{text}");
        }
        let prefix = |text: &str| RequestedScopes::parse(text).unwrap().prefix;
        assert_eq!(prefix("openid User.Read"), "");
        assert_eq!(prefix("https://graph.microsoft.com//.default"), "https://graph.microsoft.com//");
        assert_eq!(prefix("api://payroll/Read"), "api://payroll/");
        for (text, number) in [
            ("api://a/Read api://b/Read", 28_000),
            ("User.Read api://b/Read", 28_000),
            ("api://a/.default api://a/Read", 70_011),
            ("api://a/", 70_011),
            ("https:///Read", 70_011),
            ("a\"b", 70_011),
            ("a\\b", 70_011),
        ] {
            assert_eq!(RequestedScopes::parse(text).unwrap_err().number(), number, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = RequestedScopes::parse(&text);
        }

        #[test]
        fn one_resource_at_most(first in "[a-z]{1,8}", second in "[a-z]{1,8}") {
            let both = RequestedScopes::parse(&format!("api://{first}/Read api://{second}/Read"));
            prop_assert_eq!(both.is_ok(), first == second);
        }
    }
}
