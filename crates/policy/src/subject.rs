//! Who a policy is for: users, workload identities, agent identities, agents' user accounts.
//!
//! Include channels are ORed, exclude channels too, and an exclusion overrides. What is not understood widens the
//! include side and never the exclude side. Group membership and roles come with the request; nothing is looked up.

use crate::answer::Condition;
use crate::request::{GuestType, Principal, UserFacts};
use crate::wire::{List, Node, Notes, Shape, is_guid, word};
use model::{GroupId, ObjectId, RoleTemplateId, TenantId, UserId};
use serde_json::Value;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
pub(crate) struct Subject {
    users: Sides<UserSet>,
    workloads: Sides<ClientSet>,
    agents: Sides<ClientSet>,
    agent_users: Sides<ClientSet>,
    /// Neither users nor clients nor agents are named: Graph allows no such policy, so it is for everybody.
    unnamed: bool,
}

#[derive(Clone, Debug, Default)]
struct Sides<T> {
    include: T,
    exclude: T,
}

#[derive(Clone, Debug, Default)]
struct UserSet {
    /// `All`: everyone in the directory, guests too, but not agents' user accounts.
    all: bool,
    /// Members that were not understood: may hold anybody.
    open: bool,
    users: BTreeSet<UserId>,
    groups: BTreeSet<GroupId>,
    roles: BTreeSet<RoleTemplateId>,
    guests: Vec<Guests>,
}

#[derive(Clone, Debug)]
struct Guests {
    types: BTreeSet<GuestType>,
    tenants: Tenants,
}

#[derive(Clone, Debug)]
enum Tenants {
    All,
    /// An empty list holds no tenant.
    These(List<TenantId>),
    NotUnderstood,
}

/// Service principals, or agents' user accounts.
#[derive(Clone, Debug, Default)]
struct ClientSet {
    all: bool,
    /// `ServicePrincipalsInMyTenant`.
    owned: bool,
    open: bool,
    ids: BTreeSet<ObjectId>,
}

const GUEST_TYPES: [(&str, GuestType); 6] = [
    ("internalGuest", GuestType::InternalGuest),
    ("b2bCollaborationGuest", GuestType::B2bCollaborationGuest),
    ("b2bCollaborationMember", GuestType::B2bCollaborationMember),
    ("b2bDirectConnectUser", GuestType::B2bDirectConnectUser),
    ("otherExternalUser", GuestType::OtherExternalUser),
    ("serviceProvider", GuestType::ServiceProvider),
];

impl Subject {
    /// Reads `users`, `clientApplications` and `agents` of the condition set.
    pub(crate) fn read(conditions: &Node<'_>, notes: &mut Notes) -> Self {
        let users = conditions.member("users");
        let clients = conditions.member("clientApplications");
        let agents = conditions.member("agents");
        let mut subject = Self {
            users: read_users(&users, notes),
            workloads: Sides::default(),
            agents: Sides::default(),
            agent_users: Sides::default(),
            unnamed: false,
        };
        subject.read_clients(&clients, notes);
        subject.read_agents(&agents, notes);
        let named = users.members().any(|(_, member)| !member.is_null()) || clients.is_configured() || agents.is_configured();
        if !named && subject.is_empty() {
            subject.unnamed = true;
            notes.not_understood(&users, "names nobody: `users` or `clientApplications` is required");
        }
        subject
    }

    /// Nobody can be meant: `includeUsers: ["None"]` and nothing beside it.
    pub(crate) fn is_empty(&self) -> bool {
        !self.unnamed
            && self.users.include.is_empty()
            && [&self.workloads, &self.agents, &self.agent_users].into_iter().all(|clients| clients.include.is_empty())
    }

