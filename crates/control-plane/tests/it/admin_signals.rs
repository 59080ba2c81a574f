//! Shared Signals: streams are made and managed, and events arrive in commit order until they are acknowledged.

use crate::admin_fixture::{ALEX, BASE, CLIENT, LEE, OTHER_CLIENT, Platform, TENANT, tenant};
use crate::admin_receiver::Receiver;
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const MANAGE: [&str; 1] = ["SharedSignals.Manage"];

struct Running {
    platform: Platform,
    receiver: Receiver,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
    manage: String,
    write: String,
}

impl Running {
    async fn start() -> Self {
        Self::with(Duration::from_millis(300)).await
    }

    async fn with(heartbeat: Duration) -> Self {
        let receiver = Receiver::start().await;
        let platform = Platform::with(Some(&receiver.authority_pem), |config| config.heartbeat = heartbeat).await;
        assert!(!platform.apply(tenant()).await.is_refused());
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(control_plane::signals::run(platform.state.clone(), shutdown.clone()));
        let manage = platform.application_token(&MANAGE);
        let write = platform.application_token(&["User.ReadWrite.All"]);
        Self { platform, receiver, shutdown, task, manage, write }
    }

    async fn create(&self) -> Value {
        let body = json!({
            "delivery": {
                "method": "urn:ietf:rfc:8935", "endpoint_url": self.receiver.endpoint, "authorization_header": "Bearer mine",
            },
            "description": "test",
        });
        self.platform.post("/ssf/streams", &self.manage, body).await.expect(201).json()
    }

    async fn revoke(&self, user: &str) {
        let path = format!("/v1.0/users/{user}/revokeSignInSessions");
        self.platform.post(&path, &self.write, json!({})).await.expect(200);
    }

    async fn disable(&self, user: &str) {
        let body = json!({"accountEnabled": false});
        self.platform.patch(&format!("/v1.0/users/{user}"), &self.write, body).await.expect(204);
    }

    async fn set_status(&self, stream: &str, status: &str) {
        let body = json!({"stream_id": stream, "status": status});
        self.platform.post("/ssf/status", &self.manage, body).await.expect(200);
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
        self.receiver.stop().await;
    }
}

#[tokio::test]
async fn discovery_says_where_everything_is() {
    let platform = Platform::start().await;
    let expected = json!({
        "spec_version": "1_0", "issuer": format!("{BASE}/{TENANT}/v2.0"),
        "jwks_uri": format!("{BASE}/{TENANT}/discovery/v2.0/keys"),
        "delivery_methods_supported": ["urn:ietf:rfc:8935"],
        "configuration_endpoint": format!("{BASE}/ssf/streams"), "status_endpoint": format!("{BASE}/ssf/status"),
        "verification_endpoint": format!("{BASE}/ssf/verify"),
        "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"}], "default_subjects": "ALL",
    });
    for path in ["/.well-known/ssf-configuration".to_owned(), format!("/.well-known/ssf-configuration/{TENANT}/v2.0")] {
        assert_eq!(platform.send(Method::GET, &path, None, None).await.expect(200).json(), expected);
    }
    platform.send(Method::GET, &format!("/.well-known/ssf-configuration/{ALEX}/v2.0"), None, None).await.expect(404);
}

#[tokio::test]
async fn a_change_arrives_as_signed_events_in_commit_order() {
    let mut running = Running::start().await;
    let stream = running.create().await;
    assert_eq!((stream["aud"].as_str(), stream["iss"].as_str()), (Some(CLIENT), Some(&*format!("{BASE}/{TENANT}/v2.0"))));
    assert!(stream["delivery"].get("authorization_header").is_none());
    running.disable(ALEX).await;
    running.revoke(LEE).await;
    let mut seen = Vec::new();
    let mut transactions = Vec::new();
    for _ in 0..3 {
        let received = running.receiver.next_event().await;
        assert_eq!(received.authorization.as_deref(), Some("Bearer mine"));
        assert_eq!(received.content_type, "application/secevent+jwt");
        assert_eq!(received.accept, "application/json");
        let state = &running.platform.state;
        let claims: Value = state.keys.verify_signature(&received.token, "secevent+jwt", state.clock.now()).unwrap();
        assert_eq!(claims["aud"], CLIENT);
        assert_eq!(claims["iss"], format!("{BASE}/{TENANT}/v2.0"));
        assert!(claims.get("sub").is_none() && claims.get("exp").is_none() && claims["jti"].is_string());
        assert_eq!(claims["sub_id"]["format"], "iss_sub");
        let event = claims["events"].as_object().unwrap().values().next().unwrap();
        assert_eq!(event["event_timestamp"], running.platform.clock.now().seconds());
        assert_eq!(event["initiating_entity"], "admin");
        transactions.push(claims["txn"].clone());
        seen.push((received.kind(), claims["sub_id"]["sub"].as_str().unwrap().to_owned()));
    }
    let expected = [("account-disabled", ALEX), ("session-revoked", ALEX), ("session-revoked", LEE)];
    assert_eq!(seen, expected.map(|(kind, user)| (kind.to_owned(), user.to_owned())));
    assert!(transactions[0].is_string() && transactions[0] == transactions[1] && transactions[1] != transactions[2]);
    running.stop().await;
}

