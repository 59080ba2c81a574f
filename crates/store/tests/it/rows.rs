//! Each module: what is written is read back, what must be refused is refused.

use crate::fixture::{NOW, Place, application, at, code, credential, grant, group, session, user};
use model::{AppId, Kind, SessionId, UserId};
use store::code::Redeemed;
use store::credential::CredentialKind;
use store::signing_key::SigningKey;
use store::stream::Stream;
use store::throttle::Throttle;
use store::{Store, StoreError, Tx};
use store::{code as codes, credential as credentials, grant as grants, object, one_time, outbox, session as sessions};
use store::{setting, signing_key, stream, throttle};

async fn opened() -> (Place, Store) {
    let place = Place::new();
    let store = place.open().await;
    (place, store)
}

async fn begin(store: &Store) -> Tx {
    store.begin().await.unwrap()
}

#[tokio::test]
async fn objects_carry_the_revision_of_their_last_change() {
    let (_place, store) = opened().await;
    let mut tx = begin(&store).await;
    assert_eq!(object::put(&mut tx, &user("u1", "alex@woodgrove.example"), NOW).await.unwrap(), 1);
    assert_eq!(object::put(&mut tx, &group("g1"), NOW).await.unwrap(), 2);
    assert_eq!(object::put(&mut tx, &user("u1", "alexander@woodgrove.example"), NOW).await.unwrap(), 3);
    assert!(!object::delete(&mut tx, Kind::User, "nobody", NOW).await.unwrap());
    assert_eq!(object::get_in(&mut tx, Kind::User, "u1").await.unwrap().unwrap().revision, 3);
    assert_eq!(object::all(&store).await.unwrap(), [], "nothing is committed yet");
    tx.commit().await.unwrap();

    let all = object::all(&store).await.unwrap();
    assert_eq!(all.iter().map(|object| (object.kind, object.revision)).collect::<Vec<_>>(), [(Kind::Group, 2), (Kind::User, 3)]);
    assert!(all[1].body.contains(r#""jobTitle":"Clerk""#), "members that nobody interprets are kept");
    assert_eq!(object::revision(&store).await.unwrap(), 3);

    let mut tx = begin(&store).await;
    assert!(object::delete(&mut tx, Kind::Group, "g1", NOW).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(object::revision(&store).await.unwrap(), 4);
    assert!(object::all(&store).await.unwrap().iter().all(|object| object.id != "g1"));
}

#[tokio::test]
async fn a_name_is_taken_whatever_its_case_and_the_transaction_is_over() {
    let (_place, store) = opened().await;
    let mut tx = begin(&store).await;
    object::put(&mut tx, &user("u1", "Alex@Woodgrove.example"), NOW).await.unwrap();
    object::put(&mut tx, &application("a1", "app-1"), NOW).await.unwrap();
    tx.commit().await.unwrap();

    for (object, what) in [
        (user("u2", "ALEX@woodgrove.EXAMPLE"), "userPrincipalName `alex@woodgrove.example`"),
        (application("a2", "APP-1"), "appId `app-1`"),
    ] {
        let mut tx = begin(&store).await;
        object::put(&mut tx, &group("g1"), NOW).await.unwrap();
        let error = object::put(&mut tx, &object, NOW).await.unwrap_err();
        assert!(matches!(&error, StoreError::Conflict { what: found } if found == what), "{error:?}");
        assert_eq!(error.to_string(), format!("{what} is already in use"));
        assert!(matches!(object::put(&mut tx, &group("g2"), NOW).await, Err(StoreError::Aborted)));
        assert!(matches!(object::get_in(&mut tx, Kind::Group, "g1").await, Err(StoreError::Aborted)));
        assert!(matches!(tx.commit().await, Err(StoreError::Aborted)));
    }
    assert_eq!(object::all(&store).await.unwrap().len(), 2);

    // A name that was given up is free again.
    let mut tx = begin(&store).await;
    object::put(&mut tx, &user("u1", "alexander@woodgrove.example"), NOW).await.unwrap();
    object::put(&mut tx, &user("u2", "alex@woodgrove.example"), NOW).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn settings_are_replaced() {
    let (_place, store) = opened().await;
    assert_eq!(setting::get(&store, "salt").await.unwrap(), None);
    for value in [&[0_u8, 255, 7][..], b"", b"text"] {
        let mut tx = begin(&store).await;
        setting::put(&mut tx, "salt", value).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(setting::get(&store, "salt").await.unwrap().as_deref(), Some(value));
    }
}

#[tokio::test]
async fn credentials() {
    let (_place, store) = opened().await;
    let alex = UserId::new("alex");
    let passkey = credential("c1", "alex", CredentialKind::Passkey);
    let mut tx = begin(&store).await;
    credentials::insert(&mut tx, &passkey).await.unwrap();
    credentials::insert(&mut tx, &credential("c2", "ada", CredentialKind::Totp)).await.unwrap();
    credentials::set_password(&mut tx, &alex, b"first", at(1)).await.unwrap();
    credentials::set_password(&mut tx, &alex, b"second", at(2)).await.unwrap();
    let found = credentials::of_user_in(&mut tx, &alex).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(found, credentials::of_user(&store, &alex).await.unwrap());
    assert_eq!(found.len(), 2);
    assert_eq!(found[0], passkey);
    assert_eq!((found[1].kind, found[1].secret.as_slice(), found[1].created), (CredentialKind::Password, &b"second"[..], at(2)));
    assert!(!format!("{:?}", found[1]).contains("secret"), "secrets are not printed");

    let mut tx = begin(&store).await;
    assert!(credentials::touch(&mut tx, "c1", at(5)).await.unwrap());
    assert!(credentials::set_secret(&mut tx, "c1", b"new", at(6)).await.unwrap());
    assert!(credentials::advance_counter(&mut tx, "c1", 10, at(7)).await.unwrap());
    assert!(!credentials::advance_counter(&mut tx, "c1", 10, at(8)).await.unwrap());
    assert!(!credentials::advance_counter(&mut tx, "c1", 9, at(8)).await.unwrap());
    assert!(!credentials::advance_counter(&mut tx, "nobody's", 9, at(8)).await.unwrap());
    assert!(!credentials::set_secret(&mut tx, "nobody's", b"new", at(6)).await.unwrap());
    tx.commit().await.unwrap();
    let found = credentials::by_id(&store, "c1").await.unwrap().unwrap();
    assert_eq!((found.secret.as_slice(), found.counter, found.last_used), (&b"new"[..], 10, Some(at(7))));

    let mut tx = begin(&store).await;
    assert!(credentials::delete(&mut tx, "c1").await.unwrap());
    assert!(!credentials::delete(&mut tx, "c1").await.unwrap());
    let second = credential("another", "alex", CredentialKind::Password);
    let error = credentials::insert(&mut tx, &second).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "one password a person: {error:?}");
}

#[tokio::test]
async fn a_lock_is_only_ever_made_longer() {
    let (_place, store) = opened().await;
    assert_eq!(throttle::get(&store, "alex").await.unwrap(), Throttle::default());
    let mut tx = begin(&store).await;
    let steps = [
        (None, 1, None),
        (Some(at(100)), 2, Some(at(100))),
        (None, 3, Some(at(100))),
        (Some(at(50)), 4, Some(at(100))),
        (Some(at(200)), 5, Some(at(200))),
    ];
    for (seconds, (lock, failures, locked_until)) in steps.into_iter().enumerate() {
        let now = at(i64::try_from(seconds).unwrap());
        assert_eq!(throttle::record_failure(&mut tx, "alex", now).await.unwrap(), failures);
        if let Some(until) = lock {
            throttle::lock(&mut tx, "alex", until).await.unwrap();
        }
        let expected = Throttle { failures, last_failure: Some(now), locked_until };
        assert_eq!(throttle::get_in(&mut tx, "alex").await.unwrap(), expected);
    }
    throttle::clear(&mut tx, "alex").await.unwrap();
    assert_eq!(throttle::get_in(&mut tx, "alex").await.unwrap(), Throttle::default());
}

#[tokio::test]
async fn a_revoked_session_stays_revoked() {
    let (_place, store) = opened().await;
    let id = SessionId::new("s1");
    let mut tx = begin(&store).await;
    sessions::insert(&mut tx, &session("s1", "alex")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(sessions::get(&store, &id).await.unwrap(), Some(session("s1", "alex")));

    let mut tx = begin(&store).await;
    let stepped_up = store::session::Session { expires: at(9000), methods: "[]".to_owned(), ..session("s1", "alex") };
    assert!(sessions::update(&mut tx, &stepped_up).await.unwrap());
    assert_eq!(sessions::get_in(&mut tx, &id).await.unwrap(), Some(stepped_up.clone()));
    assert!(!sessions::update(&mut tx, &session("s1", "ada")).await.unwrap(), "a session never changes its owner");
    assert!(sessions::revoke(&mut tx, &id, at(5)).await.unwrap());
    assert!(!sessions::revoke(&mut tx, &id, at(6)).await.unwrap());
    assert!(!sessions::update(&mut tx, &stepped_up).await.unwrap());
    assert_eq!(sessions::get_in(&mut tx, &id).await.unwrap().unwrap().revoked_at, Some(at(5)));
    let error = sessions::insert(&mut tx, &session("s1", "alex")).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
}

#[tokio::test]
async fn codes_are_good_once_and_say_what_became_of_them() {
    let (_place, store) = opened().await;
    let mut tx = begin(&store).await;
    codes::insert(&mut tx, &code("h1", "alex")).await.unwrap();
    codes::insert(&mut tx, &code("h2", "alex")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(codes::get(&store, "h1").await.unwrap(), Some(code("h1", "alex")));

    let mut tx = begin(&store).await;
    assert_eq!(codes::redeem(&mut tx, "h1", at(599)).await.unwrap(), Redeemed::Fresh);
    assert_eq!(codes::redeem(&mut tx, "h1", at(599)).await.unwrap(), Redeemed::Used);
    assert_eq!(codes::redeem(&mut tx, "h1", at(9999)).await.unwrap(), Redeemed::Used, "used is used, expired or not");
    assert_eq!(codes::redeem(&mut tx, "h2", at(600)).await.unwrap(), Redeemed::Expired);
    assert_eq!(codes::redeem(&mut tx, "h3", NOW).await.unwrap(), Redeemed::Unknown);
}

#[tokio::test]
async fn grants_rotate_until_they_are_revoked_or_expire() {
    let (_place, store) = opened().await;
    let mut tx = begin(&store).await;
    grants::insert(&mut tx, &grant("g1", "alex")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(grants::get(&store, "g1").await.unwrap(), Some(grant("g1", "alex")));

    let mut tx = begin(&store).await;
    assert!(grants::rotate(&mut tx, "g1", "hash-0", "hash-1", at(10)).await.unwrap());
    assert!(!grants::rotate(&mut tx, "g1", "hash-0", "hash-2", at(10)).await.unwrap(), "reuse");
    assert!(!grants::rotate(&mut tx, "g1", "hash-1", "hash-2", at(3600)).await.unwrap(), "expired");
    let found = grants::get_in(&mut tx, "g1").await.unwrap().unwrap();
    assert_eq!((found.current_hash.as_str(), found.last_used), ("hash-1", at(10)));
    assert_eq!(grants::revoke_of_session(&mut tx, &SessionId::new("session-1"), at(11)).await.unwrap(), 1);
    assert_eq!(grants::revoke_of_session(&mut tx, &SessionId::new("session-1"), at(12)).await.unwrap(), 0);
    assert!(!grants::rotate(&mut tx, "g1", "hash-1", "hash-2", at(12)).await.unwrap(), "revoked");
    assert!(!grants::rotate(&mut tx, "g2", "hash-1", "hash-2", at(12)).await.unwrap(), "unknown");

    grants::insert(&mut tx, &grant("g2", "alex")).await.unwrap();
    assert_eq!(grants::revoke_of_session(&mut tx, &SessionId::new("session-1"), at(13)).await.unwrap(), 1);
    assert_eq!(grants::get_in(&mut tx, "g1").await.unwrap().unwrap().revoked_at, Some(at(11)), "the first time counts");
    assert_eq!(grants::get_in(&mut tx, "g2").await.unwrap().unwrap().revoked_at, Some(at(13)));
}

#[tokio::test]
async fn a_person_goes_in_one_transaction_and_what_was_theirs_is_revoked() {
    let (_place, store) = opened().await;
    let alex = UserId::new("alex");
    let mut tx = begin(&store).await;
    for name in ["alex", "ada"] {
        object::put(&mut tx, &user(name, &format!("{name}@woodgrove.example")), NOW).await.unwrap();
        credentials::set_password(&mut tx, &UserId::new(name), b"hash", NOW).await.unwrap();
        for number in ["2", "1"] {
            sessions::insert(&mut tx, &session(&format!("{name}-{number}"), name)).await.unwrap();
        }
        codes::insert(&mut tx, &code(name, name)).await.unwrap();
        grants::insert(&mut tx, &grant(name, name)).await.unwrap();
    }
    tx.commit().await.unwrap();

    let mut tx = begin(&store).await;
    assert!(sessions::revoke(&mut tx, &SessionId::new("ada-1"), NOW).await.unwrap());
    assert_eq!(
        sessions::revoke_of_user(&mut tx, &alex, at(1)).await.unwrap(),
        [SessionId::new("alex-1"), SessionId::new("alex-2")]
    );
    assert_eq!(sessions::revoke_of_user(&mut tx, &alex, at(2)).await.unwrap(), []);
    assert_eq!(grants::revoke_of_user(&mut tx, &alex, at(1)).await.unwrap(), 1);
    assert_eq!(credentials::delete_of_user(&mut tx, &alex).await.unwrap(), 1);
    assert!(object::delete(&mut tx, Kind::User, "alex", at(1)).await.unwrap());
    assert_eq!(outbox::append(&mut tx, "event-1", "{}", at(1)).await.unwrap(), 1);
    tx.commit().await.unwrap();

    assert!(object::all(&store).await.unwrap().iter().all(|object| object.id != "alex"));
    assert_eq!(credentials::of_user(&store, &alex).await.unwrap(), []);
    let session = sessions::get(&store, &SessionId::new("alex-1")).await.unwrap().unwrap();
    let grant = grants::get(&store, "alex").await.unwrap().unwrap();
    assert_eq!((session.revoked_at, grant.revoked_at), (Some(at(1)), Some(at(1))), "known as revoked until they are pruned");
    assert!(grants::get(&store, "ada").await.unwrap().is_some_and(|grant| grant.revoked_at.is_none()));
    assert!(sessions::get(&store, &SessionId::new("ada-2")).await.unwrap().is_some_and(|one| one.revoked_at.is_none()));
}

#[tokio::test]
async fn signing_keys_come_in_the_order_of_their_use() {
    let (_place, store) = opened().await;
    let key = |kid: &str, from: i64| SigningKey {
        kid: kid.to_owned(),
        sealed_private: vec![1, 2, 3],
        public_jwk: "{}".to_owned(),
        created: NOW,
        active_from: at(from),
        retire_at: at(from + 100),
    };
    let mut tx = begin(&store).await;
    signing_key::insert(&mut tx, &key("second", 50)).await.unwrap();
    signing_key::insert(&mut tx, &key("first", 0)).await.unwrap();
    let within = signing_key::all_in(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(signing_key::all(&store).await.unwrap(), [key("first", 0), key("second", 50)]);
    assert_eq!(within, [key("first", 0), key("second", 50)]);

    let mut tx = begin(&store).await;
    assert!(signing_key::delete(&mut tx, "first").await.unwrap());
    assert!(!signing_key::delete(&mut tx, "first").await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(signing_key::all(&store).await.unwrap(), [key("second", 50)]);
}

#[tokio::test]
async fn the_outbox_goes_on_counting_when_it_is_pruned() {
    let (_place, store) = opened().await;
    assert_eq!(outbox::last_sequence(&store).await.unwrap(), 0);
    let mut tx = begin(&store).await;
    for number in 1..=5 {
        assert_eq!(outbox::append(&mut tx, &format!("event-{number}"), "{}", at(number)).await.unwrap(), number);
    }
    assert_eq!(outbox::prune(&mut tx, 4).await.unwrap(), 3);
    tx.commit().await.unwrap();
    let events = outbox::after(&store, 0, 1).await.unwrap();
    assert_eq!(
        events.iter().map(|event| (event.sequence, event.id.as_str(), event.created)).collect::<Vec<_>>(),
        [(4, "event-4", at(4))]
    );
    let mut tx = begin(&store).await;
    assert_eq!(outbox::prune(&mut tx, 100).await.unwrap(), 2);
    assert_eq!(outbox::append(&mut tx, "event-6", "{}", at(6)).await.unwrap(), 6);
    let error = outbox::append(&mut tx, "event-6", "{}", at(6)).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    drop(tx);
    assert_eq!(outbox::last_sequence(&store).await.unwrap(), 5);
}

#[tokio::test]
async fn streams_move_forward_only() {
    let (_place, store) = opened().await;
    let made = |id: &str, client: &str| Stream {
        id: id.to_owned(),
        client_id: AppId::new(client),
        audience: "https://gateway.localhost".to_owned(),
        endpoint: "https://gateway.localhost/ssf/events".to_owned(),
        sealed_authorization: Some(vec![9, 8]),
        detail: "{}".to_owned(),
        status: "enabled".to_owned(),
        created: NOW,
        acknowledged: 3,
    };
    let mut tx = begin(&store).await;
    stream::insert(&mut tx, &made("s1", "gateway")).await.unwrap();
    stream::insert(&mut tx, &Stream { sealed_authorization: None, ..made("s2", "other") }).await.unwrap();
    assert_eq!(stream::of_client_in(&mut tx, &AppId::new("gateway")).await.unwrap(), [made("s1", "gateway")]);
    assert!(stream::acknowledge(&mut tx, "s1", 7).await.unwrap());
    assert!(!stream::acknowledge(&mut tx, "s1", 7).await.unwrap());
    assert!(!stream::acknowledge(&mut tx, "s1", 5).await.unwrap());
    let paused = Stream { status: "paused".to_owned(), sealed_authorization: None, ..made("s2", "other") };
    assert!(stream::update(&mut tx, &paused).await.unwrap());
    assert!(!stream::update(&mut tx, &made("s2", "gateway")).await.unwrap(), "another client's stream");
    let moved = Stream { endpoint: "https://elsewhere.localhost/".to_owned(), acknowledged: 0, ..made("s1", "gateway") };
    assert!(stream::update(&mut tx, &moved).await.unwrap());
    tx.commit().await.unwrap();

    let expected = Stream { acknowledged: 7, ..moved };
    assert_eq!(stream::get(&store, "s1").await.unwrap(), Some(expected.clone()));
    assert_eq!(stream::of_client(&store, &AppId::new("gateway")).await.unwrap(), [expected]);
    let all = stream::all(&store).await.unwrap();
    assert_eq!((all.len(), all[1].status.as_str(), &all[1].sealed_authorization), (2, "paused", &None));
    let mut tx = begin(&store).await;
    assert!(stream::delete(&mut tx, "s1").await.unwrap());
    assert!(!stream::delete(&mut tx, "s1").await.unwrap());
}

#[tokio::test]
async fn one_time_values_are_for_one_purpose_until_they_expire() {
    let (_place, store) = opened().await;
    let mut tx = begin(&store).await;
    for purpose in ["bootstrap", "form"] {
        one_time::insert(&mut tx, "h", purpose, at(10)).await.unwrap();
    }
    assert!(!one_time::consume(&mut tx, "h", "other", at(1)).await.unwrap());
    assert!(one_time::consume(&mut tx, "h", "form", at(9)).await.unwrap());
    assert!(!one_time::consume(&mut tx, "h", "form", at(9)).await.unwrap());
    assert!(!one_time::consume(&mut tx, "h", "bootstrap", at(10)).await.unwrap(), "expired");
    let error = one_time::insert(&mut tx, "h", "bootstrap", at(20)).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
}
