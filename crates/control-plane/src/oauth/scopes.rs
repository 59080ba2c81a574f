//! What a client may have of what it asked for. `requiredResourceAccess`, which only an administrator writes, is the consent.

use model::application::{ResourceAccessType, well_known};
use model::{AppId, Application, Directory, ObjectId};
use protocol::aadsts::{Aadsts, Fault};
use protocol::oauth::{OidcScopes, RequestedScopes};
use std::collections::BTreeSet;
use url::Url;

/// Scopes that a client gets for a person, all of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub resource: AppId,
    /// Names, as in the `scp` claim; may be empty for a resource that has none.
    pub scopes: BTreeSet<String>,
    pub oidc: OidcScopes,
    /// What the client wrote before the names, to be written before them in the answer; and whether it wrote `.default`.
    prefix: String,
    default: bool,
}

impl Granted {
    /// The `scope` of the answer (RFC 6749 §5.1): with prefixes, as the client asked, so that it finds it in its cache.
    pub(crate) fn answer_text(&self) -> String {
        let prefixed = self.scopes.iter().map(|name| format!("{}{name}", self.prefix));
        let default = self.default.then(|| format!("{}.default", self.prefix));
        let oidc = self.oidc.names().map(str::to_owned);
        oidc.chain(prefixed).chain(default).collect::<Vec<_>>().join(" ")
    }
}

/// Scopes for a person. `redirect_uri`: where the token will be delivered, when it is by a redirect.
///
/// A resource that is published through the gateway needs no consent where the token goes to the published address itself:
/// whoever holds a registered redirect address there is its gateway.
pub(crate) fn delegated(
    directory: &Directory,
    client: &Application,
    requested: &RequestedScopes,
    redirect_uri: Option<&str>,
) -> Result<Granted, Fault> {
    let Some(name) = &requested.resource else {
        // OpenID Connect scopes alone: an access token for Graph, good for nothing but who this is.
        let resource = AppId::new(well_known::MICROSOFT_GRAPH);
        let (prefix, default) = (String::new(), false);
        return Ok(Granted { resource, scopes: BTreeSet::new(), oidc: requested.oidc, prefix, default });
    };
    let resource = directory.application_named(name).ok_or_else(|| not_found(directory, name))?;
    let offered: Vec<(&ObjectId, &str)> = resource
        .api
        .iter()
        .flat_map(|api| &api.oauth2_permission_scopes)
        .filter(|scope| scope.is_enabled)
        .map(|scope| (&scope.id, scope.value.as_str()))
        .collect();
    let consented: BTreeSet<&ObjectId> = consented(client, resource, ResourceAccessType::Scope).collect();
    let consent_required = || Aadsts::ConsentRequired.fault(&[client.app_id.as_str(), &client.display_name]);
    for wanted in &requested.names {
        let Some((id, _)) = offered.iter().find(|(_, value)| value == wanted) else {
            return Err(Aadsts::ScopeNotOnResource.fault(&[client.app_id.as_str(), wanted, resource.app_id.as_str()]));
        };
        if !consented.contains(id) {
            return Err(consent_required());
        }
    }
    let scopes: BTreeSet<String> = offered
        .iter()
        .filter(|(id, value)| consented.contains(id) && (requested.default || requested.names.contains(*value)))
        .map(|(_, value)| (*value).to_owned())
        .collect();
    let is_own = resource.app_id == client.app_id;
    if scopes.is_empty() && !is_own && !is_delivered_to(resource, redirect_uri) {
        return Err(consent_required());
    }
    let (prefix, default) = (requested.prefix.clone(), requested.default);
    Ok(Granted { resource: resource.app_id.clone(), scopes, oidc: requested.oidc, prefix, default })
}

/// Application permissions, for a client that asks for itself: `RESOURCE/.default` and nothing else.
pub(crate) fn application(
    directory: &Directory,
    client: &Application,
    requested: &RequestedScopes,
    text: &str,
) -> Result<(AppId, BTreeSet<String>), Fault> {
    let asks_more = requested.oidc != OidcScopes::default() || !requested.names.is_empty();
    let Some(name) = requested.resource.as_deref().filter(|_| requested.default && !asks_more) else {
        return Err(Aadsts::ClientCredentialsScope.fault(&[text]));
    };
    let resource = directory.application_named(name).ok_or_else(|| not_found(directory, name))?;
    let roles = application_roles(client, resource);
    if roles.is_empty() && resource.app_id != client.app_id {
        return Err(Aadsts::RoleNotAssigned.fault(&[client.app_id.as_str(), resource.app_id.as_str()]));
    }
    Ok((resource.app_id.clone(), roles))
}

/// The application permissions that `client` has on `resource`, now.
pub(crate) fn application_roles(client: &Application, resource: &Application) -> BTreeSet<String> {
    let consented: BTreeSet<&ObjectId> = consented(client, resource, ResourceAccessType::Role).collect();
    resource
        .app_roles
        .iter()
        .filter(|role| role.is_enabled && consented.contains(&role.id))
        .map(|role| role.value.clone())
        .collect()
}

pub(crate) fn display_name(directory: &Directory, resource: &AppId) -> String {
    match directory.applications.get(resource) {
        Some(application) if !application.display_name.is_empty() => application.display_name.clone(),
        _ => resource.to_string(),
    }
}

