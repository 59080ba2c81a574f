//! The sign-in log and the audit log: filters, pages, evidence, and the newest time.

use crate::fixture::{NOW, Place, at, audit, sign_in, user};
use model::{AppId, Timestamp, UserId};
use store::audit::AuditQuery;
use store::sign_in::SignInQuery;
use store::{audit as audits, newest_time, object, sign_in as sign_ins};

#[tokio::test]
async fn sign_ins_are_found_by_every_filter_and_combination() {
    let place = Place::new();
    let store = place.open().await;
    let mut tx = store.begin().await.unwrap();
    let records = [
        sign_in("1", 10, "Alex@woodgrove.example", "payroll", 0),
        sign_in("2", 20, "alex@woodgrove.example", "admin", 50126),
        sign_in("3", 30, "ada@woodgrove.example", "payroll", 53003),
        sign_in("4", 40, "ada@woodgrove.example", "admin", 0),
        sign_in("5", 50, "alex@woodgrove.example", "payroll", 0),
    ];
    for (record, sequence) in records.iter().zip(1..) {
        assert_eq!(sign_ins::append(&mut tx, record, "{}", "{}").await.unwrap(), sequence);
    }
    tx.commit().await.unwrap();

    let all = SignInQuery::default();
    let alex = SignInQuery { user_principal_name: Some("ALEX@woodgrove.example".to_owned()), ..all.clone() };
    let payroll = SignInQuery { app_id: Some(AppId::new("payroll")), ..all.clone() };
    let id_of_ada = Some(UserId::new("id-of-ada@woodgrove.example"));
    let table: Vec<(SignInQuery, &[i64])> = vec![
        (all.clone(), &[5, 4, 3, 2, 1]),
        (SignInQuery { limit: 2, ..all.clone() }, &[5, 4]),
        (SignInQuery { limit: 2, before: Some(4), ..all.clone() }, &[3, 2]),
        (SignInQuery { after: Some(2), limit: 2, ..all.clone() }, &[3, 4]),
        (SignInQuery { after: Some(5), ..all.clone() }, &[]),
        (alex.clone(), &[5, 2, 1]),
        (SignInQuery { user_id: id_of_ada, ..all.clone() }, &[4, 3]),
        (payroll.clone(), &[5, 3, 1]),
        (SignInQuery { app_id: payroll.app_id.clone(), outcome: Some(true), ..alex.clone() }, &[5, 1]),
        (SignInQuery { outcome: Some(true), ..all.clone() }, &[5, 4, 1]),
        (SignInQuery { outcome: Some(false), ..all.clone() }, &[3, 2]),
        (SignInQuery { correlation_id: Some("correlation-3".to_owned()), ..all.clone() }, &[3]),
        (SignInQuery { resource_id: Some(AppId::new("Graph")), after: Some(3), ..all.clone() }, &[4, 5]),
        (SignInQuery { resource_id: Some(AppId::new("other")), ..all.clone() }, &[]),
        (SignInQuery { since: Some(at(20)), until: Some(at(40)), ..all.clone() }, &[3, 2]),
        (SignInQuery { since: Some(at(11)), before: Some(5), outcome: Some(false), ..alex }, &[2]),
    ];
    for (query, expected) in table {
        let found = sign_ins::list(&store, &query).await.unwrap();
        assert_eq!(found.iter().map(|recorded| recorded.sequence).collect::<Vec<_>>(), expected, "{query:?}");
        for recorded in found {
            assert_eq!(recorded.sign_in, records[usize::try_from(recorded.sequence - 1).unwrap()]);
        }
    }
    assert_eq!(sign_ins::get(&store, "3").await.unwrap().unwrap().sign_in, records[2]);
    assert_eq!(sign_ins::get(&store, "6").await.unwrap(), None);
}

#[tokio::test]
async fn evidence_is_kept_byte_for_byte() {
    let place = Place::new();
    let store = place.open().await;
    let (request, decision) = ("{\"b\":1,  \"a\":\"ü\"}\n", "{ }");
    let mut tx = store.begin().await.unwrap();
    sign_ins::append(&mut tx, &sign_in("1", 10, "alex", "payroll", 0), request, decision).await.unwrap();
    tx.commit().await.unwrap();
    let found = sign_ins::evidence(&store, "1").await.unwrap();
    assert_eq!(found, Some((request.to_owned(), decision.to_owned())));
    assert_eq!(sign_ins::evidence(&store, "2").await.unwrap(), None);
}

