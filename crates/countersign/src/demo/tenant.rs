//! The example tenant, made ready for this machine: addresses with the ports that were really taken, and secrets made
//! up now. The secrets exist in the store (hashed or sealed) and in `demo.json`; never in the repository.

use super::embedded::FILES;
use crate::error::Problem;
use crate::json::{list, text};
use runtime::random;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use testkit::totp;
use url::Url;

/// Which port is whose.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    pub(super) control_plane: Url,
    pub(super) gateway: Url,
    /// Of Payroll, Admin Portal and Legacy Mail, by display name.
    pub(super) internal: Vec<(String, Url)>,
}

impl Addresses {
    /// Where a published application listens itself.
    pub(super) fn internal(&self, application: &str) -> Option<&Url> {
        self.internal.iter().find(|(name, _)| name == application).map(|(_, url)| url)
    }
}

/// What `apply` takes, and the secrets in it.
#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) objects: Vec<Value>,
    pub(super) id: String,
    pub(super) domain: String,
    pub(super) accounts: Vec<Account>,
    pub(super) applications: Vec<Application>,
}

/// As `demo.json` shows it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account {
    pub(super) user_principal_name: String,
    pub(super) display_name: String,
    pub(super) id: String,
    pub(super) password: String,
    /// Base32.
    pub(super) totp_secret: Option<String>,
    pub(super) roles: Vec<&'static str>,
    pub(super) purpose: &'static str,
}

/// As `demo.json` shows it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Application {
    pub(super) name: String,
    pub(super) client_id: String,
    /// `null` for a public client, and for what is no client at all.
    pub(super) client_secret: Option<String>,
    pub(super) redirect_uris: Vec<String>,
    /// Published through the gateway at.
    #[serde(serialize_with = "address")]
    pub(super) url: Option<Url>,
    /// What it may ask for.
    pub(super) scopes: Vec<String>,
}

pub(super) const GATEWAY: &str = "Countersign Gateway";
pub(super) const AUTOMATION: &str = "Countersign Automation";
pub(super) const COMMAND_LINE: &str = "Countersign Command Line";
pub(super) const WEB_CLIENT: &str = "Sample Web Client";
pub(super) const PAYROLL: &str = "Payroll";
pub(super) const ADMIN_PORTAL: &str = "Admin Portal";
pub(super) const LEGACY_MAIL: &str = "Legacy Mail";
const CONFIDENTIAL: [&str; 3] = [GATEWAY, AUTOMATION, WEB_CLIENT];
/// The port that stands in the folder's addresses.
const GATEWAY_PORT: u16 = crate::config::GATEWAY_PORT;

pub(super) fn prepare(addresses: &Addresses) -> Result<Tenant, Problem> {
    let mut objects = Vec::new();
    for (path, text) in FILES {
        let object: Value = serde_json::from_str(text).map_err(|error| Problem::caused_by("unreadable", &error).at(path))?;
        objects.push(object);
    }
    let catalogue = objects.clone();
    let (mut accounts, mut applications) = (Vec::new(), Vec::new());
    for object in &mut objects {
        if object.get("userPrincipalName").is_some() {
            accounts.push(account(object, &catalogue));
        } else if object.get("appId").is_some() {
            applications.push(application(object, addresses, &catalogue)?);
        }
    }
    accounts.sort_by_key(|account| position(&account.user_principal_name));
    applications.sort_by(|left, right| left.name.cmp(&right.name));
    let organization = catalogue.iter().find(|object| object.get("verifiedDomains").is_some());
    let organization_text = |pointer: &str| organization.map_or("", |object| text(object, pointer)).to_owned();
    let (id, domain) = (organization_text("/id"), organization_text("/verifiedDomains/0/name"));
    Ok(Tenant { objects, id, domain, accounts, applications })
}

impl Tenant {
    pub(super) fn account(&self, name: &str) -> Result<&Account, Problem> {
        let wanted = format!("{name}@{}", self.domain);
        let found = self.accounts.iter().find(|account| account.user_principal_name == wanted);
        found.ok_or_else(|| Problem::new(format!("the example tenant has no account `{wanted}`")))
    }

    /// With one application and nothing else: what a task may hold for long.
    pub(super) fn only(&self, name: &str) -> Result<Self, Problem> {
        let applications = vec![self.application(name)?.clone()];
        Ok(Self { objects: Vec::new(), id: self.id.clone(), domain: self.domain.clone(), accounts: Vec::new(), applications })
    }

