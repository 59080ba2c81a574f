//! Opening: what is created, what is refused, and that what is refused stays as it was.

use crate::fixture::{NOW, Place, raw, user};
use std::os::unix::fs::PermissionsExt as _;
use store::{Store, StoreError, StoreOptions, object};

#[tokio::test]
async fn a_new_database_is_its_owners_alone() {
    let place = Place::new();
    let store = place.open().await;
    let mut tx = store.begin().await.unwrap();
    object::put(&mut tx, &user("u1", "alex@woodgrove.example"), NOW).await.unwrap();
    tx.commit().await.unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let file = format!("{}{suffix}", place.path().display());
        let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
}

#[tokio::test]
async fn what_was_written_is_there_when_opened_again() {
    let place = Place::new();
    for round in 1..=3 {
        let store = place.open().await;
        assert_eq!(object::revision(&store).await.unwrap(), round - 1);
        let mut tx = store.begin().await.unwrap();
        object::put(&mut tx, &user("u1", "alex@woodgrove.example"), NOW).await.unwrap();
        tx.commit().await.unwrap();
        store.close().await;
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_by_name_and_not_touched() {
    let place = Place::new();
    place.open().await.close().await;
    let mut connection = raw(&place.path()).await;
    sqlx::query("INSERT INTO schema_migration (version) VALUES (999)").execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    let before = std::fs::read(place.path()).unwrap();

    let error = Store::open(&place.path(), StoreOptions::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::NewerSchema { found: 999, known: 1 }), "{error:?}");
    assert_eq!(error.to_string(), "the database has schema version 999, but this program knows versions up to 1 only");
    assert_eq!(std::fs::read(place.path()).unwrap(), before);
}

#[tokio::test]
async fn a_file_that_is_not_a_database_is_refused_and_not_touched() {
    for content in [&b"hello"[..], &[b'x'; 8192], b"SQLite format 3\0 and then something else altogether"] {
        let place = Place::new();
        std::fs::write(place.path(), content).unwrap();
        let error = Store::open(&place.path(), StoreOptions::default()).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreadable { .. }), "{error:?}");
        let message = error.to_string();
        assert!(message.contains("countersign.db` as a database: file is not a database"), "{message}");
        assert_eq!(std::fs::read(place.path()).unwrap(), content);
    }
}

#[tokio::test]
async fn another_programs_database_is_refused_and_not_touched() {
    let place = Place::new();
    let mut connection = raw(&place.path()).await;
    sqlx::query("CREATE TABLE recipe (name TEXT)").execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    let before = std::fs::read(place.path()).unwrap();

    let error = Store::open(&place.path(), StoreOptions::default()).await.unwrap_err();
    assert!(error.to_string().ends_with("it holds the tables of another program"), "{error}");
    assert_eq!(std::fs::read(place.path()).unwrap(), before);
}

#[tokio::test]
async fn a_path_that_cannot_be_a_file_is_refused() {
    let place = Place::new();
    let below = place.path().join("missing").join("countersign.db");
    for path in [below.as_path(), place.path().parent().unwrap()] {
        let error = Store::open(path, StoreOptions::default()).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreadable { .. }), "{error:?}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

#[tokio::test]
async fn a_database_damaged_in_its_schema_is_refused() {
    let place = Place::new();
    place.open().await.close().await;
    let mut bytes = std::fs::read(place.path()).unwrap();
    bytes[100..2000].fill(0xff);
    std::fs::write(place.path(), &bytes).unwrap();
    let error = Store::open(&place.path(), StoreOptions::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreadable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_disk_too_full_for_the_schema_leaves_nothing_half_made() {
    let place = Place::new();
    let error = Store::open(&place.path(), StoreOptions { max_pages: Some(5) }).await.unwrap_err();
    assert!(matches!(error, StoreError::Full), "{error:?}");
    let store = place.open().await;
    assert_eq!(object::all(&store).await.unwrap(), []);
}

#[tokio::test]
async fn two_processes_may_start_at_once() {
    let place = Place::new();
    let path = place.path();
    let opened = (0..4).map(|_| {
        let path = path.clone();
        tokio::spawn(async move { Store::open(&path, StoreOptions::default()).await })
    });
    let opened: Vec<_> = opened.collect();
    let mut stores = Vec::new();
    for handle in opened {
        stores.push(handle.await.unwrap().unwrap());
    }
    let mut tx = stores[0].begin().await.unwrap();
    object::put(&mut tx, &user("u1", "alex@woodgrove.example"), NOW).await.unwrap();
    tx.commit().await.unwrap();
    for store in &stores {
        assert_eq!(object::all(store).await.unwrap().len(), 1);
    }
}
