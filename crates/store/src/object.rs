//! The tenant's Graph objects, as JSON text. What is searched or unique stands in columns beside it.
//!
//! Every `put` and `delete` takes the next number of one counter, the revision: an observer that reads the revision
//! first and the objects after it never holds objects older than the revision it noted.

use crate::database::{all, current, execute, next, optional};
use crate::{Store, StoreError, Tx};
use model::{Kind, Object, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    pub kind: Kind,
    pub id: String,
    /// The Graph object, JSON.
    pub body: String,
    /// The number of the change that wrote it.
    pub revision: i64,
}

/// Ordered by kind's name and id.
pub async fn all(store: &Store) -> Result<Vec<StoredObject>, StoreError> {
    let rows = all!(store, Row, "SELECT kind, id, body, revision FROM directory_object ORDER BY kind, id")?;
    rows.into_iter().map(object).collect()
}

pub async fn get_in(tx: &mut Tx, kind: Kind, id: &str) -> Result<Option<StoredObject>, StoreError> {
    optional!(tx, Row, GET, kind.as_str(), id)?.map(object).transpose()
}

/// The number of the newest change to any object; 0 before the first.
pub async fn revision(store: &Store) -> Result<i64, StoreError> {
    current(store, "revision").await
}

/// The same within a transaction; nobody else changes an object until it ends.
pub async fn revision_in(tx: &mut Tx) -> Result<i64, StoreError> {
    let row = optional!(tx, (i64,), "UPDATE counter SET value = value WHERE name = 'revision' RETURNING value")?;
    let missing = || StoreError::Corrupt { table: "counter", reason: "no row `revision`".to_owned() };
    row.map(|(value,)| value).ok_or_else(missing)
}

/// Creates or replaces. Returns the new revision.
pub async fn put(tx: &mut Tx, object: &Object, now: Timestamp) -> Result<i64, StoreError> {
    let unique = unique(object);
    let (user_principal_name, app_id) = match &unique {
        Unique::UserPrincipalName(name) => (Some(name.as_str()), None),
        Unique::AppId(id) => (None, Some(id.as_str())),
        Unique::Nothing => (None, None),
    };
    let revision = next(tx, "revision", now).await?;
    execute!(
        tx,
        "INSERT INTO directory_object (kind, id, body, revision, user_principal_name, app_id) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body, revision = excluded.revision, \
         user_principal_name = excluded.user_principal_name, app_id = excluded.app_id",
        object.kind().as_str(),
        object.id(),
        object.to_value().to_string(),
        revision,
        user_principal_name,
        app_id,
    )
    .map_err(|error| {
        error.conflict_over(|| match &unique {
            Unique::UserPrincipalName(name) => format!("userPrincipalName `{name}`"),
            Unique::AppId(id) => format!("appId `{id}`"),
            Unique::Nothing => format!("{} `{}`", object.kind(), object.id()),
        })
    })?;
    Ok(revision)
}

/// False when there is no such object; the revision then stays as it was.
pub async fn delete(tx: &mut Tx, kind: Kind, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let gone = execute!(tx, "DELETE FROM directory_object WHERE kind = $1 AND id = $2", kind.as_str(), id)? > 0;
    if gone {
        next(tx, "revision", now).await?;
    }
    Ok(gone)
}

type Row = (String, String, String, i64);

const GET: &str = "SELECT kind, id, body, revision FROM directory_object WHERE kind = $1 AND id = $2";

enum Unique {
    UserPrincipalName(String),
    AppId(String),
    Nothing,
}

fn unique(object: &Object) -> Unique {
    match object {
        Object::User(user) => Unique::UserPrincipalName(user.user_principal_name.to_lowercase()),
        Object::Application(application) => Unique::AppId(application.app_id.as_str().to_owned()),
        Object::Organization(_)
        | Object::Group(_)
        | Object::RoleAssignment(_)
        | Object::NamedLocation(_)
        | Object::AuthenticationStrengthPolicy(_)
        | Object::ConditionalAccessPolicy(_) => Unique::Nothing,
    }
}

fn object((kind, id, body, revision): Row) -> Result<StoredObject, StoreError> {
    let kind = Kind::parse(&kind)
        .ok_or_else(|| StoreError::Corrupt { table: "directory_object", reason: format!("unknown kind `{kind}`") })?;
    Ok(StoredObject { kind, id, body, revision })
}
