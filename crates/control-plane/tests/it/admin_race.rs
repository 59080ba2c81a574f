//! Disabling an account and issuing tokens for it, at once, many times: no token outlives the signal.

use crate::admin_fixture::{ALEX, CLIENT, GRAPH, Platform};
use crate::admin_person::{Person, refresh};
use control_plane::api::Caller;
use control_plane::users::UserPatch;
use model::{AppId, UserId};
use protocol::oidc::AccessTokenClaims;
use runtime::Clock;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 60;
const REFRESHES: usize = 4;

/// Each round: a person signs in, and then refreshes several times at once while an administrator disables the account.
/// The clock runs on in between, so that a token stamped after the event would show.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_token_is_issued_after_the_signal() {
    let platform = Arc::new(Platform::start().await);
    let (mut issued, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        platform.clock.advance(Duration::from_secs(2));
        let mut person = Person::default();
        let mut refresh_tokens = Vec::new();
        for _ in 0..REFRESHES {
            let tokens = person.sign_in(&platform, "alex@woodgrove.example").await;
            refresh_tokens.push(tokens["refresh_token"].as_str().unwrap().to_owned());
        }
        platform.clock.advance(Duration::from_secs(2));
        let before = platform.last_event().await;
        let racing = CancellationToken::new();
        let clock = tokio::spawn(turn(platform.clock.clone(), racing.clone()));
        let refreshing: Vec<_> = refresh_tokens
            .iter()
            .cloned()
            .enumerate()
            .map(|(index, refresh_token)| {
                let platform = platform.clone();
                tokio::spawn(async move {
                    yield_times(index * (round % 7)).await;
                    refresh(&platform, &refresh_token).await
                })
            })
            .collect();
        yield_times(3 * (round % 5)).await;
        set_enabled(&platform, false).await;
        let mut answers = Vec::new();
        for refreshing in refreshing {
            answers.push(refreshing.await.unwrap());
        }
        racing.cancel();
        clock.await.unwrap();
        let signal = signal_after(&platform, before).await;
        for answer in answers {
            if !answer.status.is_success() {
                refused += 1;
                continue;
            }
            issued += 1;
            let answer = answer.json();
            let token = answer["access_token"].as_str().unwrap();
            let iat = issued_at(&platform, token);
            assert!(iat <= signal, "round {round}: issued at {iat}, revoked before {signal}");
            // It is worth nothing any more, here either, and neither is what came with it.
            platform.get("/v1.0/me", token).await.expect(401);
            refresh(&platform, answer["refresh_token"].as_str().unwrap()).await.expect(400);
        }
        for refresh_token in &refresh_tokens {
            refresh(&platform, refresh_token).await.expect(400);
        }
        set_enabled(&platform, true).await;
    }
    assert_eq!(issued + refused, ROUNDS * REFRESHES);
    assert!(issued > 0 && refused > 0, "the race never went both ways: {issued} issued, {refused} refused");
}

async fn turn(clock: Clock, until: CancellationToken) {
    while !until.is_cancelled() {
        clock.advance(Duration::from_millis(200));
        tokio::task::yield_now().await;
    }
}

async fn set_enabled(platform: &Platform, account_enabled: bool) {
    let caller =
        Caller { user: None, client: AppId::new(CLIENT), application_permissions: ["User.ReadWrite.All".to_owned()].into() };
    let patch = UserPatch { account_enabled: Some(account_enabled), ..UserPatch::default() };
    control_plane::users::update(&platform.state, &caller, &UserId::new(ALEX), patch).await.unwrap();
}

async fn yield_times(times: usize) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

/// Of a token that these keys signed.
fn issued_at(platform: &Platform, token: &str) -> i64 {
    let claims: AccessTokenClaims = platform.state.keys.verify_signature(token, "JWT", platform.clock.now()).unwrap();
    assert_eq!(claims.aud, GRAPH);
    claims.iat
}

/// Both events of the disabling, and the moment they name.
async fn signal_after(platform: &Platform, sequence: i64) -> i64 {
    let events = store::outbox::after(&platform.state.store, sequence, 10).await.unwrap();
    let bodies: Vec<Value> = events.iter().map(|event| serde_json::from_str(&event.body).unwrap()).collect();
    let moments: Vec<i64> = bodies
        .iter()
        .filter(|body| body["sub_id"] == json!({"format": "iss_sub", "iss": body["sub_id"]["iss"], "sub": ALEX}))
        .flat_map(|body| body["events"].as_object().unwrap().values().map(|event| event["event_timestamp"].as_i64().unwrap()))
        .collect();
    assert!(moments.len() == 2 && moments[0] == moments[1], "{bodies:?}");
    moments[0]
}
