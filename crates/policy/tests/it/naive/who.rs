//! Who (§2.3).

use super::wire::*;
use policy::answer::*;
use policy::request::*;
use serde_json::Value;

pub(super) fn names_nobody(conditions: &Value) -> bool {
    if unnamed(conditions) {
        return false;
    }
    let users = &conditions["users"];
    let nobody = |word: &Option<String>| word.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("None"));
    let users_name_nobody = absent(users)
        || users.is_object()
            && !excludes_only(users)
            && !stray(users, USER_MEMBERS)
            && list(&users["includeUsers"]).iter().all(nobody)
            && list(&users["includeGroups"]).is_empty()
            && list(&users["includeRoles"]).is_empty()
            && guest_flags(&users["includeGuestsOrExternalUsers"]).is_some_and(|flags| {
                flags.iter().all(|flag| flag.as_deref().is_some_and(|flag| flag.eq_ignore_ascii_case("none")))
            });
    let clients = &conditions["clientApplications"];
    let clients_name_nobody = absent(clients)
        || clients.is_object()
            && !excludes_only(clients)
            && !stray(clients, CLIENT_MEMBERS)
            && list(&clients["includeServicePrincipals"]).iter().all(nobody)
            && list(&clients["includeAgentIdServicePrincipals"]).iter().all(nobody)
            && !including_filter(&clients["servicePrincipalFilter"])
            && !including_filter(&clients["agentIdServicePrincipalFilter"]);
    let agents = &conditions["agents"];
    let agents_name_nobody = absent(agents)
        || agents.is_object()
            && !excludes_only(agents)
            && !stray(agents, AGENT_MEMBERS)
            && list(&agents["includeAgentUsers"]).iter().all(nobody)
            && !including_filter(&agents["agentFilter"]);
    users_name_nobody && clients_name_nobody && agents_name_nobody
}

pub(super) const USER_MEMBERS: &[&str] = &[
    "includeUsers",
    "excludeUsers",
    "includeGroups",
    "excludeGroups",
    "includeRoles",
    "excludeRoles",
    "includeGuestsOrExternalUsers",
    "excludeGuestsOrExternalUsers",
];
pub(super) const CLIENT_MEMBERS: &[&str] = &[
    "includeServicePrincipals",
    "excludeServicePrincipals",
    "servicePrincipalFilter",
    "includeAgentIdServicePrincipals",
    "excludeAgentIdServicePrincipals",
    "agentIdServicePrincipalFilter",
];
pub(super) const AGENT_MEMBERS: &[&str] = &["includeAgentUsers", "excludeAgentUsers", "agentFilter"];

/// Neither users nor clients nor agents: for everybody, since Graph allows no such policy.
pub(super) fn unnamed(conditions: &Value) -> bool {
    let users = &conditions["users"];
    let users_silent = absent(users) || users.as_object().is_some_and(|members| own(members).all(|(_, value)| value.is_null()));
    let silent = |value: &Value| absent(value) || value.is_object() && !configured(value);
    users_silent && silent(&conditions["clientApplications"]) && silent(&conditions["agents"])
}

pub(super) fn who(conditions: &Value, principal: &Principal) -> (Condition, bool) {
    let users = &conditions["users"];
    let everybody = unnamed(conditions);
    match principal {
        Principal::User(user) if !user.is_agent_user => {
            let included = everybody || include(user_channels(users, "include", user).into_iter());
            (Condition::Users, included && !exclude(user_channels(users, "exclude", user).into_iter()))
        }
        Principal::User(user) => {
            let agents = &conditions["agents"];
            let as_user = everybody || include(user_channels(users, "include", user).into_iter());
            let channels = client_channels(agents, "includeAgentUsers", "agentFilter", AGENT_MEMBERS, user.id.as_str(), false);
            let as_agent = include(channels.iter().copied());
            let meant_for_agents =
                !list(&agents["includeAgentUsers"]).iter().all(|word| is(word, "None")) || channels.contains(&None);
            let excluded = exclude(user_channels(users, "exclude", user).into_iter())
                || exclude(list(&agents["excludeAgentUsers"]).iter().map(|word| Some(is(word, user.id.as_str()))));
            let condition =
                if as_agent || (!as_user && meant_for_agents) { Condition::AgentIdentities } else { Condition::Users };
            (condition, (as_user || as_agent) && !excluded)
        }
        Principal::Workload(workload) => {
            let clients = &conditions["clientApplications"];
            let id = workload.service_principal.as_str();
            let owned = workload.owned_by_this_tenant;
            let names = client_channels(clients, "includeServicePrincipals", "servicePrincipalFilter", CLIENT_MEMBERS, id, owned);
            let excluded = list(&clients["excludeServicePrincipals"]).iter().any(|word| is(word, id));
            (Condition::WorkloadIdentities, everybody || (include(names.into_iter()) && !excluded))
        }
        Principal::Agent(agent) => {
            let clients = &conditions["clientApplications"];
            let id = agent.service_principal.as_str();
            let filter = "agentIdServicePrincipalFilter";
            let names = client_channels(clients, "includeAgentIdServicePrincipals", filter, CLIENT_MEMBERS, id, false);
            let excluded = list(&clients["excludeAgentIdServicePrincipals"]).iter().any(|word| is(word, id));
            (Condition::AgentIdentities, everybody || (include(names.into_iter()) && !excluded))
        }
    }
}