    pub(crate) fn covers(&self, principal: &Principal) -> (Condition, bool) {
        match principal {
            Principal::User(user) if user.is_agent_user => {
                let id = user.id.object();
                let excluded = self.users.exclude.excludes(user) || self.agent_users.exclude.excludes(&id, false);
                let as_user = self.unnamed || self.users.include.includes(user);
                let as_agent = self.agent_users.include.includes(&id, false);
                let by_agents = as_agent || (!as_user && !self.agent_users.include.is_empty());
                let condition = if by_agents { Condition::AgentIdentities } else { Condition::Users };
                (condition, (as_user || as_agent) && !excluded)
            }
            Principal::User(user) => {
                let included = self.unnamed || self.users.include.includes(user);
                (Condition::Users, included && !self.users.exclude.excludes(user))
            }
            Principal::Workload(workload) => {
                let covered = self.workloads.cover(&workload.service_principal, workload.owned_by_this_tenant);
                (Condition::WorkloadIdentities, self.unnamed || covered)
            }
            Principal::Agent(agent) => {
                (Condition::AgentIdentities, self.unnamed || self.agents.cover(&agent.service_principal, false))
            }
        }
    }

    fn read_clients(&mut self, clients: &Node<'_>, notes: &mut Notes) {
        match clients.shape(notes) {
            Shape::Absent => {}
            Shape::Unreadable => {
                self.workloads.include.open = true;
                self.agents.include.open = true;
            }
            Shape::Object => {
                let principal = |text: &str| client(text, &["All", "ServicePrincipalsInMyTenant", "None"]);
                self.workloads.include = read_client_set(&clients.member("includeServicePrincipals"), notes, principal);
                self.workloads.exclude = read_client_set(&clients.member("excludeServicePrincipals"), notes, excluded_client);
                let agent = |text: &str| client(text, &["All", "None"]);
                self.agents.include = read_client_set(&clients.member("includeAgentIdServicePrincipals"), notes, agent);
                self.agents.exclude = read_client_set(&clients.member("excludeAgentIdServicePrincipals"), notes, excluded_client);
                self.workloads.include.open |= read_filter(&clients.member("servicePrincipalFilter"), notes);
                self.agents.include.open |= read_filter(&clients.member("agentIdServicePrincipalFilter"), notes);
                let known = [
                    "includeServicePrincipals",
                    "excludeServicePrincipals",
                    "servicePrincipalFilter",
                    "includeAgentIdServicePrincipals",
                    "excludeAgentIdServicePrincipals",
                    "agentIdServicePrincipalFilter",
                ];
                if clients.unknown_members(&known, notes) || excludes_only(clients, notes) {
                    self.workloads.include.open = true;
                    self.agents.include.open = true;
                }
            }
        }
    }

    fn read_agents(&mut self, agents: &Node<'_>, notes: &mut Notes) {
        match agents.shape(notes) {
            Shape::Absent => {}
            Shape::Unreadable => self.agent_users.include.open = true,
            Shape::Object => {
                let agent = |text: &str| client(text, &["All", "None"]);
                self.agent_users.include = read_client_set(&agents.member("includeAgentUsers"), notes, agent);
                self.agent_users.exclude = read_client_set(&agents.member("excludeAgentUsers"), notes, excluded_client);
                self.agent_users.include.open |= read_filter(&agents.member("agentFilter"), notes);
                let known = ["includeAgentUsers", "excludeAgentUsers", "agentFilter"];
                self.agent_users.include.open |= agents.unknown_members(&known, notes) || excludes_only(agents, notes);
            }
        }
    }
}

impl UserSet {
    fn is_empty(&self) -> bool {
        !self.all
            && !self.open
            && self.users.is_empty()
            && self.groups.is_empty()
            && self.roles.is_empty()
            && self.guests.iter().all(|guests| guests.types.is_empty())
    }

    fn includes(&self, user: &UserFacts) -> bool {
        self.open
            || (self.all && !user.is_agent_user)
            || self.users.contains(&user.id)
            || !self.groups.is_disjoint(&user.groups)
            || !self.roles.is_disjoint(&user.roles)
            || self.guests.iter().any(|guests| guests.may_hold(user))
    }

    /// Agents' user accounts cannot be excluded through groups (documented as unsupported), so only by name.
    fn excludes(&self, user: &UserFacts) -> bool {
        self.users.contains(&user.id)
            || (!user.is_agent_user
                && (!self.groups.is_disjoint(&user.groups)
                    || !self.roles.is_disjoint(&user.roles)
                    || self.guests.iter().any(|guests| guests.surely_holds(user))))
    }
}

impl Guests {
    fn everybody() -> Self {
        Self { types: GUEST_TYPES.iter().map(|(_, guest)| *guest).collect(), tenants: Tenants::All }
    }

