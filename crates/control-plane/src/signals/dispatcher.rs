//! Delivery of the outbox: one courier for each stream, in commit order, at least once, until acknowledged (RFC 8935).
//!
//! The dispatcher watches the outbox and the streams, starts and ends couriers, and writes down how far each has got.
//! A courier reads what its stream has not acknowledged and pushes it. INVARIANT: a courier goes past an event only
//! when its receiver has acknowledged it (or the stream did not want it, or it was a verification that its receiver no
//! longer waits for); and it sends a heartbeat only when it has just
//! read that nothing is left to deliver. So a receiver that hears heartbeats has missed nothing.

use super::{Envelope, stream, transmitter};
use crate::audit::{Activity, Actor, Change};
use crate::error::ApiError;
use crate::keys::KeyError;
use crate::state::ControlPlane;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use model::audit::Initiator;
use protocol::secevent::{self, DeliveryError, DeliveryErrorCode, SecurityEventToken, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use store::StoreError;
use store::outbox::OutboxEvent;
use store::stream::Stream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, Sleep};
use tokio_util::sync::CancellationToken;

/// How often the outbox is looked at for what other processes committed, and positions are written down.
const POLL: Duration = Duration::from_secs(1);
/// A receiver that does not answer in this time is asked again.
const PUSH_TIME: Duration = Duration::from_secs(5);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// Events read at once.
const BATCH: u32 = 64;
const PRUNE: Duration = Duration::from_secs(600);
/// A stream that has acknowledged nothing for this many times the retention is disabled, so that what is held for it
/// is bounded.
const ABANDONED: u32 = 4;

/// What the dispatcher last read, for one courier.
#[derive(Clone, Debug)]
struct Order {
    stream: Arc<Stream>,
    /// The outbox's end.
    last: i64,
}