#[tokio::test]
async fn an_event_that_is_not_acknowledged_is_sent_again_before_any_other() {
    let mut running = Running::with(Duration::from_secs(3600)).await;
    running.create().await;
    // The first heartbeat says that the feed is live.
    assert_eq!(running.receiver.next().await.kind(), "verification");
    let refusal = r#"{"err":"invalid_key","description":"not yet"}"#;
    running.receiver.answer([(503, ""), (400, refusal), (200, ""), (401, "")]);
    running.revoke(ALEX).await;
    running.revoke(LEE).await;
    let mut pushes = Vec::new();
    for _ in 0..6 {
        let received = running.receiver.next().await;
        let claims = received.claims();
        pushes.push((received.status, claims["jti"].clone(), claims["sub_id"]["sub"].as_str().unwrap().to_owned()));
    }
    let statuses: Vec<u16> = pushes.iter().map(|push| push.0).collect();
    assert_eq!(statuses, [503, 400, 200, 401, 202, 202]);
    assert!(pushes[..5].iter().all(|push| push.1 == pushes[0].1 && push.2 == ALEX), "{pushes:?}");
    assert_eq!(pushes[5].2, LEE);
    running.stop().await;
}

#[tokio::test]
async fn heartbeats_come_when_nothing_else_does_and_a_new_stream_begins_at_the_end() {
    let mut running = Running::with(Duration::from_millis(50)).await;
    running.revoke(ALEX).await;
    let stream = running.create().await;
    for _ in 0..3 {
        let received = running.receiver.next().await;
        let claims = received.claims();
        assert_eq!(received.kind(), "verification");
        assert_eq!(claims["sub_id"], json!({"format": "opaque", "id": stream["stream_id"]}));
        assert_eq!(claims["events"].as_object().unwrap().values().next().unwrap(), &json!({}));
    }
    running.stop().await;
}

#[tokio::test]
async fn a_verification_echoes_its_state_and_is_limited() {
    let mut running = Running::start().await;
    let stream = running.create().await;
    let ask = json!({"stream_id": stream["stream_id"], "state": "what I sent"});
    running.platform.post("/ssf/verify", &running.manage, ask.clone()).await.expect(204);
    let received = running.receiver.next_event().await;
    assert_eq!(received.kind(), "verification");
    let claims = received.claims();
    assert_eq!(claims["events"].as_object().unwrap().values().next().unwrap()["state"], "what I sent");
    // A receiver may ask again at once, a few times; then at a bounded rate.
    for _ in 0..3 {
        running.platform.post("/ssf/verify", &running.manage, ask.clone()).await.expect(204);
    }
    running.platform.post("/ssf/verify", &running.manage, ask.clone()).await.expect(429);
    running.platform.clock.advance(Duration::from_secs(1));
    running.platform.post("/ssf/verify", &running.manage, ask.clone()).await.expect(204);
    running.platform.post("/ssf/verify", &running.manage, ask).await.expect(429);
    // A stream that is made anew may be verified at once.
    let stream = running.create().await;
    let ask = json!({"stream_id": stream["stream_id"], "state": "what I sent"});
    running.platform.post("/ssf/verify", &running.manage, ask).await.expect(204);
    running.stop().await;
}