    fn may_hold(&self, user: &UserFacts) -> bool {
        self.types.contains(&user.guest)
            && (user.guest == GuestType::InternalGuest
                || match (&self.tenants, &user.home_tenant) {
                    (Tenants::All | Tenants::NotUnderstood, _) => true,
                    (Tenants::These(tenants), Some(home)) => tenants.may_contain(home),
                    (Tenants::These(tenants), None) => !tenants.is_empty(),
                })
    }

    fn surely_holds(&self, user: &UserFacts) -> bool {
        self.types.contains(&user.guest)
            && (user.guest == GuestType::InternalGuest
                || match (&self.tenants, &user.home_tenant) {
                    (Tenants::All, _) => true,
                    (Tenants::These(tenants), Some(home)) => tenants.known.contains(home),
                    (Tenants::These(_), None) | (Tenants::NotUnderstood, _) => false,
                })
    }
}

impl ClientSet {
    fn is_empty(&self) -> bool {
        !self.all && !self.owned && !self.open && self.ids.is_empty()
    }

    fn includes(&self, id: &ObjectId, owned_by_this_tenant: bool) -> bool {
        self.open || self.excludes(id, owned_by_this_tenant)
    }

    fn excludes(&self, id: &ObjectId, owned_by_this_tenant: bool) -> bool {
        self.all || (self.owned && owned_by_this_tenant) || self.ids.contains(id)
    }
}

impl Sides<ClientSet> {
    fn cover(&self, id: &ObjectId, owned_by_this_tenant: bool) -> bool {
        self.include.includes(id, owned_by_this_tenant) && !self.exclude.excludes(id, owned_by_this_tenant)
    }
}

fn read_users(users: &Node<'_>, notes: &mut Notes) -> Sides<UserSet> {
    let mut sides = Sides::<UserSet>::default();
    match users.shape(notes) {
        Shape::Absent => {}
        Shape::Unreadable => sides.include.open = true,
        Shape::Object => {
            let included = users.member("includeUsers").list(notes, |text| user(text, &["All", "None", "GuestsOrExternalUsers"]));
            let excluded = users.member("excludeUsers").list(notes, |text| user(text, &["None", "GuestsOrExternalUsers"]));
            let include_groups = users.member("includeGroups").list(notes, guid(GroupId::new));
            let include_roles = users.member("includeRoles").list(notes, guid(RoleTemplateId::new));
            let guests = users.member("includeGuestsOrExternalUsers");
            sides.include.open = included.open || include_groups.open || include_roles.open;
            sides.include.groups = include_groups.known;
            sides.include.roles = include_roles.known;
            sides.include.add(included.known);
            sides.include.open |= sides.include.read_guests(&guests, notes);

            sides.exclude.groups = users.member("excludeGroups").list(notes, guid(GroupId::new)).known;
            sides.exclude.roles = users.member("excludeRoles").list(notes, guid(RoleTemplateId::new)).known;
            sides.exclude.add(excluded.known);
            sides.exclude.read_guests(&users.member("excludeGuestsOrExternalUsers"), notes);

            let known = [
                "includeUsers",
                "excludeUsers",
                "includeGroups",
                "excludeGroups",
                "includeRoles",
                "excludeRoles",
                "includeGuestsOrExternalUsers",
                "excludeGuestsOrExternalUsers",
            ];
            sides.include.open |= users.unknown_members(&known, notes);
            sides.include.open |= excludes_only(users, notes);
        }
    }
    sides
}

impl UserSet {
    fn add(&mut self, names: BTreeSet<Name<UserId>>) {
        for name in names {
            match name {
                Name::Keyword("All") => self.all = true,
                Name::Keyword("GuestsOrExternalUsers") => self.guests.push(Guests::everybody()),
                Name::Keyword(_) => {}
                Name::Id(id) => {
                    self.users.insert(id);
                }
            }
        }
    }