pub(super) fn user_channels(users: &Value, side: &str, user: &UserFacts) -> Vec<Tri> {
    if absent(users) {
        return vec![];
    }
    if !users.is_object() {
        return vec![None];
    }
    let including = side == "include";
    let mut channels: Vec<Tri> = Vec::new();
    for word in list(&users[format!("{side}Users")]) {
        channels.push(word.and_then(|word| match word.to_lowercase().as_str() {
            "all" => including.then_some(!user.is_agent_user),
            "none" => Some(false),
            "guestsorexternalusers" => Some(user.guest != GuestType::Member && (including || !user.is_agent_user)),
            id => guid(id).then(|| id == user.id.as_str()),
        }));
    }
    // An agent's user account cannot be excluded through groups, roles or guest types.
    let reachable = including || !user.is_agent_user;
    for word in list(&users[format!("{side}Groups")]) {
        channels.push(word.and_then(|id| guid(&id).then(|| reachable && user.groups.contains(&id.as_str().into()))));
    }
    for word in list(&users[format!("{side}Roles")]) {
        channels.push(word.and_then(|id| guid(&id).then(|| reachable && user.roles.contains(&id.as_str().into()))));
    }
    let guests = &users[format!("{side}GuestsOrExternalUsers")];
    match guest_flags(guests) {
        None => channels.push(None),
        Some(flags) => {
            for flag in flags {
                channels.push(flag.and_then(|flag| guest(guests, &flag, user)).map(|matches| matches && reachable));
            }
        }
    }
    if including && (stray(users, USER_MEMBERS) || excludes_only(users)) {
        channels.push(None);
    }
    channels
}

/// The flags, or `None` when the object has more in it than is understood.
pub(super) fn guest_flags(guests: &Value) -> Option<Vec<Option<String>>> {
    if absent(guests) {
        return Some(vec![]);
    }
    let readable = guests.is_object() && !stray(guests, &["guestOrExternalUserTypes", "externalTenants"]);
    readable.then(|| flags(&guests["guestOrExternalUserTypes"]))
}

pub(super) fn guest(guests: &Value, flag: &str, user: &UserFacts) -> Tri {
    let kind = match flag.to_lowercase().as_str() {
        "none" => return Some(false),
        "internalguest" => GuestType::InternalGuest,
        "b2bcollaborationguest" => GuestType::B2bCollaborationGuest,
        "b2bcollaborationmember" => GuestType::B2bCollaborationMember,
        "b2bdirectconnectuser" => GuestType::B2bDirectConnectUser,
        "otherexternaluser" => GuestType::OtherExternalUser,
        "serviceprovider" => GuestType::ServiceProvider,
        _ => return None,
    };
    if user.guest != kind {
        return Some(false);
    }
    if kind == GuestType::InternalGuest {
        return Some(true);
    }
    let tenants = &guests["externalTenants"];
    if absent(tenants) {
        return Some(true);
    }
    if !tenants.is_object() || stray(tenants, &["membershipKind", "members"]) {
        return None;
    }
    let kind = string(tenants, "membershipKind").to_lowercase();
    let odata = string(tenants, "@odata.type");
    if kind == "all" || (kind.is_empty() && odata.ends_with("AllExternalTenants")) {
        return Some(true);
    }
    if kind != "enumerated" && !(kind.is_empty() && odata.ends_with("EnumeratedExternalTenants")) {
        return None;
    }
    let members = list(&tenants["members"]);
    if members.is_empty() {
        return Some(false);
    }
    let home = user.home_tenant.as_ref()?;
    if members.iter().any(|member| member.as_deref().is_some_and(|member| guid(member) && home == &member.into())) {
        return Some(true);
    }
    if members.iter().all(|member| member.as_deref().is_some_and(guid)) { Some(false) } else { None }
}

pub(super) fn client_channels(clients: &Value, names: &str, filter: &str, known: &[&str], id: &str, owned: bool) -> Vec<Tri> {
    if absent(clients) {
        return vec![];
    }
    if !clients.is_object() || stray(clients, known) || excludes_only(clients) || including_filter(&clients[filter]) {
        return vec![None];
    }
    list(&clients[names])
        .into_iter()
        .map(|word| match word?.to_lowercase().as_str() {
            "all" => Some(true),
            "none" => Some(false),
            "serviceprincipalsinmytenant" if names == "includeServicePrincipals" => Some(owned),
            word => guid(word).then(|| word == id),
        })
        .collect()
}

pub(super) fn including_filter(filter: &Value) -> bool {
    configured(filter) && !string(filter, "mode").eq_ignore_ascii_case("exclude")
}

pub(super) fn excludes_only(object: &Value) -> bool {
    configured(object) && own(object.as_object().unwrap()).all(|(name, value)| value.is_null() || name.starts_with("exclude"))
}
