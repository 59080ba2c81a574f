//! Everything that is wrong with what is to be applied, seen beside what is stored. Pure; tells all, not the first.

use super::plan::{Planned, after_of_kind};
use super::{Problem, Severity};
use crate::graph::privilege;
use crate::sign_in::enforce;
use crate::snapshot::Snapshot;
use crate::users;
use model::conditional_access::{AuthenticationStrengthPolicy, ConditionalAccessPolicy, NamedLocation};
use model::{Application, Directory, Group, GroupId, Kind, Object, ObjectId, Organization, RoleAssignment, User, UserId};
use policy::BUILT_IN_STRENGTHS;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use url::{Host, Url};

/// What a reference is looked up in: the directory as it would be, and the ids of what policies name.
struct After<'a> {
    directory: &'a Directory,
    locations: BTreeSet<ObjectId>,
    strengths: BTreeSet<ObjectId>,
}

pub(super) fn problems(planned: &[Planned<'_>], snapshot: &Snapshot, directory: &Directory) -> Vec<Problem> {
    let ids = |kind| after_of_kind(snapshot, planned, kind).iter().map(|object| ObjectId::new(object.id())).collect();
    let after = After { directory, locations: ids(Kind::NamedLocation), strengths: ids(Kind::AuthenticationStrengthPolicy) };
    let mut problems = Vec::new();
    for planned in planned {
        let place = &planned.item.place;
        match &planned.after {
            Object::Organization(object) => organization(object, snapshot, place, &mut problems),
            Object::User(object) => user(object, &after, place, &mut problems),
            Object::Group(object) => group(object, &after, place, &mut problems),
            Object::RoleAssignment(object) => role_assignment(object, &after, place, &mut problems),
            Object::Application(object) => application(object, &after, place, &mut problems),
            Object::NamedLocation(object) => guid(object.id.as_str(), place, "id", &mut problems),
            Object::AuthenticationStrengthPolicy(object) => guid(object.id.as_str(), place, "id", &mut problems),
            Object::ConditionalAccessPolicy(object) => policy(object, &after, place, &mut problems),
        }
    }
    twice(planned, &mut problems);
    unique(planned, snapshot, &mut problems);
    last_administrator(snapshot, directory, &mut problems);
    remarks(planned, snapshot, &mut problems);
    problems
}

fn organization(organization: &Organization, snapshot: &Snapshot, place: &str, problems: &mut Vec<Problem>) {
    guid(organization.id.as_str(), place, "id", problems);
    if let Some(tenant) = snapshot.tenant()
        && *tenant != organization.id
    {
        let message = format!("this server's tenant is `{tenant}`, not `{}`", organization.id);
        problems.push(
            Problem::error(format!("{place}.id"), message)
                .hint("one server holds one tenant: leave `tenant.json` out, or set its `id` to this server's"),
        );
    }
    if organization.verified_domains.is_empty() {
        problems.push(Problem::error(format!("{place}.verifiedDomains"), "a tenant has at least one domain"));
    }
}

fn user(user: &User, after: &After<'_>, place: &str, problems: &mut Vec<Problem>) {
    guid(user.id.as_str(), place, "id", problems);
    let name = &user.user_principal_name;
    let place = format!("{place}.userPrincipalName");
    let domain = name.rsplit_once('@').map(|(_, domain)| domain).unwrap_or_default();
    if !users::is_principal_name(name) {
        problems.push(Problem::error(place, format!("`{name}` is not `name@domain`")));
        return;
    }
    let Some(organization) = &after.directory.organization else {
        problems.push(Problem::error(place, "there is no tenant yet").hint("apply its `organization` object too"));
        return;
    };
    if !organization.verified_domains.iter().any(|verified| verified.name.eq_ignore_ascii_case(domain)) {
        let hint = "add it to the organization's `verifiedDomains`";
        problems.push(Problem::error(place, format!("`{domain}` is not a verified domain of the tenant")).hint(hint));
    }
}

fn group(group: &Group, after: &After<'_>, place: &str, problems: &mut Vec<Problem>) {
    guid(group.id.as_str(), place, "id", problems);
    for (index, member) in group.members.iter().enumerate() {
        if !is_principal(&member.id, after.directory) {
            let message = format!("no user or group has the id `{}`", member.id);
            problems.push(Problem::error(format!("{place}.members[{index}].id"), message));
        }
    }
}

fn role_assignment(assignment: &RoleAssignment, after: &After<'_>, place: &str, problems: &mut Vec<Problem>) {
    guid(assignment.role_definition_id.as_str(), place, "roleDefinitionId", problems);
    if !is_principal(&assignment.principal_id, after.directory) {
        let message = format!("no user or group has the id `{}`", assignment.principal_id);
        problems.push(Problem::error(format!("{place}.principalId"), message));
    }
}

fn is_principal(id: &ObjectId, directory: &Directory) -> bool {
    directory.users.contains_key(&UserId::new(id.as_str())) || directory.groups.contains_key(&GroupId::new(id.as_str()))
}

fn application(application: &Application, after: &After<'_>, place: &str, problems: &mut Vec<Problem>) {
    guid(application.id.as_str(), place, "id", problems);
    guid(application.app_id.as_str(), place, "appId", problems);
    let redirects = [
        ("web", application.web.as_ref().map(|web| &web.redirect_uris)),
        ("publicClient", application.public_client.as_ref().map(|client| &client.redirect_uris)),
    ];
    for (member, addresses) in redirects {
        for (index, address) in addresses.into_iter().flatten().enumerate() {
            if !is_redirect(address, member == "publicClient") {
                let place = format!("{place}.{member}.redirectUris[{index}]");
                let problem = Problem::error(place, format!("`{address}` cannot be a redirect address"));
                problems.push(problem.hint("https, without user information and fragment; http for loopback only"));
            }
        }
    }
    if let Some(publishing) = &application.on_premises_publishing {
        for (member, address, only_https) in
            [("externalUrl", &publishing.external_url, true), ("internalUrl", &publishing.internal_url, false)]
        {
            if !is_web_address(address, only_https) {
                let place = format!("{place}.onPremisesPublishing.{member}");
                problems.push(Problem::error(place, format!("`{address}` is not an address of a web application")));
            }
        }
    }
    for (index, credential) in application.password_credentials.iter().enumerate() {
        if credential.secret_sha256.is_none() {
            let place = format!("{place}.passwordCredentials[{index}]");
            problems.push(Problem::remark(place, "has no secret, so nobody can use it").hint("give `secretText`"));
        }
    }
    required_access(application, after.directory, place, problems);
}

fn required_access(application: &Application, directory: &Directory, place: &str, problems: &mut Vec<Problem>) {
    for (index, required) in application.required_resource_access.iter().enumerate() {
        let place = format!("{place}.requiredResourceAccess[{index}]");
        let Some(resource) = directory.applications.get(&required.resource_app_id) else {
            let message = format!("no application has the appId `{}`: nothing of it will be granted", required.resource_app_id);
            problems.push(Problem::remark(format!("{place}.resourceAppId"), message));
            continue;
        };
        let scopes = resource.api.iter().flat_map(|api| &api.oauth2_permission_scopes).map(|scope| &scope.id);
        let offered: BTreeSet<&ObjectId> = scopes.chain(resource.app_roles.iter().map(|role| &role.id)).collect();
        for (at, access) in required.resource_access.iter().enumerate() {
            if !offered.contains(&access.id) {
                let message =
                    format!("`{}` offers no scope or role `{}`: it will not be granted", resource.display_name, access.id);
                problems.push(Problem::remark(format!("{place}.resourceAccess[{at}].id"), message));
            }
        }
    }
}

/// Shapes and references. What the engine does not understand in a policy is a remark, from `policy` itself.
fn policy(policy: &ConditionalAccessPolicy, after: &After<'_>, place: &str, problems: &mut Vec<Problem>) {
    guid(policy.id.as_str(), place, "id", problems);
    if policy.state.is_empty() {
        problems.push(Problem::error(format!("{place}.state"), "a policy has a state"));
    }
    if !policy.conditions.is_object() {
        problems.push(Problem::error(format!("{place}.conditions"), "not an object"));
    }
    for (member, value) in [("grantControls", &policy.grant_controls), ("sessionControls", &policy.session_controls)] {
        let is_absent = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if !is_absent && !value.is_object() {
            problems.push(Problem::error(format!("{place}.{member}"), "not an object"));
        }
    }
    let conditions = &policy.conditions;
    for name in ["includeGroups", "excludeGroups"] {
        references(conditions, &["users", name], place, problems, |id| {
            let is_known = after.directory.groups.contains_key(&GroupId::new(id));
            (!is_known).then(|| format!("no group has the id `{id}`"))
        });
    }
    for name in ["includeLocations", "excludeLocations"] {
        references(conditions, &["locations", name], place, problems, |id| {
            let is_word = ["All", "AllTrusted"].iter().any(|word| word.eq_ignore_ascii_case(id));
            let is_known = is_word || after.locations.contains(&ObjectId::new(id));
            (!is_known).then(|| format!("no named location has the id `{id}`"))
        });
    }
    if let Some(id) = policy.grant_controls.pointer("/authenticationStrength/id").and_then(Value::as_str) {
        let id = ObjectId::new(id);
        if !BUILT_IN_STRENGTHS.contains(&id.as_str()) && !after.strengths.contains(&id) {
            let place = format!("{place}.grantControls.authenticationStrength.id");
            problems.push(Problem::error(place, format!("no authentication strength has the id `{id}`")));
        }
    }
}

/// Each id of a list in `conditions`, unless `wrong` has nothing to say about it. A single text stands for a list of one.
fn references(
    conditions: &Value,
    path: &[&str; 2],
    place: &str,
    problems: &mut Vec<Problem>,
    wrong: impl Fn(&str) -> Option<String>,
) {
    let [section, name] = path;
    let list = conditions.get(section).and_then(|section| section.get(name));
    let elements = match list {
        Some(Value::Array(elements)) => elements.iter().enumerate().collect(),
        Some(text @ Value::String(_)) => vec![(0, text)],
        _ => Vec::new(),
    };
    for (index, id) in elements.into_iter().filter_map(|(index, value)| Some((index, value.as_str()?))) {
        if let Some(message) = wrong(id) {
            problems.push(Problem::error(format!("{place}.conditions.{section}.{name}[{index}]"), message));
        }
    }
}

/// The same object twice: which of them counts?
fn twice(planned: &[Planned<'_>], problems: &mut Vec<Problem>) {
    let mut seen: BTreeMap<(Kind, &str), &str> = BTreeMap::new();
    for planned in planned {
        let place = planned.item.place.as_str();
        if let Some(first) = seen.insert((planned.after.kind(), planned.after.id()), place) {
            let message = format!("{} `{}` stands twice; first at {first}", planned.after.kind(), planned.after.id());
            problems.push(Problem::error(place, message).hint("keep the one that is meant"));
        }
    }
    let organizations = planned.iter().filter(|planned| planned.after.kind() == Kind::Organization);
    for planned in organizations.skip(1) {
        problems.push(Problem::error(planned.item.place.as_str(), "more than one organization"));
    }
}

/// Names that must be one object's alone, over everything that would be stored.
fn unique(planned: &[Planned<'_>], snapshot: &Snapshot, problems: &mut Vec<Problem>) {
    let place = |object: &Object| {
        let found = planned.iter().find(|planned| planned.after.kind() == object.kind() && planned.after.id() == object.id());
        found.map(|planned| planned.item.place.as_str())
    };
    let mut taken: BTreeMap<(&str, String), Object> = BTreeMap::new();
    for kind in [Kind::User, Kind::Application] {
        // Stored objects come first, so that a clash is told of the object that is to be applied.
        for object in after_of_kind(snapshot, planned, kind) {
            for (member, name) in names(&object) {
                let Some(other) = taken.insert((member, name.clone()), object.clone()) else { continue };
                if other.id() != object.id() {
                    let at = place(&object).map_or_else(|| "$.objects".to_owned(), |place| format!("{place}.{member}"));
                    problems.push(Problem::error(at, format!("`{name}` is also that of {} `{}`", other.kind(), other.id())));
                }
            }
        }
    }
}

fn names(object: &Object) -> Vec<(&'static str, String)> {
    match object {
        Object::User(user) => vec![("userPrincipalName", user.user_principal_name.to_lowercase())],
        Object::Application(application) => {
            let mut names = vec![("appId", application.app_id.to_string())];
            names.extend(application.identifier_uris.iter().map(|uri| ("identifierUris", uri.trim_end_matches('/').to_owned())));
            let external = application.on_premises_publishing.as_ref().and_then(|it| Url::parse(&it.external_url).ok());
            let host = external.as_ref().and_then(Url::host_str).map(str::to_lowercase);
            names.extend(host.map(|host| ("onPremisesPublishing.externalUrl", host)));
            names
        }
        Object::Organization(_)
        | Object::Group(_)
        | Object::RoleAssignment(_)
        | Object::NamedLocation(_)
        | Object::AuthenticationStrengthPolicy(_)
        | Object::ConditionalAccessPolicy(_) => Vec::new(),
    }
}

fn last_administrator(snapshot: &Snapshot, after: &Directory, problems: &mut Vec<Problem>) {
    let before = privilege::enabled_global_administrators(&snapshot.directory);
    if !before.is_empty() && privilege::enabled_global_administrators(after).is_empty() {
        let message = "no enabled Global Administrator would be left";
        problems.push(Problem::error("$.objects", message).hint("give an enabled account that role in the same folder"));
    }
}

/// What `policy` says of the objects that are to be applied.
fn remarks(planned: &[Planned<'_>], snapshot: &Snapshot, problems: &mut Vec<Problem>) {
    let mut policies: Vec<ConditionalAccessPolicy> = Vec::new();
    let mut locations: Vec<NamedLocation> = Vec::new();
    let mut strengths: Vec<AuthenticationStrengthPolicy> = Vec::new();
    for kind in [Kind::ConditionalAccessPolicy, Kind::NamedLocation, Kind::AuthenticationStrengthPolicy] {
        for object in after_of_kind(snapshot, planned, kind) {
            match object {
                Object::ConditionalAccessPolicy(object) => policies.push(*object),
                Object::NamedLocation(object) => locations.push(object),
                Object::AuthenticationStrengthPolicy(object) => strengths.push(object),
                Object::Organization(_)
                | Object::User(_)
                | Object::Group(_)
                | Object::RoleAssignment(_)
                | Object::Application(_) => {}
            }
        }
    }
    let compiled = policy::compile(&policies, &locations, &strengths);
    for planned in planned {
        let Object::ConditionalAccessPolicy(policy) = &planned.after else { continue };
        let place = &planned.item.place;
        if compiled.requires_nothing(&policy.id) {
            let message = "the policy asks for nothing: it sets neither a grant nor a session control";
            problems.push(Problem::error(place.clone(), message).hint("are `grantControls` and its members spelled right?"));
        }
        for control in enforce::unenforced_by(&compiled, &policy.id) {
            let message =
                format!("sets `{control}`, which this server does not enforce: sign-ins that the policy applies to are refused");
            problems.push(Problem::remark(format!("{place}.sessionControls.{control}"), message));
        }
    }
    for problem in compiled.problems() {
        let item = planned.iter().find(|planned| planned.after.kind() == problem.kind && planned.after.id() == problem.id);
        let Some(item) = item else { continue };
        let place = format!("{}{}", item.item.place, problem.place.strip_prefix('$').unwrap_or(&problem.place));
        // What is already told as an error is not repeated.
        let is_told = problems.iter().any(|told| told.severity == Severity::Error && told.place.starts_with(&place));
        if !is_told {
            problems.push(Problem::remark(place, problem.reason.clone()));
        }
    }
}

fn guid(text: &str, place: &str, member: &str, problems: &mut Vec<Problem>) {
    if text.len() != 36 || uuid::Uuid::try_parse(text).is_err() {
        problems.push(Problem::error(format!("{place}.{member}"), format!("`{text}` is not a GUID")));
    }
}

/// RFC 8252 and RFC 9700 §4.1: exact https addresses; http for loopback; schemes of their own for native applications.
fn is_redirect(address: &str, is_public_client: bool) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let is_allowed = match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback(&url),
        // RFC 8252 §7.1: a private-use scheme is a reversed domain name.
        scheme => is_public_client && scheme.contains('.'),
    };
    is_plain && is_allowed && !address.contains('*')
}

fn is_web_address(address: &str, only_https: bool) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none() && url.query().is_none();
    let is_scheme = url.scheme() == "https" || (!only_https && url.scheme() == "http");
    is_plain && is_scheme && url.has_host()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => runtime::client::loopback(name).is_some(),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_addresses() {
        for (address, is_public_client, expected) in [
            ("https://client.localhost/callback", false, true),
            ("http://localhost", true, true),
            ("http://127.0.0.1:8080/cb", true, true),
            ("http://[::1]/cb", true, true),
            ("http://example.com/cb", false, false),
            ("https://a@b/", false, false),
            ("https://b/#f", false, false),
            ("https://*.example.com/", false, false),
            ("com.example.app:/cb", true, true),
            ("com.example.app:/cb", false, false),
            ("javascript:alert(1)", true, false),
            ("", false, false),
        ] {
            assert_eq!(is_redirect(address, is_public_client), expected, "{address}");
        }
    }
}
