//! One event stream, between its row in the store and its Shared Signals form (SSF 1.0 §8.1.1). Reads and writes nothing.

use model::{AppId, Timestamp};
use protocol::secevent::{DELIVERY_PUSH, Delivery, Status, StreamConfiguration, StreamStatus, event_type};
use runtime::seal::Sealer;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use store::stream::Stream;
use url::Url;

/// Streams of one client. One more is refused.
pub(crate) const MOST_PER_CLIENT: usize = 1024;
/// How often, in the long run, a receiver may ask to be verified (SSF 1.0 §8.1.4).
pub(crate) const VERIFICATION_INTERVAL: Duration = Duration::from_secs(1);
/// So many may come at once: a receiver that has just made its stream asks, and may ask again when it hears a heartbeat
/// before the answer.
const VERIFICATION_BURST: u32 = 4;
/// What a receiver's authorisation header is sealed for.
const AUTHORIZATION: &str = "signals/authorization";
const MOST_TEXT: usize = 2048;
/// Longest `state` of a verification.
pub(crate) const MOST_STATE: usize = 1024;

/// What a row's `detail` holds: the members of a stream that no query needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Detail {
    /// Empty: whatever there is.
    pub events_requested: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Why the stream is not enabled, as the receiver or the transmitter said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When what was asked for so far would be used up at the allowed rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verifications_until: Option<Timestamp>,
}

impl Detail {
    /// Counts a request for a verification, unless there were too many. The first is never too many.
    pub(crate) fn may_verify(&mut self, now: Timestamp) -> bool {
        let begins = self.verifications_until.map_or(now, |until| until.max(now));
        let until = begins.plus(VERIFICATION_INTERVAL);
        let is_allowed = until <= now.plus(VERIFICATION_INTERVAL.saturating_mul(VERIFICATION_BURST));
        if is_allowed {
            self.verifications_until = Some(until);
        }
        is_allowed
    }
}

/// Why a stream cannot be as the receiver wants it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    #[error("a stream needs `delivery` by `{DELIVERY_PUSH}`; polling is not offered")]
    Delivery,
    #[error("`endpoint_url` is not an https address without user information and fragment")]
    Endpoint,
    #[error("`authorization_header` is not a header value of at most {MOST_TEXT} visible characters")]
    Authorization,
    #[error("`{0}` is longer than {MOST_TEXT} bytes, or has too many elements")]
    TooLong(&'static str),
    #[error("`{0}` is the transmitter's to say, and it says otherwise")]
    TransmitterSupplied(&'static str),
}

/// The parts of a stream that its receiver decides, checked.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub endpoint: Option<String>,
    pub authorization: Option<SecretString>,
    pub events_requested: Option<Vec<String>>,
    pub description: Option<String>,
}

impl Wanted {
    /// For a new stream, where delivery must be told.
    pub(crate) fn to_create(configuration: &StreamConfiguration) -> Result<Self, StreamError> {
        let wanted = Self::to_change(configuration)?;
        if wanted.endpoint.is_none() { Err(StreamError::Delivery) } else { Ok(wanted) }
    }

    /// For a stream that exists: what is absent stays as it is (SSF 1.0 §8.1.1.3).
    pub(crate) fn to_change(configuration: &StreamConfiguration) -> Result<Self, StreamError> {
        let (endpoint, authorization) = match &configuration.delivery {
            None => (None, None),
            Some(Delivery { method, endpoint_url, authorization_header }) => {
                if method != DELIVERY_PUSH {
                    return Err(StreamError::Delivery);
                }
                if authorization_header.as_deref().is_some_and(|value| !is_header_value(value)) {
                    return Err(StreamError::Authorization);
                }
                (Some(endpoint(endpoint_url)?), authorization_header.as_deref().map(SecretString::from))
            }
        };
        let events = &configuration.events_requested;
        if events.len() > 64 || events.iter().any(|event| event.len() > MOST_TEXT) {
            return Err(StreamError::TooLong("events_requested"));
        }
        if configuration.description.as_deref().is_some_and(|text| text.len() > MOST_TEXT) {
            return Err(StreamError::TooLong("description"));
        }
        Ok(Self {
            endpoint,
            authorization,
            events_requested: (!events.is_empty()).then(|| events.clone()),
            description: configuration.description.clone(),
        })
    }

