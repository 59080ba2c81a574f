//! What applying would do: each object beside the stored one, and everything that stands in the way. Pure.

use super::read::Item;
use super::validate;
use super::{Action, Line, Problem, Report};
use crate::graph::collection;
use crate::snapshot::Snapshot;
use model::{Application, Directory, Kind, Object, User};
use std::collections::BTreeSet;

#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) planned: Vec<Planned<'a>>,
    problems: Vec<Problem>,
}

#[derive(Debug)]
pub(super) struct Planned<'a> {
    pub(super) item: &'a Item,
    pub(super) before: Option<Object>,
    pub(super) after: Object,
    pub(super) action: Action,
}

impl<'a> Plan<'a> {
    /// `problems` are those already found when reading.
    pub(super) fn new(items: &'a [Item], mut problems: Vec<Problem>, snapshot: &Snapshot) -> Self {
        let planned: Vec<Planned<'a>> = items.iter().map(|item| planned(item, snapshot)).collect();
        let after = directory_after(&snapshot.directory, &planned);
        problems.extend(validate::problems(&planned, snapshot, &after));
        problems.sort_by_key(|problem| problem.severity);
        Self { planned, problems }
    }

    pub(super) fn report(&self, revision: i64) -> Report {
        let line = |planned: &Planned<'_>| Line {
            kind: planned.after.kind().as_str(),
            id: planned.after.id().to_owned(),
            display_name: planned.after.display_name().to_owned(),
            action: planned.action,
        };
        Report { revision, changes: self.planned.iter().map(line).collect(), problems: self.problems.clone() }
    }
}

fn planned<'a>(item: &'a Item, snapshot: &Snapshot) -> Planned<'a> {
    let (kind, id) = (item.object.kind(), item.object.id());
    let before = collection::object(snapshot, kind, id).and_then(|value| Object::of_kind(kind, value.clone()).ok());
    let after = match (&item.object, &before) {
        (Object::User(user), Some(Object::User(before))) => Object::User(kept_user(user, before)),
        (Object::Application(application), Some(Object::Application(before))) => {
            Object::Application(Box::new(kept_application(application, before)))
        }
        (object, _) => object.clone(),
    };
    let action = match &before {
        None => Action::Create,
        Some(before) if *before == after => Action::Unchanged,
        Some(_) => Action::Update,
    };
    Planned { item, before, after, action }
}

/// The moment from which sessions count only ever moves forward: applying an old folder does not bring sessions back.
fn kept_user(user: &User, before: &User) -> User {
    let mut kept = user.clone();
    kept.sign_in_sessions_valid_from_date_time =
        user.sign_in_sessions_valid_from_date_time.max(before.sign_in_sessions_valid_from_date_time);
    kept
}

/// Secrets that are not given anew stay: an exported application does not have them.
fn kept_application(application: &Application, before: &Application) -> Application {
    let mut kept = application.clone();
    if kept.password_credentials.is_empty() {
        kept.password_credentials = before.password_credentials.clone();
    }
    for credential in &mut kept.password_credentials {
        if credential.secret_sha256.is_none() {
            let stored = before.password_credentials.iter().find(|stored| stored.key_id == credential.key_id);
            credential.secret_sha256 = stored.and_then(|stored| stored.secret_sha256.clone());
        }
    }
    kept
}

/// The directory as it would be.
fn directory_after(before: &Directory, planned: &[Planned<'_>]) -> Directory {
    let mut organization = before.organization.clone();
    let (mut users, mut groups, mut applications) = (before.users.clone(), before.groups.clone(), before.applications.clone());
    let mut role_assignments = before.role_assignments.clone();
    for planned in planned {
        match &planned.after {
            Object::Organization(object) => organization = Some(object.clone()),
            Object::User(object) => {
                users.insert(object.id.clone(), object.clone());
            }
            Object::Group(object) => {
                groups.insert(object.id.clone(), object.clone());
            }
            Object::RoleAssignment(object) => {
                role_assignments.retain(|other| other.id != object.id);
                role_assignments.push(object.clone());
            }
            Object::Application(object) => {
                applications.retain(|_, other| other.id != object.id);
                applications.insert(object.app_id.clone(), (**object).clone());
            }
            Object::NamedLocation(_) | Object::AuthenticationStrengthPolicy(_) | Object::ConditionalAccessPolicy(_) => {}
        }
    }
    Directory::new(organization, users.into_values(), groups.into_values(), role_assignments, applications.into_values())
}

/// Stored objects of `kind` with those of the plan in their place.
pub(super) fn after_of_kind(snapshot: &Snapshot, planned: &[Planned<'_>], kind: Kind) -> Vec<Object> {
    let new: Vec<&Object> = planned.iter().map(|planned| &planned.after).filter(|object| object.kind() == kind).collect();
    let replaced: BTreeSet<&str> = new.iter().map(|object| object.id()).collect();
    let stored = collection::of_kind(snapshot, kind).filter(|(id, _)| !replaced.contains(id));
    let stored = stored.filter_map(|(_, value)| Object::of_kind(kind, value.clone()).ok());
    stored.chain(new.iter().map(|object| (*object).clone())).collect()
}
