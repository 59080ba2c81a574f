//! The full disk. SQLite's page limit stands in for it.

use crate::fixture::{NOW, Place, group, raw};
use store::{StoreError, object, outbox};

#[tokio::test]
async fn a_full_disk_loses_nothing_and_is_got_over() {
    let place = Place::new();
    let store = place.open_limited(100).await;
    let body = "x".repeat(10_000);
    let mut committed = 0;
    let error = loop {
        let mut tx = store.begin().await.unwrap();
        object::put(&mut tx, &group(&format!("group-{}", committed + 1)), NOW).await.unwrap();
        let appended = outbox::append(&mut tx, &format!("event-{}", committed + 1), &body, NOW).await;
        match appended {
            Ok(sequence) => {
                assert_eq!(sequence, committed + 1);
                tx.commit().await.unwrap();
                committed += 1;
            }
            Err(error) => {
                // Whatever the caller does next, the first half is not written alone.
                let after = object::put(&mut tx, &group("group-after"), NOW).await;
                assert!(matches!(after, Err(StoreError::Aborted)), "{after:?}");
                assert!(matches!(tx.commit().await, Err(StoreError::Aborted)));
                break error;
            }
        }
    };
    assert!(matches!(error, StoreError::Full), "{error:?}");
    assert_eq!(error.to_string(), "the disk, or the page limit of the database, is full");
    assert!(committed > 3);

    assert_eq!(outbox::last_sequence(&store).await.unwrap(), committed);
    let count = usize::try_from(committed).unwrap();
    assert_eq!(outbox::after(&store, 0, 1000).await.unwrap().len(), count);
    assert_eq!(object::all(&store).await.unwrap().len(), count, "state and event stand or fall together");

    // Full again, several times: no connection is left behind in a state that nobody can use.
    for _ in 0..5 {
        let mut tx = store.begin().await.unwrap();
        let error = outbox::append(&mut tx, "too large", &body, NOW).await.unwrap_err();
        assert!(matches!(error, StoreError::Full), "{error:?}");
    }
    let mut tx = store.begin().await.unwrap();
    assert_eq!(u64::try_from(committed - 1).unwrap(), outbox::prune(&mut tx, committed).await.unwrap());
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    object::put(&mut tx, &group("group-after"), NOW).await.unwrap();
    assert_eq!(outbox::append(&mut tx, "event-after", &body, NOW).await.unwrap(), committed + 1);
    tx.commit().await.unwrap();
    assert!(object::all(&store).await.unwrap().iter().any(|object| object.id == "group-after"));
    store.close().await;

    let (verdict,): (String,) = sqlx::query_as("PRAGMA integrity_check").fetch_one(&mut raw(&place.path()).await).await.unwrap();
    assert_eq!(verdict, "ok");
}