    /// `stream` as it is wanted. Its status, owner and position do not change.
    #[must_use]
    pub(crate) fn applied(self, mut stream: Stream, sealer: &Sealer) -> Stream {
        let mut detail = detail(&stream);
        if let Some(endpoint) = self.endpoint {
            // A header is meant for one endpoint: another endpoint never gets the old one's.
            if self.authorization.is_some() || endpoint != stream.endpoint {
                stream.sealed_authorization =
                    self.authorization.map(|header| sealer.seal(AUTHORIZATION, header.expose_secret().as_bytes()));
            }
            stream.endpoint = endpoint;
        }
        if let Some(events_requested) = self.events_requested {
            detail.events_requested = events_requested;
        }
        if self.description.is_some() {
            detail.description = self.description;
        }
        with_detail(stream, &detail)
    }
}

/// A stream nobody has configured yet, at the outbox's present end.
pub(crate) fn new(client: &AppId, now: Timestamp, last_sequence: i64) -> Stream {
    Stream {
        id: runtime::random::guid(),
        client_id: client.clone(),
        audience: client.to_string(),
        endpoint: String::new(),
        sealed_authorization: None,
        detail: "{}".to_owned(),
        status: status_text(Status::Enabled).to_owned(),
        created: now,
        acknowledged: last_sequence,
    }
}

/// As its receiver sees it. The authorisation header is never shown again.
pub(crate) fn configuration(stream: &Stream, issuer: &str) -> StreamConfiguration {
    let detail = detail(stream);
    StreamConfiguration {
        stream_id: stream.id.clone(),
        iss: issuer.to_owned(),
        aud: stream.audience.clone(),
        events_supported: event_type::SUPPORTED.map(str::to_owned).to_vec(),
        events_delivered: delivered(&detail),
        events_requested: detail.events_requested,
        delivery: Some(Delivery {
            method: DELIVERY_PUSH.to_owned(),
            endpoint_url: stream.endpoint.clone(),
            authorization_header: None,
        }),
        min_verification_interval: Some(VERIFICATION_INTERVAL.as_secs()),
        description: detail.description,
        rest: serde_json::Map::new(),
    }
}

/// Where a receiver repeats what the transmitter supplied, it must be right (SSF 1.0 §8.1.1.3).
pub(crate) fn check_repeated(given: &StreamConfiguration, actual: &StreamConfiguration) -> Result<(), StreamError> {
    let differs = |given: &str, actual: &str| !given.is_empty() && given != actual;
    if differs(&given.iss, &actual.iss) {
        return Err(StreamError::TransmitterSupplied("iss"));
    }
    if differs(&given.aud, &actual.aud) {
        return Err(StreamError::TransmitterSupplied("aud"));
    }
    Ok(())
}

pub(crate) fn stream_status(stream: &Stream) -> StreamStatus {
    StreamStatus { stream_id: stream.id.clone(), status: status(stream), reason: detail(stream).reason }
}

/// A status that is not one of ours delivers nothing.
pub(crate) fn status(stream: &Stream) -> Status {
    match stream.status.as_str() {
        "enabled" => Status::Enabled,
        "paused" => Status::Paused,
        _ => Status::Disabled,
    }
}

pub(crate) const fn status_text(status: Status) -> &'static str {
    match status {
        Status::Enabled => "enabled",
        Status::Paused => "paused",
        Status::Disabled => "disabled",
    }
}

/// Unreadable detail is empty detail: then every event goes out, none is held back.
pub(crate) fn detail(stream: &Stream) -> Detail {
    serde_json::from_str(&stream.detail).unwrap_or_default()
}

#[must_use]
pub(crate) fn with_detail(mut stream: Stream, detail: &Detail) -> Stream {
    stream.detail = serde_json::to_string(detail).unwrap_or_default();
    stream
}

/// Whether a stream is to have events of this type. The framework's own are for every stream.
pub(crate) fn wants(detail: &Detail, event: &str) -> bool {
    event == event_type::VERIFICATION || event == event_type::STREAM_UPDATED || delivered(detail).iter().any(|name| name == event)
}

/// The header that the receiver gave for its endpoint.
pub(crate) fn authorization(stream: &Stream, sealer: &Sealer) -> Result<Option<String>, UnsealableError> {
    let Some(sealed) = &stream.sealed_authorization else { return Ok(None) };
    let opened = sealer.open(AUTHORIZATION, sealed).and_then(|bytes| String::from_utf8(bytes).ok());
    opened.map(Some).ok_or(UnsealableError)
}

