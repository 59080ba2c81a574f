//! The directory and the compiled policies as one immutable value: what every request of a moment decides from.

use model::{Directory, Object, Organization, TenantId};
use policy::CompiledPolicies;
use std::collections::BTreeMap;
use store::object::StoredObject;

#[derive(Debug)]
pub struct Snapshot {
    pub directory: Directory,
    pub policies: CompiledPolicies,
    /// As stored, for Graph to show: policies, named locations, strengths, by kind and id.
    pub objects: BTreeMap<(model::Kind, String), serde_json::Value>,
    pub revision: i64,
}

/// An object that the store holds but this version cannot read. It must stop the start, not vanish.
#[derive(Debug, thiserror::Error)]
#[error("stored {kind} `{id}` is unreadable: {reason}")]
pub struct SnapshotError {
    pub kind: model::Kind,
    pub id: String,
    pub reason: String,
}

impl Snapshot {
    pub fn build(stored: Vec<StoredObject>, revision: i64) -> Result<Self, SnapshotError> {
        let mut organization: Option<Organization> = None;
        let (mut users, mut groups, mut roles, mut applications) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut policies, mut locations, mut strengths) = (Vec::new(), Vec::new(), Vec::new());
        let mut objects = BTreeMap::new();
        for row in stored {
            let unreadable = |reason: String| SnapshotError { kind: row.kind, id: row.id.clone(), reason };
            let value: serde_json::Value = serde_json::from_str(&row.body).map_err(|error| unreadable(error.to_string()))?;
            let object = Object::of_kind(row.kind, value.clone()).map_err(|error| unreadable(error.to_string()))?;
            objects.insert((row.kind, row.id.clone()), value);
            match object {
                Object::Organization(object) => organization = Some(object),
                Object::User(object) => users.push(object),
                Object::Group(object) => groups.push(object),
                Object::RoleAssignment(object) => roles.push(object),
                Object::Application(object) => applications.push(*object),
                Object::NamedLocation(object) => locations.push(object),
                Object::AuthenticationStrengthPolicy(object) => strengths.push(object),
                Object::ConditionalAccessPolicy(object) => policies.push(*object),
            }
        }
        Ok(Self {
            directory: Directory::new(organization, users, groups, roles, applications),
            policies: policy::compile(&policies, &locations, &strengths),
            objects,
            revision,
        })
    }

    pub fn tenant(&self) -> Option<&TenantId> {
        self.directory.organization.as_ref().map(|organization| &organization.id)
    }
}
