//! What of the directory is only read here: groups, applications, role assignments, named locations, authentication
//! strengths, the organization. Policies, which are also written, are read here too.

use super::collection::{self, Property};
use super::query::{Query, QueryOption};
use super::{both, request, versions, view};
use crate::api::{Permission, Route};
use crate::error::ApiError;
use crate::state::ControlPlane;
use axum::Json;
use axum::extract::{Path, State};
use axum::routing::get;
use http::{Method, Uri};
use model::role::template;
use model::{Group, GroupId, Kind};
use serde_json::{Value, json};

/// One collection: its kind, its name in contexts, what it can be filtered by, whether members are expanded.
#[derive(Clone, Copy, Debug)]
struct Collection {
    kind: Kind,
    set: &'static str,
    properties: &'static [Property],
    options: &'static [QueryOption],
}

const READERS: &[&str] = &[
    template::GLOBAL_ADMINISTRATOR,
    template::GLOBAL_READER,
    template::USER_ADMINISTRATOR,
    template::APPLICATION_ADMINISTRATOR,
    template::SECURITY_ADMINISTRATOR,
    template::SECURITY_READER,
    template::CONDITIONAL_ACCESS_ADMINISTRATOR,
];
const DIRECTORY: Permission = Permission {
    scopes: &["Directory.ReadWrite.All", "User.ReadWrite.All"],
    roles: READERS,
    application: &["Directory.ReadWrite.All", "User.Read.All", "User.ReadWrite.All"],
};
const APPLICATIONS: Permission = Permission {
    scopes: &["Application.Read.All", "Directory.ReadWrite.All"],
    roles: READERS,
    application: &["Application.Read.All", "Application.ReadWrite.All", "Directory.ReadWrite.All"],
};
const POLICIES: Permission = Permission {
    scopes: &["Policy.Read.All", "Policy.ReadWrite.ConditionalAccess"],
    roles: READERS,
    application: &["Policy.Read.All", "Policy.ReadWrite.ConditionalAccess"],
};

const NAMED: &[Property] = &[Property::Text("id"), Property::Text("displayName")];
const OPTIONS: &[QueryOption] = &collection::OPTIONS;

const ORGANIZATION: Collection =
    Collection { kind: Kind::Organization, set: "organization", properties: NAMED, options: OPTIONS };
const GROUP: Collection = Collection {
    kind: Kind::Group,
    set: "groups",
    properties: NAMED,
    options: &[QueryOption::Filter, QueryOption::Top, QueryOption::Select, QueryOption::SkipToken, QueryOption::Expand],
};
const ROLE_ASSIGNMENT: Collection = Collection {
    kind: Kind::RoleAssignment,
    set: "roleManagement/directory/roleAssignments",
    properties: &[Property::Text("id"), Property::Text("principalId"), Property::Text("roleDefinitionId")],
    options: OPTIONS,
};
const APPLICATION: Collection = Collection {
    kind: Kind::Application,
    set: "applications",
    properties: &[
        Property::Text("id"),
        Property::Text("appId"),
        Property::Text("displayName"),
        Property::Object("onPremisesPublishing"),
    ],
    options: OPTIONS,
};
const NAMED_LOCATION: Collection = Collection {
    kind: Kind::NamedLocation,
    set: "identity/conditionalAccess/namedLocations",
    properties: NAMED,
    options: OPTIONS,
};
const STRENGTH: Collection = Collection {
    kind: Kind::AuthenticationStrengthPolicy,
    set: "policies/authenticationStrengthPolicies",
    properties: NAMED,
    options: OPTIONS,
};
const POLICY: Collection = Collection {
    kind: Kind::ConditionalAccessPolicy,
    set: "identity/conditionalAccess/policies",
    properties: &[Property::Text("id"), Property::Text("displayName"), Property::Text("state")],
    options: OPTIONS,
};

