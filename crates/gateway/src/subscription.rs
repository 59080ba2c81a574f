//! Keeps the event stream: makes one at the transmitter (SSF 1.0 §8.1), asks it to prove itself, and again whenever it
//! falls silent; makes a new one when the old is gone. Every wait is bounded, every retry spaced.

use crate::causes;
use crate::control_plane::{CallError, successful};
use crate::feed::FeedState;
use crate::gateway::Gateway;
use crate::receiver::EVENTS;
use crate::signals::Stream;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use protocol::revocation::ACTING;
use protocol::secevent::{DELIVERY_PUSH, Delivery, StreamConfiguration, TransmitterMetadata, VerificationRequest};
use runtime::random;
use serde::Serialize;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The first wait for a verification that the transmitter has accepted.
const VERIFICATION_PAUSE: Duration = Duration::from_secs(1);
/// Verifications accepted by the transmitter that never arrived, before the stream is made anew.
const UNANSWERED: u32 = 5;

/// Runs until `shutdown`.
pub(crate) async fn keep(gateway: &Gateway, shutdown: &CancellationToken) {
    let mut pause = FIRST_PAUSE;
    loop {
        let attempt = tokio::select! {
            () = shutdown.cancelled() => return,
            attempt = establish(gateway) => attempt,
        };
        match attempt {
            Ok(verification_endpoint) => {
                pause = FIRST_PAUSE;
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = watch(gateway, &verification_endpoint) => {}
                }
            }
            Err(error) => {
                tracing::warn!(error = causes::text(&error), "the event stream could not be set up");
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Everything from nothing to a stream that has been asked to verify itself. Gives the address to ask at.
async fn establish(gateway: &Gateway) -> Result<String, CallError> {
    let control_plane = &gateway.inner.control_plane;
    let discovery = control_plane.discover().await?;
    gateway.inner.issuer_keys.set_address(&discovery.jwks_uri);
    if !gateway.inner.issuer_keys.fetch().await {
        return Err(CallError::Unreadable);
    }
    let metadata: TransmitterMetadata = control_plane.read(&metadata_address(&gateway.inner.names.issuer)?).await?;
    if metadata.issuer != gateway.inner.names.issuer {
        return Err(CallError::OtherIssuer { found: metadata.issuer, wanted: gateway.inner.names.issuer.clone() });
    }
    let endpoint = format!("{}{EVENTS}", gateway.inner.names.own_origin);
    // Left by a gateway that ended: a transmitter may allow one stream to an address (SSF 1.0 §8.1.1.1, 409), or go on
    // pushing to the old one with a secret that nobody knows any more.
    for stream in streams(gateway, &metadata).await? {
        let is_ours = stream.delivery.as_ref().is_some_and(|delivery| delivery.endpoint_url == endpoint);
        if is_ours {
            delete(gateway, &metadata, &stream.stream_id).await?;
        }
    }
    let wanted = StreamConfiguration {
        events_requested: ACTING.map(|(event, _)| event.to_owned()).into(),
        delivery: Some(Delivery {
            method: DELIVERY_PUSH.to_owned(),
            endpoint_url: endpoint,
            authorization_header: Some(gateway.inner.push_authorization.clone()),
        }),
        description: Some("Countersign gateway".to_owned()),
        ..StreamConfiguration::default()
    };
    let answer = control_plane.call(json_request(Method::POST, &metadata.configuration_endpoint, &wanted)?).await?;
    successful(&answer)?;
    let stream: StreamConfiguration = serde_json::from_slice(answer.body()).map_err(|_| CallError::Unreadable)?;
    // An event type that is not delivered is a revocation that is not seen.
    if !are_enough(&stream.events_delivered) {
        return Err(CallError::MissingEvents);
    }
    if stream.stream_id.is_empty() || stream.aud.is_empty() {
        return Err(CallError::Unreadable);
    }
    gateway.inner.signals.begin_stream(Stream { id: stream.stream_id, audience: stream.aud });
    tracing::info!("an event stream was created");
    Ok(metadata.verification_endpoint)
}

fn are_enough(delivered: &[String]) -> bool {
    ACTING.iter().all(|(acting, _)| delivered.iter().any(|event| event == acting))
}

/// Returns when the stream has to be made anew.
async fn watch(gateway: &Gateway, verification_endpoint: &str) {
    let signals = &gateway.inner.signals;
    let mut pause = VERIFICATION_PAUSE;
    let mut unanswered = 0;
    loop {
        let changed = signals.changed.notified();
        if signals.expects_stream() {
            return;
        }
        let now = gateway.inner.clock.monotonic();
        if signals.feed_state(now) == FeedState::Live {
            (pause, unanswered) = (VERIFICATION_PAUSE, 0);
            let left = signals.deadline().unwrap_or(now).saturating_sub(now);
            let _ = tokio::time::timeout(left.saturating_add(Duration::from_millis(1)), changed).await;
            continue;
        }
        match verify(gateway, verification_endpoint).await {
            Ok(()) if unanswered >= UNANSWERED => return signals.end_stream(),
            Ok(()) => unanswered += 1,
            Err(CallError::Status(status)) if status == StatusCode::NOT_FOUND || status == StatusCode::GONE => {
                return signals.end_stream();
            }
            Err(error) => tracing::warn!(error = causes::text(&error), "the event stream could not be asked to verify itself"),
        }
        // Whatever is heard meanwhile ends the wait.
        let _ = tokio::time::timeout(pause, heard(gateway, changed)).await;
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}

/// Until the feed is live or its stream is gone. Any other change is no reason to ask again before its time: the
/// transmitter would refuse (SSF 1.0 §8.1.4).
async fn heard(gateway: &Gateway, changed: impl Future<Output = ()>) {
    let signals = &gateway.inner.signals;
    changed.await;
    loop {
        let changed = signals.changed.notified();
        if signals.expects_stream() || signals.feed_state(gateway.inner.clock.monotonic()) == FeedState::Live {
            return;
        }
        changed.await;
    }
}

/// SSF 1.0 §8.1.4.2.
async fn verify(gateway: &Gateway, address: &str) -> Result<(), CallError> {
    let Some(stream) = gateway.inner.signals.stream() else { return Ok(()) };
    let state = random::token();
    // Known before it is asked for: the event may overtake the answer.
    gateway.inner.signals.await_verification(&state);
    let request = VerificationRequest { stream_id: stream.id, state: Some(state) };
    let answer = gateway.inner.control_plane.call(json_request(Method::POST, address, &request)?).await?;
    successful(&answer)
}

async fn streams(gateway: &Gateway, metadata: &TransmitterMetadata) -> Result<Vec<StreamConfiguration>, CallError> {
    let request = Request::get(&metadata.configuration_endpoint).body(Bytes::new()).map_err(|_| CallError::Unreadable)?;
    let answer = gateway.inner.control_plane.call(request).await?;
    successful(&answer)?;
    serde_json::from_slice(answer.body()).map_err(|_| CallError::Unreadable)
}

async fn delete(gateway: &Gateway, metadata: &TransmitterMetadata, stream_id: &str) -> Result<(), CallError> {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("stream_id", stream_id).finish();
    let address = format!("{}?{query}", metadata.configuration_endpoint);
    let request = Request::delete(address).body(Bytes::new()).map_err(|_| CallError::Unreadable)?;
    let answer: Response<Bytes> = gateway.inner.control_plane.call(request).await?;
    if answer.status() == StatusCode::NOT_FOUND { Ok(()) } else { successful(&answer) }
}

fn json_request(method: Method, address: &str, value: &impl Serialize) -> Result<Request<Bytes>, CallError> {
    let body = serde_json::to_vec(value).map_err(|_| CallError::Unreadable)?;
    let request = Request::builder().method(method).uri(address).header(CONTENT_TYPE, "application/json");
    request.body(Bytes::from(body)).map_err(|_| CallError::Unreadable)
}

/// SSF 1.0 §7.2: the well-known part goes between host and path.
fn metadata_address(issuer: &str) -> Result<String, CallError> {
    let after_scheme = issuer.strip_prefix("https://").ok_or_else(|| CallError::Insecure(issuer.to_owned()))?;
    let (host, path) = after_scheme.split_once('/').unwrap_or((after_scheme, ""));
    let path = if path.is_empty() { String::new() } else { format!("/{path}") };
    Ok(format!("https://{host}/.well-known/ssf-configuration{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_without_one_of_the_acting_events_is_not_enough() {
        let all: Vec<String> = ACTING.map(|(event, _)| event.to_owned()).into();
        assert!(are_enough(&all));
        for missing in 0..all.len() {
            let mut fewer = all.clone();
            fewer.remove(missing);
            assert!(!are_enough(&fewer), "{}", all[missing]);
        }
    }

    #[test]
    fn the_well_known_part_goes_before_the_path() {
        assert_eq!(
            metadata_address("https://localhost:8443/t/v2.0").unwrap(),
            "https://localhost:8443/.well-known/ssf-configuration/t/v2.0"
        );
        assert_eq!(metadata_address("https://a.example").unwrap(), "https://a.example/.well-known/ssf-configuration");
    }
}