#[derive(Debug)]
struct Courier {
    orders: watch::Sender<Order>,
    /// How far it has delivered; written to the store by the dispatcher, for all couriers at once.
    delivered: Arc<AtomicI64>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Delivers until `shutdown`, then ends every courier.
pub async fn run(state: ControlPlane, shutdown: CancellationToken) {
    let mut couriers: BTreeMap<String, Courier> = BTreeMap::new();
    let mut pruned = None;
    let mut tick = tokio::time::interval(POLL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // Registered before reading, so that a commit in between is not missed.
        let changed = state.outbox_changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        if let Err(error) = dispatch(&state, &mut couriers).await {
            tracing::error!(%error, "the event streams could not be read; no heartbeat goes out until they can");
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = &mut changed => continue,
            _ = tick.tick() => {}
        }
        if let Err(error) = write_positions(&state, &couriers).await {
            tracing::warn!(%error, "positions of event streams could not be written; events may be delivered again");
        }
        if pruned.is_none_or(|last| state.clock.monotonic().saturating_sub(last) >= PRUNE) {
            pruned = Some(state.clock.monotonic());
            if let Err(error) = prune(&state).await {
                tracing::warn!(%error, "delivered events could not be removed");
            }
        }
    }
    for courier in couriers.values() {
        courier.stop.cancel();
    }
    if let Err(error) = write_positions(&state, &couriers).await {
        tracing::warn!(%error, "positions of event streams could not be written; events may be delivered again");
    }
    for courier in couriers.into_values() {
        // A courier that panicked has said so already.
        let _ = courier.task.await;
    }
}

/// Tells each courier what there is; starts those that are missing and ends those whose stream is gone.
async fn dispatch(state: &ControlPlane, couriers: &mut BTreeMap<String, Courier>) -> Result<(), StoreError> {
    let streams = store::stream::all(&state.store).await?;
    let last = store::outbox::last_sequence(&state.store).await?;
    let known: BTreeSet<&str> = streams.iter().map(|stream| stream.id.as_str()).collect();
    couriers.retain(|id, courier| {
        let stays = known.contains(id.as_str()) && !courier.task.is_finished();
        if !stays {
            courier.stop.cancel();
        }
        stays
    });
    for stream in streams {
        let id = stream.id.clone();
        let order = Order { stream: Arc::new(stream), last };
        match couriers.get(&id) {
            Some(courier) => {
                courier.orders.send_replace(order);
            }
            None => {
                couriers.insert(id, hire(state, order));
            }
        }
    }
    Ok(())
}

fn hire(state: &ControlPlane, order: Order) -> Courier {
    let stop = CancellationToken::new();
    let delivered = Arc::new(AtomicI64::new(order.stream.acknowledged));
    let (orders, receiver) = watch::channel(order);
    let route = Route { state: state.clone(), orders: receiver, delivered: delivered.clone() };
    let ended = stop.clone();
    let task = tokio::spawn(async move {
        tokio::select! {
            () = ended.cancelled() => {}
            () = route.serve() => {}
        }
    });
    Courier { orders, delivered, stop, task }
}

/// One write for all couriers. After a crash, at most a second's events are delivered again.
async fn write_positions(state: &ControlPlane, couriers: &BTreeMap<String, Courier>) -> Result<(), StoreError> {
    let moved: Vec<(&String, i64)> = couriers
        .iter()
        .map(|(id, courier)| (id, courier.delivered.load(Ordering::Acquire), courier.orders.borrow().stream.acknowledged))
        .filter(|(_, delivered, acknowledged)| delivered > acknowledged)
        .map(|(id, delivered, _)| (id, delivered))
        .collect();
    if moved.is_empty() {
        return Ok(());
    }
    let mut tx = state.store.begin().await?;
    for (id, delivered) in moved {
        store::stream::acknowledge(&mut tx, id, delivered).await?;
    }
    state.commit(tx).await
}

/// Removes events that are older than the retention and that every stream has; disables streams that hold up far more.
async fn prune(state: &ControlPlane) -> Result<(), ApiError> {
    let retention = state.config.event_retention;
    let now = state.clock.now();
    let old = store::outbox::last_before(&state.store, now.minus(retention)).await?;
    let abandoned = store::outbox::last_before(&state.store, now.minus(retention.saturating_mul(ABANDONED))).await?;
    let mut keep_from = old.saturating_add(1);
    let itself = Initiator::App { app_id: String::new(), display_name: "Countersign".to_owned() };
    let mut change = Change::begin(state, Actor::new(itself)).await?;
    for row in store::stream::all(&state.store).await? {
        let held = match stream::status(&row) {
            Status::Enabled => abandoned,
            Status::Paused => old,
            Status::Disabled => continue,
        };
        if row.acknowledged >= held {
            keep_from = keep_from.min(row.acknowledged.saturating_add(1));
            continue;
        }
        tracing::warn!(stream = %row.id, "an event stream is disabled: it has taken nothing for too long");
        let detail = stream::Detail { reason: Some("nothing was taken for too long".to_owned()), ..stream::detail(&row) };
        let mut row = stream::with_detail(row, &detail);
        stream::status_text(Status::Disabled).clone_into(&mut row.status);
        store::stream::update(&mut change.tx, &row).await?;
        change.record(Activity::UpdateStream, transmitter::target(&row)).await?;
    }
    store::outbox::prune(&mut change.tx, keep_from).await?;
    change.commit().await
}

/// One courier's way: from the outbox to one receiver.
#[derive(Debug)]
struct Route {
    state: ControlPlane,
    orders: watch::Receiver<Order>,
    delivered: Arc<AtomicI64>,
}

/// Why one push was not acknowledged.
#[derive(Debug, thiserror::Error)]
enum PushError {
    #[error("no answer within {} seconds", PUSH_TIME.as_secs())]
    Time,
    #[error("the receiver cannot be reached")]
    Client(#[source] runtime::client::ClientError),
    #[error("the receiver answered {0}")]
    Status(StatusCode),
    /// RFC 8935 §2.3. Only the code is kept: the description is a stranger's text.
    #[error("the receiver refused the event: {0:?}")]
    Refused(DeliveryErrorCode),
    #[error(transparent)]
    Unsealable(#[from] stream::UnsealableError),
    #[error("the stored event is unreadable")]
    Unreadable,
    #[error("there is no tenant to sign for")]
    NoTenant,
    #[error("the event could not be signed")]
    Signing(#[source] KeyError),
    #[error("the address or header of the stream cannot be used")]
    Request(#[source] http::Error),
}

impl Route {
    async fn serve(mut self) {
        // The first heartbeat goes out at once: a receiver learns that its feed lives.
        let mut heartbeat = Box::pin(tokio::time::sleep(Duration::ZERO));
        let mut backoff = FIRST_BACKOFF;
        loop {
            let order = self.orders.borrow_and_update().clone();
            if stream::status(&order.stream) == Status::Enabled {
                self.delivered.fetch_max(order.stream.acknowledged, Ordering::AcqRel);
                if order.last > self.delivered.load(Ordering::Acquire) {
                    self.deliver(heartbeat.as_mut()).await;
                }
            }
            tokio::select! {
                changed = self.orders.changed() => if changed.is_err() { return },
                () = heartbeat.as_mut() => {
                    if self.beat().await {
                        backoff = FIRST_BACKOFF;
                        self.wind(heartbeat.as_mut());
                    } else {
                        heartbeat.as_mut().reset(Instant::now() + jittered(backoff));
                        backoff = backoff.saturating_mul(2).min(LONGEST_BACKOFF).min(self.state.config.heartbeat);
                    }
                }
            }
        }
    }

    /// Everything after `delivered`, to the outbox's end.
    async fn deliver(&self, mut heartbeat: Pin<&mut Sleep>) {
        loop {
            let position = self.delivered.load(Ordering::Acquire);
            let events = match store::outbox::after(&self.state.store, position, BATCH).await {
                Ok(events) => events,
                Err(error) => {
                    tracing::error!(%error, "events to deliver could not be read");
                    tokio::time::sleep(LONGEST_BACKOFF).await;
                    continue;
                }
            };
            if events.is_empty() {
                return;
            }
            for event in events {
                match self.push_until_acknowledged(&event).await {
                    Delivery::Acknowledged => self.wind(heartbeat.as_mut()),
                    Delivery::NotWanted => {}
                    Delivery::Stopped => return,
                }
                self.delivered.fetch_max(event.sequence, Ordering::AcqRel);
            }
        }
    }

    async fn push_until_acknowledged(&self, event: &OutboxEvent) -> Delivery {
        let mut backoff = FIRST_BACKOFF;
        let mut attempts = 0_u32;
        loop {
            // Read again before each attempt: the receiver may have moved, paused, or changed what it wants.
            let stream = self.orders.borrow().stream.clone();
            if stream::status(&stream) != Status::Enabled {
                return Delivery::Stopped;
            }
            let outcome = match serde_json::from_str::<Envelope>(&event.body) {
                Ok(envelope) if !is_for(&stream, &envelope) => return Delivery::NotWanted,
                Ok(envelope) => {
                    let is_verification = envelope.stream.is_some();
                    match self.push(&stream, &event.id, envelope).await {
                        // The receiver asked, and has forgotten: nothing happened that it would have to hear of.
                        Err(PushError::Refused(DeliveryErrorCode::InvalidState)) if is_verification => {
                            return Delivery::NotWanted;
                        }
                        outcome => outcome,
                    }
                }
                // Not skipped: what it was might have been a revocation.
                Err(_) => Err(PushError::Unreadable),
            };
            let Err(error) = outcome else { return Delivery::Acknowledged };
            attempts = attempts.saturating_add(1);
            if attempts == 1 || attempts.is_multiple_of(60) {
                let (error, event) = (chain(&error), &event.id);
                tracing::warn!(stream = %stream.id, %event, attempts, error, "an event is not delivered; it is tried again");
            }
            tokio::time::sleep(jittered(backoff)).await;
            backoff = backoff.saturating_mul(2).min(LONGEST_BACKOFF);
        }
    }

    /// A heartbeat, if nothing is left to deliver: SSF's verification event without `state`. False: try again soon.
    async fn beat(&self) -> bool {
        let stream = self.orders.borrow().stream.clone();
        if stream::status(&stream) != Status::Enabled {
            return true;
        }
        match store::outbox::last_sequence(&self.state.store).await {
            Ok(last) if last <= self.delivered.load(Ordering::Acquire) => {}
            // What is left is delivered first, as soon as the dispatcher's order comes.
            Ok(_) => return false,
            Err(error) => {
                tracing::error!(%error, "the outbox could not be read; no heartbeat goes out");
                return false;
            }
        }
        let envelope = transmitter::verification(&stream, None, self.state.clock.now().seconds());
        match self.push(&stream, &runtime::random::guid(), envelope).await {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(stream = %stream.id, error = chain(&error), "a heartbeat was not delivered");
                false
            }
        }
    }

    fn wind(&self, heartbeat: Pin<&mut Sleep>) {
        heartbeat.reset(Instant::now() + self.state.config.heartbeat);
    }

    /// One attempt (RFC 8935 §2.1). Only 202 acknowledges (§2.2).
    async fn push(&self, stream: &Stream, id: &str, envelope: Envelope) -> Result<(), PushError> {
        let token = self.sign(stream, id, envelope)?;
        let mut request = Request::post(&stream.endpoint)
            .header(header::CONTENT_TYPE, secevent::CONTENT_TYPE)
            .header(header::ACCEPT, "application/json");
        if let Some(authorization) = stream::authorization(stream, &self.state.sealer)? {
            let mut value = HeaderValue::from_str(&authorization).map_err(|error| PushError::Request(error.into()))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request.body(Bytes::from(token)).map_err(PushError::Request)?;
        let answer = tokio::time::timeout(PUSH_TIME, self.state.client.send(request)).await;
        let answer = answer.map_err(|_| PushError::Time)?.map_err(PushError::Client)?;
        if answer.status() == StatusCode::ACCEPTED {
            return Ok(());
        }
        if answer.status() == StatusCode::BAD_REQUEST
            && let Ok(refusal) = serde_json::from_slice::<DeliveryError>(answer.body())
        {
            return Err(PushError::Refused(refusal.err));
        }
        Err(PushError::Status(answer.status()))
    }

    fn sign(&self, stream: &Stream, id: &str, envelope: Envelope) -> Result<String, PushError> {
        let snapshot = self.state.snapshot();
        let tenant = snapshot.tenant().ok_or(PushError::NoTenant)?;
        let token = SecurityEventToken {
            iss: self.state.issuer(tenant),
            jti: id.to_owned(),
            iat: envelope.iat,
            aud: stream.audience.clone(),
            txn: envelope.txn,
            sub_id: envelope.sub_id,
            events: envelope.events,
        };
        self.state.keys.sign(&token, secevent::TOKEN_TYPE).map_err(PushError::Signing)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    Acknowledged,
    NotWanted,
    Stopped,
}

fn is_for(stream: &Stream, envelope: &Envelope) -> bool {
    let detail = stream::detail(stream);
    envelope.stream.as_ref().is_none_or(|only| *only == stream.id)
        && envelope.events.keys().any(|event| stream::wants(&detail, event))
}

/// An error with its causes, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Between three quarters and five quarters of `time`, so that many streams do not come back at once.
fn jittered(time: Duration) -> Duration {
    let [random] = runtime::random::bytes::<1>();
    time.mul_f64(0.75 + f64::from(random) / 512.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_quarter() {
        for _ in 0..1000 {
            let time = jittered(Duration::from_millis(100));
            assert!((Duration::from_millis(75)..Duration::from_millis(125)).contains(&time), "{time:?}");
        }
    }
}