    pub(super) fn application(&self, name: &str) -> Result<&Application, Problem> {
        let found = self.applications.iter().find(|application| application.name == name);
        found.ok_or_else(|| Problem::new(format!("the example tenant has no application `{name}`")))
    }
}

impl Account {
    pub(super) fn for_person(&self) -> testkit::person::Account {
        testkit::person::Account {
            user_principal_name: self.user_principal_name.clone(),
            password: self.password.clone(),
            totp_secret: self.totp_secret.clone(),
        }
    }
}

/// In the order in which people are told of: name, and what the account is for.
const PEOPLE: [(&str, &str); 6] = [
    ("alex@", "works in Payroll; the guided story follows this account"),
    ("ada@", "administers the tenant; gets a passkey in the story"),
    ("lee@", "has an old mail program that knows passwords only"),
    ("mia@", "reads the logs; untouched by the story, for programs of your own"),
    ("noor@", "reads the logs; untouched by the story, for programs of your own"),
    ("emergency@", "break-glass: kept out of every policy, so a password is enough"),
];

fn position(name: &str) -> usize {
    PEOPLE.iter().position(|(prefix, _)| name.starts_with(prefix)).unwrap_or(PEOPLE.len())
}

/// Adds a password and, but for the break-glass account, a TOTP secret.
fn account(user: &mut Value, catalogue: &[Value]) -> Account {
    let (id, name) = (text(user, "/id").to_owned(), text(user, "/userPrincipalName").to_owned());
    let is_emergency = name.starts_with("emergency@");
    let account = Account {
        display_name: text(user, "/displayName").to_owned(),
        password: password(),
        totp_secret: (!is_emergency).then(totp::new_secret),
        roles: roles(&id, catalogue),
        purpose: PEOPLE.get(position(&name)).map_or("", |(_, purpose)| purpose),
        user_principal_name: name,
        id,
    };
    let profile = json!({"password": account.password, "forceChangePasswordNextSignIn": false});
    insert(user, "passwordProfile", profile);
    if let Some(secret) = &account.totp_secret {
        insert(user, "authentication", json!({"softwareOathMethods": [{"secretKey": secret}]}));
    }
    account
}

fn roles(user: &str, catalogue: &[Value]) -> Vec<&'static str> {
    let held = catalogue.iter().filter(|object| object.get("roleDefinitionId").is_some() && text(object, "/principalId") == user);
    held.map(|assignment| role_name(text(assignment, "/roleDefinitionId"))).collect()
}

fn role_name(template: &str) -> &'static str {
    use model::role::template;
    match template {
        template::GLOBAL_ADMINISTRATOR => "Global Administrator",
        template::SECURITY_READER => "Security Reader",
        template::REPORTS_READER => "Reports Reader",
        _ => "another role",
    }
}