fn consented<'a>(
    client: &'a Application,
    resource: &'a Application,
    access_type: ResourceAccessType,
) -> impl Iterator<Item = &'a ObjectId> {
    client
        .required_resource_access
        .iter()
        .filter(|access| access.resource_app_id == resource.app_id)
        .flat_map(|access| &access.resource_access)
        .filter(move |access| access.access_type == access_type)
        .map(|access| &access.id)
}

/// Is `redirect_uri` on the very origin at which `resource` is published?
fn is_delivered_to(resource: &Application, redirect_uri: Option<&str>) -> bool {
    let origin = |address: &str| Url::parse(address).ok().map(|url| url.origin()).filter(url::Origin::is_tuple);
    let published = resource.on_premises_publishing.as_ref().and_then(|published| origin(&published.external_url));
    let delivered = redirect_uri.and_then(origin);
    published.is_some() && published == delivered
}

fn not_found(directory: &Directory, name: &str) -> Fault {
    let tenant = directory.organization.as_ref().map_or("", |organization| organization.display_name.as_str());
    Aadsts::ResourceNotFound.fault(&[name, tenant])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn directory() -> Directory {
        let applications = [
            json!({"id": "o1", "appId": "graph", "identifierUris": ["https://graph.example"], "appRoles": [
                {"id": "r1", "value": "User.Read.All", "isEnabled": true}, {"id": "r2", "value": "Off", "isEnabled": false}],
                "api": {"oauth2PermissionScopes": [{"id": "s1", "value": "User.Read", "isEnabled": true},
                    {"id": "s2", "value": "Mail.Read", "isEnabled": true}, {"id": "s3", "value": "Old", "isEnabled": false}]}}),
            json!({"id": "o2", "appId": "client", "requiredResourceAccess": [{"resourceAppId": "graph", "resourceAccess": [
                {"id": "s1", "type": "Scope"}, {"id": "s3", "type": "Scope"}, {"id": "r1", "type": "Role"}, {"id": "r2", "type": "Role"},
                {"id": "s2", "type": "Role"}]}]}),
            json!({"id": "o3", "appId": "payroll", "onPremisesPublishing": {"externalUrl": "https://payroll.localhost:8444/"}}),
        ];
        let applications = applications.map(|value| serde_json::from_value(value).unwrap());
        Directory::new(None, [], [], [], applications)
    }

    fn ask(scope: &str, redirect_uri: Option<&str>) -> Result<Granted, u32> {
        let directory = directory();
        let client = &directory.applications[&AppId::new("client")];
        let requested = RequestedScopes::parse(scope).unwrap();
        delegated(&directory, client, &requested, redirect_uri).map_err(|fault| fault.number())
    }

    #[test]
    fn a_table_of_delegated_scopes() {
        let gateway = Some("https://payroll.localhost:8444/.auth/callback");
        for (scope, redirect_uri, expected) in [
            ("openid profile", None, Ok("")),
            ("graph/User.Read", None, Ok("User.Read")),
            ("graph/.default", None, Ok("User.Read")),
            ("https://graph.example/User.Read", None, Ok("User.Read")),
            ("graph/Mail.Read", None, Err(65_001)),
            ("graph/Old", None, Err(650_053)),
            ("graph/Nothing", None, Err(650_053)),
            ("nobody/.default", None, Err(500_011)),
            ("client/.default", None, Ok("")),
            ("payroll/.default", gateway, Ok("")),
            ("payroll/.default", None, Err(65_001)),
            ("payroll/.default", Some("https://other.localhost:8444/.auth/callback"), Err(65_001)),
            ("payroll/.default", Some("https://payroll.localhost:9444/.auth/callback"), Err(65_001)),
            ("payroll/.default", Some("msal-app://auth"), Err(65_001)),
        ] {
            let answer = ask(scope, redirect_uri).map(|granted| granted.scopes.into_iter().collect::<Vec<_>>().join(" "));
            assert_eq!(answer, expected.map(str::to_owned), "{scope} {redirect_uri:?}");
        }
    }

    #[test]
    fn an_answer_names_scopes_as_they_were_asked_for() {
        let text = ask("openid https://graph.example/.default", None).unwrap().answer_text();
        assert_eq!(text, "openid https://graph.example/User.Read https://graph.example/.default");
        assert_eq!(ask("graph/User.Read", None).unwrap().answer_text(), "graph/User.Read");
        let gateway = Some("https://payroll.localhost:8444/.auth/callback");
        assert_eq!(ask("openid payroll/.default", gateway).unwrap().answer_text(), "openid payroll/.default");
    }

    #[test]
    fn application_permissions_are_the_enabled_roles_that_were_consented() {
        let directory = directory();
        let client = &directory.applications[&AppId::new("client")];
        let ask = |scope: &str| application(&directory, client, &RequestedScopes::parse(scope).unwrap(), scope);
        assert_eq!(ask("graph/.default").unwrap().1.into_iter().collect::<Vec<_>>(), ["User.Read.All"]);
        assert_eq!(ask("payroll/.default").unwrap_err().number(), 501_051);
        for scope in ["graph/User.Read.All", "openid", "openid graph/.default", ""] {
            assert_eq!(ask(scope).unwrap_err().number(), 1_002_012, "{scope}");
        }
    }
}