pub(crate) fn routes() -> Vec<Route> {
    let readable = [
        (ORGANIZATION, DIRECTORY, versions!("/organization"), versions!("/organization/{id}")),
        (GROUP, DIRECTORY, versions!("/groups"), versions!("/groups/{id}")),
        (
            ROLE_ASSIGNMENT,
            DIRECTORY,
            versions!("/roleManagement/directory/roleAssignments"),
            versions!("/roleManagement/directory/roleAssignments/{id}"),
        ),
        (APPLICATION, APPLICATIONS, versions!("/applications"), versions!("/applications/{id}")),
        (
            NAMED_LOCATION,
            POLICIES,
            versions!("/identity/conditionalAccess/namedLocations"),
            versions!("/identity/conditionalAccess/namedLocations/{id}"),
        ),
        (
            STRENGTH,
            POLICIES,
            versions!("/policies/authenticationStrengthPolicies"),
            versions!("/policies/authenticationStrengthPolicies/{id}"),
        ),
        (
            POLICY,
            POLICIES,
            versions!("/identity/conditionalAccess/policies"),
            versions!("/identity/conditionalAccess/policies/{id}"),
        ),
    ];
    let mut routes = Vec::new();
    for (served, permission, many, one) in readable {
        let list = move |State(state): State<ControlPlane>, uri: Uri| async move { list(&state, &uri, served) };
        let read = move |State(state): State<ControlPlane>, Path(id): Path<String>, uri: Uri| async move {
            read(&state, &uri, served, &id)
        };
        routes.extend(both(&Method::GET, many, permission, &get(list)));
        routes.extend(both(&Method::GET, one, permission, &get(read)));
    }
    routes.extend(both(&Method::GET, versions!("/groups/{id}/members"), DIRECTORY, &get(members)));
    routes
}

fn list(state: &ControlPlane, uri: &Uri, served: Collection) -> Result<Json<Value>, ApiError> {
    let query = request::query(uri, served.options, collection::MOST)?;
    let snapshot = state.snapshot();
    let (values, next) = collection::page(collection::of_kind(&snapshot, served.kind), served.properties, &query)?;
    let values = values.into_iter().map(|value| expanded(value, served.kind, &query)).collect::<Result<_, _>>()?;
    let context = request::context(state, uri, served.set);
    Ok(Json(collection::answer(&context, (values, next), |token| request::continued(state, uri, token))))
}

fn read(state: &ControlPlane, uri: &Uri, served: Collection, id: &str) -> Result<Json<Value>, ApiError> {
    let options: Vec<QueryOption> =
        served.options.iter().copied().filter(|option| matches!(option, QueryOption::Select | QueryOption::Expand)).collect();
    let query = request::query(uri, &options, collection::MOST)?;
    let snapshot = state.snapshot();
    let value = collection::object(&snapshot, served.kind, &id.to_lowercase());
    let value = value.ok_or_else(|| ApiError::not_found(id))?;
    let value = expanded(view::public(value.clone()), served.kind, &query)?;
    let value = view::select(value, query.select.as_deref());
    Ok(Json(view::entity(&request::context(state, uri, served.set), value)))
}

/// A group's members are shown when asked for (`$expand=members`), as in Graph.
fn expanded(mut value: Value, kind: Kind, query: &Query) -> Result<Value, ApiError> {
    let wants_members = match query.expand.as_deref() {
        None => false,
        Some("members") => true,
        Some(other) => return Err(ApiError::BadRequest(format!("$expand=`{other}` is not supported; hint: members"))),
    };
    if kind == Kind::Group
        && !wants_members
        && let Some(object) = value.as_object_mut()
    {
        object.shift_remove("members");
    }
    Ok(value)
}

async fn members(State(state): State<ControlPlane>, Path(id): Path<String>, uri: Uri) -> Result<Json<Value>, ApiError> {
    let query = request::query(&uri, &[QueryOption::Top, QueryOption::Select, QueryOption::SkipToken], collection::MOST)?;
    let snapshot = state.snapshot();
    let group = snapshot.directory.groups.get(&GroupId::new(&id));
    let group: &Group = group.ok_or_else(|| ApiError::not_found(&id))?;
    let mut members: Vec<(&str, Value)> = group
        .members
        .iter()
        .map(|member| {
            let id = member.id.as_str();
            let kinds = [(Kind::User, "#microsoft.graph.user"), (Kind::Group, "#microsoft.graph.group")];
            let found = kinds.into_iter().find_map(|(kind, name)| {
                let name_of = |value: &Value| json!({"@odata.type": name, "id": id, "displayName": value.get("displayName")});
                collection::object(&snapshot, kind, id).map(name_of)
            });
            (id, found.unwrap_or_else(|| json!({"id": id})))
        })
        .collect();
    members.sort_unstable_by(|left, right| left.0.cmp(right.0));
    let page = collection::page(members.iter().map(|(id, value)| (*id, value)), &[], &query)?;
    let context = request::context(&state, &uri, "directoryObjects");
    Ok(Json(collection::answer(&context, page, |token| request::continued(&state, &uri, token))))
}