    /// True when something was not understood that may mean anybody.
    fn read_guests(&mut self, guests: &Node<'_>, notes: &mut Notes) -> bool {
        match guests.shape(notes) {
            Shape::Absent => false,
            Shape::Unreadable => true,
            Shape::Object => {
                let types = guests.member("guestOrExternalUserTypes").flags(notes, |text| {
                    if text.eq_ignore_ascii_case("none") { Some(None) } else { word(&GUEST_TYPES, text).map(Some) }
                });
                let tenants = read_tenants(&guests.member("externalTenants"), notes);
                let open = guests.unknown_members(&["guestOrExternalUserTypes", "externalTenants"], notes);
                let known: BTreeSet<GuestType> = types.known.into_iter().flatten().collect();
                if !known.is_empty() {
                    self.guests.push(Guests { types: known, tenants });
                }
                types.open || open
            }
        }
    }
}

fn read_tenants(tenants: &Node<'_>, notes: &mut Notes) -> Tenants {
    match tenants.shape(notes) {
        Shape::Absent => Tenants::All,
        Shape::Unreadable => Tenants::NotUnderstood,
        Shape::Object => {
            let kind = tenants.value.get("membershipKind").and_then(Value::as_str).unwrap_or_default();
            let odata_type = tenants.value.get("@odata.type").and_then(Value::as_str).unwrap_or_default();
            let unknown = tenants.unknown_members(&["membershipKind", "members"], notes);
            if unknown {
                Tenants::NotUnderstood
            } else if kind.eq_ignore_ascii_case("all") || (kind.is_empty() && odata_type.ends_with("AllExternalTenants")) {
                Tenants::All
            } else if kind.eq_ignore_ascii_case("enumerated")
                || (kind.is_empty() && odata_type.ends_with("EnumeratedExternalTenants"))
            {
                Tenants::These(tenants.member("members").list(notes, guid(TenantId::new)))
            } else {
                notes.not_understood(tenants, "neither all external tenants nor an enumeration of them");
                Tenants::NotUnderstood
            }
        }
    }
}

/// Exclusions without any list to exclude from: Graph allows no such condition, so it is for everybody else. (An include
/// list that is there and empty includes nobody.)
fn excludes_only(node: &Node<'_>, notes: &mut Notes) -> bool {
    let includes = node.members().any(|(name, member)| !name.starts_with("exclude") && !member.is_null());
    let excludes_only = !includes && node.is_configured();
    if excludes_only {
        notes.not_understood(node, "excludes without including anybody");
    }
    excludes_only
}

/// Filters on custom security attributes: noted, and in include mode they may match anything.
fn read_filter(filter: &Node<'_>, notes: &mut Notes) -> bool {
    if !filter.is_configured() {
        return false;
    }
    notes.not_understood(filter, "filters on custom security attributes are not evaluated");
    !filter.value.get("mode").and_then(Value::as_str).is_some_and(|mode| mode.eq_ignore_ascii_case("exclude"))
}

fn read_client_set(node: &Node<'_>, notes: &mut Notes, parse: impl Fn(&str) -> Option<Name<ObjectId>>) -> ClientSet {
    let list: List<Name<ObjectId>> = node.list(notes, parse);
    let mut set = ClientSet { open: list.open, ..ClientSet::default() };
    for name in list.known {
        match name {
            Name::Keyword("All") => set.all = true,
            Name::Keyword("ServicePrincipalsInMyTenant") => set.owned = true,
            Name::Keyword(_) => {}
            Name::Id(id) => {
                set.ids.insert(id);
            }
        }
    }
    set
}

/// A member of a list that holds ids and a few keywords.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name<T> {
    Keyword(&'static str),
    Id(T),
}

fn user(text: &str, keywords: &[&'static str]) -> Option<Name<UserId>> {
    name(text, keywords, UserId::new)
}

fn client(text: &str, keywords: &[&'static str]) -> Option<Name<ObjectId>> {
    name(text, keywords, ObjectId::new)
}

fn excluded_client(text: &str) -> Option<Name<ObjectId>> {
    client(text, &["None"])
}

fn name<T>(text: &str, keywords: &[&'static str], new: fn(&str) -> T) -> Option<Name<T>> {
    let keyword = keywords.iter().find(|keyword| keyword.eq_ignore_ascii_case(text));
    keyword.map(|keyword| Name::Keyword(keyword)).or_else(|| is_guid(text).then(|| Name::Id(new(text))))
}

fn guid<T>(new: fn(&str) -> T) -> impl Fn(&str) -> Option<T> {
    move |text| is_guid(text).then(|| new(text))
}