#[tokio::test]
async fn a_verification_that_nobody_waits_for_holds_nothing_up() {
    let mut running = Running::with(Duration::from_secs(3600)).await;
    let stream = running.create().await;
    assert_eq!(running.receiver.next().await.kind(), "verification");
    running.receiver.answer([(400, r#"{"err":"invalid_state","description":"not mine"}"#)]);
    let ask = json!({"stream_id": stream["stream_id"], "state": "forgotten"});
    running.platform.post("/ssf/verify", &running.manage, ask).await.expect(204);
    running.revoke(ALEX).await;
    assert_eq!(running.receiver.next().await.status, 400);
    assert_eq!(running.receiver.next().await.kind(), "session-revoked");
    // The same answer to a revocation holds everything up until it is taken.
    running.receiver.answer([(400, r#"{"err":"invalid_state","description":"not mine"}"#)]);
    running.revoke(LEE).await;
    let (first, second) = (running.receiver.next().await, running.receiver.next().await);
    assert_eq!((first.status, second.status), (400, 202));
    assert_eq!(first.claims()["jti"], second.claims()["jti"]);
    running.stop().await;
}

#[tokio::test]
async fn paused_holds_and_disabled_drops() {
    let mut running = Running::with(Duration::from_secs(3600)).await;
    let stream = running.create().await;
    let id = stream["stream_id"].as_str().unwrap();
    running.set_status(id, "paused").await;
    running.revoke(ALEX).await;
    running.set_status(id, "enabled").await;
    assert_eq!(running.receiver.next_event().await.claims()["sub_id"]["sub"], ALEX);
    running.set_status(id, "disabled").await;
    running.revoke(ALEX).await;
    running.set_status(id, "enabled").await;
    running.revoke(LEE).await;
    assert_eq!(running.receiver.next_event().await.claims()["sub_id"]["sub"], LEE);
    let status = running.platform.get(&format!("/ssf/status?stream_id={id}"), &running.manage).await.expect(200).json();
    assert_eq!(status, json!({"stream_id": id, "status": "enabled"}));
    running.stop().await;
}

#[tokio::test]
async fn only_what_was_requested_is_delivered() {
    let mut running = Running::with(Duration::from_secs(3600)).await;
    let stream = running.create().await;
    let kind = "https://schemas.openid.net/secevent/risc/event-type/account-disabled";
    let change = json!({"stream_id": stream["stream_id"], "events_requested": [kind, "https://example.com/unknown"]});
    let changed = running.platform.patch("/ssf/streams", &running.manage, change).await.expect(200).json();
    assert_eq!(changed["events_delivered"], json!([kind]));
    assert_eq!(changed["description"], "test");
    running.revoke(LEE).await;
    running.disable(ALEX).await;
    assert_eq!(running.receiver.next_event().await.kind(), "account-disabled");
    running.stop().await;
}

#[tokio::test]
async fn what_was_not_acknowledged_is_delivered_after_a_restart() {
    let mut running = Running::with(Duration::from_secs(3600)).await;
    running.create().await;
    assert_eq!(running.receiver.next().await.kind(), "verification");
    running.receiver.answer([(500, ""); 1]);
    running.revoke(ALEX).await;
    let first = running.receiver.next_event().await;
    assert_eq!(first.status, 500);
    running.shutdown.cancel();
    (&mut running.task).await.unwrap();
    running.shutdown = CancellationToken::new();
    running.task = tokio::spawn(control_plane::signals::run(running.platform.state.clone(), running.shutdown.clone()));
    let again = running.receiver.next_event().await;
    assert_eq!((again.status, &again.claims()["jti"]), (202, &first.claims()["jti"]));
    running.stop().await;
}

#[tokio::test]
async fn another_processs_commits_are_delivered_too() {
    let mut running = Running::with(Duration::from_secs(3600)).await;
    running.create().await;
    let other = running.platform.second_process().await;
    let mut tx = other.store.begin().await.unwrap();
    let tenant = other.snapshot().tenant().cloned().unwrap();
    let event = control_plane::signals::SecurityEvent::session_revoked(
        &other,
        &tenant,
        &model::UserId::new(ALEX),
        &model::SessionId::new("s1"),
        control_plane::signals::InitiatingEntity::User,
    );
    control_plane::signals::raise(&mut tx, event, other.clock.now(), "why").await.unwrap();
    tx.commit().await.unwrap();
    let claims = running.receiver.next_event().await.claims();
    assert_eq!(claims["sub_id"]["format"], "complex");
    assert_eq!(claims["sub_id"]["session"], json!({"format": "opaque", "id": "s1"}));
    assert_eq!(claims["sub_id"]["user"]["sub"], ALEX);
    running.stop().await;
}

#[tokio::test]
async fn a_stream_is_its_clients_alone() {
    let running = Running::start().await;
    let stream = running.create().await;
    let id = stream["stream_id"].as_str().unwrap();
    let other = running.platform.application_token_of(OTHER_CLIENT, &MANAGE);
    let platform = &running.platform;
    assert_eq!(platform.get("/ssf/streams", &other).await.expect(200).json(), json!([]));
    platform.get(&format!("/ssf/streams?stream_id={id}"), &other).await.expect(404);
    platform.get(&format!("/ssf/status?stream_id={id}"), &other).await.expect(404);
    platform.patch("/ssf/streams", &other, json!({"stream_id": id, "description": "mine now"})).await.expect(404);
    platform.post("/ssf/status", &other, json!({"stream_id": id, "status": "disabled"})).await.expect(404);
    platform.post("/ssf/verify", &other, json!({"stream_id": id})).await.expect(404);
    platform.delete(&format!("/ssf/streams?stream_id={id}"), &other).await.expect(404);
    assert_eq!(platform.get("/ssf/streams", &running.manage).await.expect(200).json(), json!([stream]));
    platform.delete(&format!("/ssf/streams?stream_id={id}"), &running.manage).await.expect(204);
    platform.get(&format!("/ssf/streams?stream_id={id}"), &running.manage).await.expect(404);
    running.stop().await;
}

#[tokio::test]
async fn a_receiver_that_starts_anew_does_not_leave_its_old_stream_behind() {
    let running = Running::start().await;
    let (first, second) = (running.create().await, running.create().await);
    assert_ne!(first["stream_id"], second["stream_id"]);
    assert_eq!(running.platform.get("/ssf/streams", &running.manage).await.expect(200).json(), json!([second]));
    let activities = running.platform.activities().await;
    assert_eq!(activities[activities.len() - 3..], ["Add event stream", "Delete event stream", "Add event stream"]);
    running.stop().await;
}

#[tokio::test]
async fn a_stream_that_cannot_be_is_refused() {
    let platform = Platform::start().await;
    let token = platform.application_token(&MANAGE);
    for body in [
        json!({}),
        json!({"delivery": {"method": "urn:ietf:rfc:8936", "endpoint_url": ""}}),
        json!({"delivery": {"method": "urn:ietf:rfc:8935", "endpoint_url": "http://127.0.0.1:9000/"}}),
        json!({"delivery": {"method": "urn:ietf:rfc:8935", "endpoint_url": "https://h/", "authorization_header": "a\nb"}}),
    ] {
        platform.post("/ssf/streams", &token, body).await.expect(400);
    }
    platform.delete("/ssf/streams", &token).await.expect(400);
    platform.post("/ssf/status", &token, json!({"stream_id": "x", "status": "on"})).await.expect(400);
}

#[tokio::test]
async fn old_events_are_removed_once_every_stream_has_them() {
    let mut running = Running::with(Duration::from_secs(3600)).await;
    running.create().await;
    running.revoke(ALEX).await;
    running.receiver.next_event().await;
    until(async || {
        let streams = store::stream::all(&running.platform.state.store).await.unwrap();
        (streams[0].acknowledged == 1).then_some(())
    })
    .await;
    running.shutdown.cancel();
    (&mut running.task).await.unwrap();
    let day = Duration::from_secs(86_400);
    running.platform.clock.advance(day * 8);
    running.write = running.platform.application_token(&["User.ReadWrite.All"]);
    running.revoke(LEE).await;
    assert_eq!(running.platform.events_after(0).await.len(), 2);
    running.shutdown = CancellationToken::new();
    running.task = tokio::spawn(control_plane::signals::run(running.platform.state.clone(), running.shutdown.clone()));
    let left = until(async || {
        let left = running.platform.events_after(0).await;
        (left.len() == 1).then_some(left)
    });
    assert_eq!(left.await, [("session-revoked".to_owned(), LEE.to_owned())]);
    running.stop().await;
}

/// Asks again, letting others run, until there is an answer.
async fn until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking).await.expect("it did not come about")
}
