//! Pruning takes what is long over, and nothing that has not expired.

use crate::fixture::{NOW, Place, at, audit, code, grant, session, sign_in};
use model::{SessionId, Timestamp};
use proptest::prelude::*;
use std::time::Duration;
use store::code::{AuthorizationCode, Redeemed};
use store::grant::Grant;
use store::session::Session;
use store::{Store, code as codes, grant as grants, one_time, prune, session as sessions, throttle};

const DAY: i64 = 24 * 60 * 60;
const RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Before the first moment that the clock can say here.
const LONG_AGO: i64 = -1000 * DAY;

/// One row in each table: when it expires, whether and when it was revoked, redeemed or failed, in seconds.
#[derive(Clone, Copy, Debug)]
struct Life {
    expires: i64,
    ended: Option<i64>,
}

fn moment() -> impl Strategy<Value = i64> {
    prop_oneof![-70 * DAY..70 * DAY, -3_i64..=3, (-32 * DAY)..=(-28 * DAY), (-DAY - 3)..=(-DAY + 3)]
}

fn life() -> impl Strategy<Value = Life> {
    (moment(), proptest::option::of(moment())).prop_map(|(expires, ended)| Life { expires, ended })
}

#[test]
fn nothing_unexpired_is_pruned_and_what_is_long_over_is() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let place = Place::new();
    let store = runtime.block_on(place.open());
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) };
    proptest!(config, |(lives in proptest::collection::vec(life(), 1..12))| {
        runtime.block_on(check(&store, &lives));
    });
}

/// All within one transaction that is given up in the end, so that each case begins with an empty database.
async fn check(store: &Store, lives: &[Life]) {
    let mut tx = store.begin().await.unwrap();
    for (number, life) in lives.iter().enumerate() {
        let name = number.to_string();
        let expires = at(life.expires);
        let revoked_at = life.ended.map(at);
        codes::insert(&mut tx, &AuthorizationCode { expires, ..code(&name, "alex") }).await.unwrap();
        if life.ended.is_some() {
            codes::redeem(&mut tx, &name, at(LONG_AGO)).await.unwrap();
        }
        sessions::insert(&mut tx, &Session { expires, revoked_at, ..session(&name, "alex") }).await.unwrap();
        grants::insert(&mut tx, &Grant { expires, revoked_at, ..grant(&name, "alex") }).await.unwrap();
        one_time::insert(&mut tx, &name, "form", expires).await.unwrap();
        throttle::record_failure(&mut tx, &name, expires).await.unwrap();
        if let Some(until) = revoked_at {
            throttle::lock(&mut tx, &name, until).await.unwrap();
        }
    }
    while prune(&mut tx, NOW, RETENTION).await.unwrap() > 0 {}
    for (number, life) in lives.iter().enumerate() {
        let name = number.to_string();
        let redeemed = codes::redeem(&mut tx, &name, at(LONG_AGO)).await.unwrap();
        assert_eq!(redeemed != Redeemed::Unknown, life.expires > -DAY, "code {life:?}");
        let found = sessions::get_in(&mut tx, &SessionId::new(&name)).await.unwrap();
        assert_eq!(found.is_some(), life.expires > -30 * DAY, "session {life:?}");
        let found = grants::get_in(&mut tx, &name).await.unwrap();
        assert_eq!(found.is_some(), life.expires > -30 * DAY, "grant {life:?}");
        let found = one_time::consume(&mut tx, &name, "form", at(LONG_AGO)).await.unwrap();
        assert_eq!(found, life.expires > 0, "one-time value {life:?}");
        let newest = life.ended.map_or(life.expires - 29 * DAY, |locked_until| locked_until.max(life.expires));
        let found = throttle::get_in(&mut tx, &name).await.unwrap();
        assert_eq!(found.failures > 0, newest > -30 * DAY, "throttle {life:?}");
    }
}

#[tokio::test]
async fn a_backlog_goes_in_bounded_steps() {
    let place = Place::new();
    let store = place.open().await;
    let mut tx = store.begin().await.unwrap();
    for number in 0..2500 {
        one_time::insert(&mut tx, &number.to_string(), "form", at(-1)).await.unwrap();
    }
    one_time::insert(&mut tx, "good", "form", at(1)).await.unwrap();
    let mut steps = Vec::new();
    for now in [Timestamp::from_micros(i64::MIN), NOW, NOW, NOW, NOW] {
        steps.push(prune(&mut tx, now, RETENTION).await.unwrap());
    }
    assert_eq!(steps, [0, 1000, 1000, 500, 0]);
    assert!(one_time::consume(&mut tx, "good", "form", NOW).await.unwrap());
}

#[tokio::test]
async fn logs_are_kept_for_as_long_as_asked_and_locks_longer_than_slips() {
    let place = Place::new();
    let store = place.open().await;
    let mut tx = store.begin().await.unwrap();
    let days = |days: i64| -days * DAY;
    for (id, seconds) in [("old", days(30) - 1), ("kept", days(30)), ("new", 0)] {
        store::sign_in::append(&mut tx, &sign_in(id, seconds, "alex@woodgrove.example", "payroll", 0), "null", "null")
            .await
            .unwrap();
        store::audit::append(&mut tx, &audit(id, seconds, "Add group", "GroupManagement", &["g"])).await.unwrap();
    }
    for name in ["slip", "locked"] {
        throttle::record_failure(&mut tx, name, at(days(1))).await.unwrap();
    }
    throttle::lock(&mut tx, "locked", at(days(1) + 60)).await.unwrap();
    throttle::record_failure(&mut tx, "today", at(days(1) + 1)).await.unwrap();
    assert_eq!(prune(&mut tx, NOW, RETENTION).await.unwrap(), 3);
    for (name, failures) in [("slip", 0), ("locked", 1), ("today", 1)] {
        assert_eq!(throttle::get_in(&mut tx, name).await.unwrap().failures, failures, "{name}");
    }
    tx.commit().await.unwrap();
    let sign_ins = store::sign_in::list(&store, &store::sign_in::SignInQuery::default()).await.unwrap();
    assert_eq!(sign_ins.iter().map(|row| row.sign_in.id.as_str()).collect::<Vec<_>>(), ["new", "kept"]);
    let query = store::audit::AuditQuery { target: Some("g".to_owned()), ..Default::default() };
    let audits = store::audit::list(&store, &query).await.unwrap();
    assert_eq!(audits.iter().map(|row| row.audit.id.as_str()).collect::<Vec<_>>(), ["new", "kept"]);
}

#[tokio::test]
async fn a_bucket_leaks_and_a_quiet_one_is_forgiven() {
    let place = Place::new();
    let store = place.open().await;
    let mut tx = store.begin().await.unwrap();
    let minute = Duration::from_secs(60);
    let mut weights = Vec::new();
    for seconds in [0, 0, 30, 29, 200] {
        weights.push(throttle::record_leaking_failure(&mut tx, "all", minute, at(seconds)).await.unwrap());
    }
    // The fourth comes from a clock that is a little behind.
    assert_eq!(weights, [60, 120, 150, 210, 99]);
    throttle::lock(&mut tx, "all", at(260)).await.unwrap();
    throttle::forgive(&mut tx, "all", at(259)).await.unwrap();
    assert_eq!(throttle::get_in(&mut tx, "all").await.unwrap().failures, 99);
    throttle::forgive(&mut tx, "all", at(260)).await.unwrap();
    assert_eq!(throttle::get_in(&mut tx, "all").await.unwrap().failures, 0);
}