fn application(object: &mut Value, addresses: &Addresses, catalogue: &[Value]) -> Result<Application, Problem> {
    let name = text(object, "/displayName").to_owned();
    let mut url = None;
    if object.get("onPremisesPublishing").is_some() {
        let external = with_port(text(object, "/onPremisesPublishing/externalUrl"), addresses)?;
        let internal = addresses.internal(&name).ok_or_else(|| Problem::new(format!("no sample application plays `{name}`")))?;
        let publishing = object.get_mut("onPremisesPublishing").and_then(Value::as_object_mut);
        if let Some(publishing) = publishing {
            publishing.insert("externalUrl".to_owned(), external.as_str().into());
            publishing.insert("internalUrl".to_owned(), internal.as_str().into());
        }
        url = Some(external);
    }
    let redirects = object.pointer_mut("/web/redirectUris").and_then(Value::as_array_mut);
    for redirect in redirects.into_iter().flatten() {
        let address = redirect.as_str().unwrap_or_default();
        if address.contains(&format!(":{GATEWAY_PORT}/")) {
            *redirect = with_port(address, addresses)?.as_str().into();
        }
    }
    let client_secret = CONFIDENTIAL.contains(&name.as_str()).then(random::token);
    if let Some(secret) = &client_secret {
        let credential = json!([{"keyId": random::guid(), "displayName": "made by the demo", "secretText": secret}]);
        insert(object, "passwordCredentials", credential);
    }
    let redirect_uris = ["/web/redirectUris", "/publicClient/redirectUris"]
        .iter()
        .filter_map(|pointer| object.pointer(pointer)?.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let scopes = scopes(object, catalogue);
    Ok(Application { client_id: text(object, "/appId").to_owned(), name, client_secret, redirect_uris, url, scopes })
}

/// The names behind `requiredResourceAccess`: a delegated scope with its resource, `{resource}/.default` for roles.
fn scopes(application: &Value, catalogue: &[Value]) -> Vec<String> {
    let mut scopes = Vec::new();
    for required in list(application, "/requiredResourceAccess") {
        let resource_id = text(required, "/resourceAppId");
        let Some(resource) = catalogue.iter().find(|object| text(object, "/appId") == resource_id) else { continue };
        let resource_name = resource.pointer("/identifierUris/0").and_then(Value::as_str).unwrap_or(resource_id);
        for access in list(required, "/resourceAccess") {
            let scope = list(resource, "/api/oauth2PermissionScopes").iter().find(|scope| scope.get("id") == access.get("id"));
            let value = scope.map_or(".default", |scope| text(scope, "/value"));
            scopes.push(format!("{resource_name}/{value}"));
        }
    }
    scopes.dedup();
    scopes
}

/// The same host at the gateway's port.
fn with_port(address: &str, addresses: &Addresses) -> Result<Url, Problem> {
    let mut url =
        Url::parse(address).map_err(|error| Problem::caused_by(format!("`{address}` in the example tenant"), &error))?;
    let port = addresses.gateway.port();
    url.set_port(port).map_err(|()| Problem::new(format!("`{address}` in the example tenant takes no port")))?;
    Ok(url)
}

fn address<S: Serializer>(url: &Option<Url>, serializer: S) -> Result<S::Ok, S::Error> {
    url.as_ref().map(Url::as_str).serialize(serializer)
}

/// A hundred random bits that can be typed.
fn password() -> String {
    let letters = totp::new_secret().to_lowercase();
    let groups: Vec<String> =
        letters.as_bytes().chunks(5).take(4).map(|group| String::from_utf8_lossy(group).into_owned()).collect();
    groups.join("-")
}

fn insert(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        let members: &mut Map<String, Value> = members;
        members.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> Tenant {
        let internal =
            [PAYROLL, ADMIN_PORTAL, LEGACY_MAIL].map(|name| (name.to_owned(), Url::parse("http://127.0.0.1:7/").unwrap()));
        prepare(&Addresses {
            control_plane: Url::parse("https://localhost:1000").unwrap(),
            gateway: Url::parse("https://gateway.localhost:2000").unwrap(),
            internal: internal.to_vec(),
        })
        .unwrap()
    }

    #[test]
    fn addresses_take_the_ports_that_were_taken() {
        let tenant = tenant();
        let payroll = tenant.application(PAYROLL).unwrap();
        assert_eq!(payroll.url.as_ref().unwrap().as_str(), "https://payroll.localhost:2000/");
        let gateway = tenant.application(GATEWAY).unwrap();
        assert_eq!(gateway.redirect_uris[0], "https://payroll.localhost:2000/.auth/callback");
        assert_eq!(tenant.application(WEB_CLIENT).unwrap().redirect_uris, ["https://client.localhost/callback"]);
        let stored = tenant.objects.iter().find(|object| text(object, "/displayName") == PAYROLL).unwrap();
        assert_eq!(text(stored, "/onPremisesPublishing/internalUrl"), "http://127.0.0.1:7/");
    }

    #[test]
    fn everybody_has_secrets_of_their_own() {
        let tenant = tenant();
        let order: Vec<&str> =
            tenant.accounts.iter().map(|account| account.user_principal_name.split('@').next().unwrap()).collect();
        assert_eq!(order, ["alex", "ada", "lee", "mia", "noor", "emergency"]);
        assert_eq!(tenant.account("emergency").unwrap().totp_secret, None);
        assert_eq!(tenant.account("mia").unwrap().roles, ["Security Reader"]);
        assert_ne!(tenant.account("alex").unwrap().password, tenant.account("ada").unwrap().password);
        assert_eq!(tenant.account("ada").unwrap().password.len(), 23);
        let secrets = CONFIDENTIAL.map(|name| tenant.application(name).unwrap().client_secret.clone().unwrap());
        assert_ne!(secrets[0], secrets[1]);
        assert!(tenant.application(COMMAND_LINE).unwrap().client_secret.is_none());
        let scopes = &tenant.application(COMMAND_LINE).unwrap().scopes;
        assert!(scopes.contains(&"https://graph.microsoft.com/User.Read".to_owned()), "{scopes:?}");
    }
}