#[tokio::test]
async fn a_page_is_never_longer_than_the_limit() {
    let place = Place::new();
    let store = place.open().await;
    let mut tx = store.begin().await.unwrap();
    for number in 0..1005 {
        let record = sign_in(&number.to_string(), number, "alex", "payroll", 0);
        sign_ins::append(&mut tx, &record, "{}", "{}").await.unwrap();
        let record = audit(&number.to_string(), number, "Update user", "UserManagement", &["alex"]);
        audits::append(&mut tx, &record).await.unwrap();
    }
    tx.commit().await.unwrap();
    let found = sign_ins::list(&store, &SignInQuery { limit: u32::MAX, ..SignInQuery::default() }).await.unwrap();
    assert_eq!(found.len(), 1000);
    let found = audits::list(&store, &AuditQuery { limit: u32::MAX, ..AuditQuery::default() }).await.unwrap();
    assert_eq!(found.len(), 1000);
}

#[tokio::test]
async fn audit_records_are_found_by_every_filter_and_combination() {
    let place = Place::new();
    let store = place.open().await;
    let mut tx = store.begin().await.unwrap();
    let records = [
        audit("1", 10, "Disable account", "UserManagement", &["Alex", "alex"]),
        audit("2", 20, "Update policy", "Policy", &["CA001"]),
        audit("3", 30, "Disable account", "UserManagement", &["ada", "alex"]),
        audit("4", 40, "Delete user", "UserManagement", &[]),
    ];
    for (record, sequence) in records.iter().zip(1..) {
        assert_eq!(audits::append(&mut tx, record).await.unwrap(), sequence);
    }
    tx.commit().await.unwrap();

    let all = AuditQuery::default();
    let disabled = AuditQuery { activity: Some("Disable account".to_owned()), ..all.clone() };
    let table: Vec<(AuditQuery, &[i64])> = vec![
        (all.clone(), &[4, 3, 2, 1]),
        (AuditQuery { limit: 1, before_sequence: Some(4), ..all.clone() }, &[3]),
        (AuditQuery { category: Some("Policy".to_owned()), ..all.clone() }, &[2]),
        (AuditQuery { target: Some("ALEX".to_owned()), ..all.clone() }, &[3, 1]),
        (AuditQuery { since: Some(at(20)), until: Some(at(40)), ..all.clone() }, &[3, 2]),
        (disabled.clone(), &[3, 1]),
        (AuditQuery { target: Some("alex".to_owned()), until: Some(at(30)), ..disabled }, &[1]),
    ];
    for (query, expected) in table {
        let found = audits::list(&store, &query).await.unwrap();
        assert_eq!(found.iter().map(|recorded| recorded.sequence).collect::<Vec<_>>(), expected, "{query:?}");
        for recorded in found {
            assert_eq!(recorded.audit, records[usize::try_from(recorded.sequence - 1).unwrap()]);
        }
    }
}

#[tokio::test]
async fn the_newest_time_is_that_of_any_record_and_never_goes_back() {
    let place = Place::new();
    let store = place.open().await;
    assert_eq!(newest_time(&store).await.unwrap(), None);
    let newest = async |expected: Timestamp| assert_eq!(newest_time(&store).await.unwrap(), Some(expected));

    let mut tx = store.begin().await.unwrap();
    object::put(&mut tx, &user("u1", "alex"), NOW).await.unwrap();
    tx.commit().await.unwrap();
    newest(NOW).await;
    let mut tx = store.begin().await.unwrap();
    sign_ins::append(&mut tx, &sign_in("1", 20, "alex", "payroll", 0), "{}", "{}").await.unwrap();
    audits::append(&mut tx, &audit("1", 15, "Update user", "UserManagement", &[])).await.unwrap();
    tx.commit().await.unwrap();
    newest(at(20)).await;
    let mut tx = store.begin().await.unwrap();
    sign_ins::append(&mut tx, &sign_in("2", -500, "alex", "payroll", 0), "{}", "{}").await.unwrap();
    tx.commit().await.unwrap();
    newest(at(20)).await;
}