#[derive(Debug, thiserror::Error)]
#[error("the receiver's authorisation header does not open with this data key")]
pub(crate) struct UnsealableError;

fn delivered(detail: &Detail) -> Vec<String> {
    let supported = event_type::SUPPORTED.into_iter();
    supported
        .filter(|event| detail.events_requested.is_empty() || detail.events_requested.iter().any(|wanted| wanted == event))
        .map(str::to_owned)
        .collect()
}

fn endpoint(text: &str) -> Result<String, StreamError> {
    let url = Url::parse(text).map_err(|_| StreamError::Endpoint)?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if text.len() > MOST_TEXT || url.scheme() != "https" || !url.has_host() || !is_plain {
        return Err(StreamError::Endpoint);
    }
    Ok(url.into())
}

/// RFC 9110 §5.5, without the obsolete and invisible characters.
fn is_header_value(text: &str) -> bool {
    !text.is_empty() && text.len() <= MOST_TEXT && text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && text.trim() == text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: serde_json::Value) -> Result<Wanted, StreamError> {
        Wanted::to_create(&serde_json::from_value(value).unwrap())
    }

    fn push(url: &str) -> serde_json::Value {
        json!({"delivery": {"method": DELIVERY_PUSH, "endpoint_url": url, "authorization_header": "Bearer x"}})
    }

    fn stream() -> Stream {
        new(&AppId::new("client"), Timestamp::from_seconds(1), 7)
    }

    #[test]
    fn only_https_endpoints_are_taken() {
        for (url, expected) in [
            ("https://gateway.localhost:8444/ssf/events", true),
            ("http://127.0.0.1:9000/", false),
            ("https://user@host/", false),
            ("https://host/#x", false),
            ("file:///etc/passwd", false),
            ("events", false),
        ] {
            assert_eq!(read(push(url)).is_ok(), expected, "{url}");
        }
        assert_eq!(read(json!({})).err(), Some(StreamError::Delivery));
        assert_eq!(
            read(json!({"delivery": {"method": "urn:ietf:rfc:8936", "endpoint_url": ""}})).err(),
            Some(StreamError::Delivery)
        );
        let split =
            json!({"delivery": {"method": DELIVERY_PUSH, "endpoint_url": "https://h/", "authorization_header": "a\r\nb: c"}});
        assert_eq!(read(split).err(), Some(StreamError::Authorization));
    }

    #[test]
    fn the_authorization_header_is_sealed_and_never_shown() {
        let sealer = Sealer::new(&[1; 32]);
        let stream = read(push("https://h/")).unwrap().applied(stream(), &sealer);
        assert_eq!(authorization(&stream, &sealer).unwrap().as_deref(), Some("Bearer x"));
        let shown = serde_json::to_string(&configuration(&stream, "https://i")).unwrap();
        assert!(!shown.contains("Bearer"), "{shown}");
        assert!(authorization(&stream, &Sealer::new(&[2; 32])).is_err());
    }

    #[test]
    fn another_endpoint_does_not_get_the_old_ones_header() {
        let sealer = Sealer::new(&[1; 32]);
        let stream = read(push("https://h/")).unwrap().applied(stream(), &sealer);
        let moved = json!({"delivery": {"method": DELIVERY_PUSH, "endpoint_url": "https://other/"}});
        let stream = Wanted::to_change(&serde_json::from_value(moved).unwrap()).unwrap().applied(stream, &sealer);
        assert_eq!(stream.endpoint, "https://other/");
        assert_eq!(authorization(&stream, &sealer).unwrap(), None);
    }

    #[test]
    fn delivered_is_the_intersection_and_everything_by_default() {
        let every = Detail::default();
        assert!(event_type::SUPPORTED.iter().all(|event| wants(&every, event)));
        let few = Detail { events_requested: vec![event_type::SESSION_REVOKED.to_owned(), "x".to_owned()], ..Detail::default() };
        assert_eq!(delivered(&few), [event_type::SESSION_REVOKED]);
        assert!(wants(&few, event_type::VERIFICATION) && !wants(&few, event_type::ACCOUNT_DISABLED));
    }

    #[test]
    fn a_receiver_may_not_choose_the_audience() {
        let actual = configuration(&stream(), "https://i");
        let given = StreamConfiguration { aud: "other".to_owned(), ..StreamConfiguration::default() };
        assert_eq!(check_repeated(&given, &actual), Err(StreamError::TransmitterSupplied("aud")));
        assert_eq!(check_repeated(&actual, &actual), Ok(()));
    }
}
