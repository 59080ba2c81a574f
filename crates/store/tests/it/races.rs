//! Many at once, over two stores on one file as two processes would have: exactly one wins, and numbers come in commit
//! order.

use crate::fixture::{NOW, Place, at, code, credential, grant};
use model::UserId;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use store::code::Redeemed;
use store::credential::CredentialKind;
use store::{Store, StoreError};
use store::{code as codes, credential as credentials, grant as grants, one_time, outbox, throttle};
use tokio::sync::Barrier;

const TASKS: usize = 24;

/// Runs `attempt` in many tasks that start together; in how many it said true.
async fn winners<Attempt, Outcome>(place: &Place, attempt: Attempt) -> usize
where
    Attempt: Fn(Store, usize) -> Outcome,
    Outcome: Future<Output = bool> + Send + 'static,
{
    let stores = [place.open().await, place.open().await];
    let barrier = Arc::new(Barrier::new(TASKS));
    let mut tasks = Vec::new();
    for number in 0..TASKS {
        let barrier = Arc::clone(&barrier);
        let outcome = attempt(stores[number % 2].clone(), number);
        tasks.push(tokio::spawn(async move {
            barrier.wait().await;
            outcome.await
        }));
    }
    let mut won = 0;
    for task in tasks {
        won += usize::from(task.await.unwrap());
    }
    won
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_caller_rotates_a_grant() {
    let place = Place::new();
    let store = place.open().await;
    let mut tx = store.begin().await.unwrap();
    grants::insert(&mut tx, &grant("g1", "alex")).await.unwrap();
    tx.commit().await.unwrap();
    let won = winners(&place, |store, number| async move {
        let mut tx = store.begin().await.unwrap();
        let won = grants::rotate(&mut tx, "g1", "hash-0", &format!("new-{number}"), at(1)).await.unwrap();
        tx.commit().await.unwrap();
        won
    });
    assert_eq!(won.await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_caller_redeems_a_code_and_the_others_learn_that_it_is_used() {
    let place = Place::new();
    let store = place.open().await;
    let mut tx = store.begin().await.unwrap();
    codes::insert(&mut tx, &code("h1", "alex")).await.unwrap();
    tx.commit().await.unwrap();
    let won = winners(&place, |store, _| async move {
        let mut tx = store.begin().await.unwrap();
        let redeemed = codes::redeem(&mut tx, "h1", at(1)).await.unwrap();
        tx.commit().await.unwrap();
        match redeemed {
            Redeemed::Fresh => true,
            Redeemed::Used => false,
            other @ (Redeemed::Expired | Redeemed::Unknown) => panic!("{other:?}"),
        }
    });
    assert_eq!(won.await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_caller_advances_a_counter() {
    let place = Place::new();
    let store = place.open().await;
    let mut tx = store.begin().await.unwrap();
    credentials::insert(&mut tx, &credential("c1", "alex", CredentialKind::Totp)).await.unwrap();
    tx.commit().await.unwrap();
    let won = winners(&place, |store, _| async move {
        let mut tx = store.begin().await.unwrap();
        let won = credentials::advance_counter(&mut tx, "c1", 60_000_000, at(1)).await.unwrap();
        tx.commit().await.unwrap();
        won
    });
    assert_eq!(won.await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_caller_consumes_a_one_time_value() {
    let place = Place::new();
    let store = place.open().await;
    let mut tx = store.begin().await.unwrap();
    one_time::insert(&mut tx, "h", "bootstrap", at(10)).await.unwrap();
    tx.commit().await.unwrap();
    let won = winners(&place, |store, _| async move {
        let mut tx = store.begin().await.unwrap();
        let won = one_time::consume(&mut tx, "h", "bootstrap", at(1)).await.unwrap();
        tx.commit().await.unwrap();
        won
    });
    assert_eq!(won.await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_failure_is_counted_and_one_password_remains() {
    let place = Place::new();
    let limit = i64::try_from(TASKS / 2).unwrap();
    let locked = winners(&place, |store, number| async move {
        let mut tx = store.begin().await.unwrap();
        let failures = throttle::record_failure(&mut tx, "alex", at(1)).await.unwrap();
        if failures >= limit {
            throttle::lock(&mut tx, "alex", at(60)).await.unwrap();
        }
        let hash = format!("hash-{number}");
        credentials::set_password(&mut tx, &UserId::new("alex"), hash.as_bytes(), NOW).await.unwrap();
        tx.commit().await.unwrap();
        failures >= limit
    });
    assert_eq!(locked.await, TASKS - TASKS / 2 + 1, "no two callers were told the same count");
    let store = place.open().await;
    let found = throttle::get(&store, "alex").await.unwrap();
    assert_eq!((found.failures, found.locked_until), (i64::try_from(TASKS).unwrap(), Some(at(60))));
    assert_eq!(credentials::of_user(&store, &UserId::new("alex")).await.unwrap().len(), 1);
}

/// A reader that follows the outbox never sees a number before a smaller one, while writers commit, give up and are
/// cancelled around it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_outbox_is_gapless_in_commit_order() {
    let place = Place::new();
    let stores = [place.open().await, place.open().await];
    let reader = tokio::spawn({
        let store = stores[0].clone();
        async move {
            let mut seen: Vec<String> = Vec::new();
            loop {
                let last = i64::try_from(seen.len()).unwrap();
                for (event, expected) in outbox::after(&store, last, 7).await.unwrap().into_iter().zip(last + 1..) {
                    assert_eq!(event.sequence, expected);
                    if event.id == "the end" {
                        return seen;
                    }
                    seen.push(event.id);
                }
                tokio::task::yield_now().await;
            }
        }
    });
    let mut writers = Vec::new();
    for writer in 0..8 {
        let store = stores[writer % 2].clone();
        writers.push(tokio::spawn(async move {
            let mut committed = Vec::new();
            for number in 0..12 {
                let id = format!("{writer}-{number}");
                let mut tx = store.begin().await.unwrap();
                outbox::append(&mut tx, &id, "{}", NOW).await.unwrap();
                if number % 3 == 0 {
                    drop(tx);
                } else {
                    tx.commit().await.unwrap();
                    committed.push(id);
                }
            }
            committed
        }));
    }
    let mut committed = Vec::new();
    for writer in writers {
        committed.extend(writer.await.unwrap());
    }
    let mut tx = stores[1].begin().await.unwrap();
    let last = outbox::append(&mut tx, "the end", "{}", NOW).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(usize::try_from(last).unwrap(), committed.len() + 1);
    let mut seen = reader.await.unwrap();
    seen.sort();
    committed.sort();
    assert_eq!(seen, committed);
}

/// A client that hangs up drops the future of its request, anywhere in it.
#[tokio::test]
async fn a_cancelled_transaction_leaves_nothing_and_the_writer_free() {
    let place = Place::new();
    let store = place.open().await;
    for step in 0..40 {
        let writing = async {
            let mut tx = store.begin().await.unwrap();
            outbox::append(&mut tx, &format!("event-{step}"), "{}", NOW).await.unwrap();
            one_time::insert(&mut tx, &format!("event-{step}"), "pair", at(10)).await.unwrap();
            tx.commit().await.unwrap();
        };
        give_up_after(writing, step).await;
    }
    let mut tx = store.begin().await.unwrap();
    let last = outbox::append(&mut tx, "last", "{}", NOW).await.unwrap();
    let events = outbox::after(&store, 0, 100).await.unwrap();
    assert_eq!(i64::try_from(events.len()).unwrap(), last - 1);
    assert!((1..40).contains(&events.len()), "some came through and some did not: {}", events.len());
    for event in events {
        assert!(one_time::consume(&mut tx, &event.id, "pair", at(1)).await.unwrap(), "{} came alone", event.id);
    }
}

/// Polls `future` at most `polls` times.
async fn give_up_after(future: impl Future<Output = ()>, polls: usize) {
    let mut future = std::pin::pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return std::task::Poll::Ready(());
        }
        left -= 1;
        future.as_mut().poll(context)
    })
    .await;
}

#[tokio::test]
async fn a_writer_waits_for_a_bounded_time() {
    let place = Place::new();
    let store = place.open().await;
    let first = store.begin().await.unwrap();
    let error = tokio::time::timeout(Duration::from_secs(30), store.begin()).await.unwrap().unwrap_err();
    assert!(matches!(error, StoreError::Busy), "{error:?}");
    assert_eq!(outbox::last_sequence(&store).await.unwrap(), 0, "readers do not wait for the writer");
    drop(first);
    store.begin().await.unwrap().commit().await.unwrap();
}
