//! The gateway as one value: what it knows, what it does with a request, and what it does by itself.

use crate::answer::{self, Caller, Message};
use crate::application::{Applications, PublishedApplication};
use crate::assertion::Assertions;
use crate::authenticate::{self, AuthenticationError, Identity, Means};
use crate::authorize;
use crate::challenge;
use crate::config::{Config, Names, StartError};
use crate::control_plane::ControlPlane;
use crate::feed::{Admission, FeedState};
use crate::flow::{CutReason, Flows};
use crate::forward::{self, Admitted, ForwardError, Upstream};
use crate::issuer_keys::IssuerKeys;
use crate::logout;
use crate::metrics::{self, Metrics};
use crate::receiver;
use crate::sign_in;
use crate::signals::Signals;
use crate::subscription;
use crate::target::{self, Target};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use protocol::revocation::Subject;
use runtime::Clock;
use runtime::client::{Body, Client};
use runtime::listen::Peer;
use runtime::seal::Sealer;
use secrecy::ExposeSecret;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// How often sessions that ran out are looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// How often keys are read without being asked for.
const KEY_REFRESH: Duration = Duration::from_secs(300);
/// An unknown host is a reason to read the applications again, but not more often than this.
const APPLICATION_PAUSE: Duration = Duration::from_secs(1);
const APPLICATION_TIME: Duration = Duration::from_secs(5);

const KEYS: &str = "/.auth/keys";
const METRICS: &str = "/metrics";
const OWN_PREFIX: &str = "/.auth/";

/// An enforcement point. It enforces and cannot decide; clones are the same gateway.
#[derive(Clone, Debug)]
pub struct Gateway {
    pub(crate) inner: Arc<Inner>,
}

/// What a gateway is made of.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) names: Names,
    pub(crate) clock: Clock,
    pub(crate) sealer: Sealer,
    pub(crate) control_plane: ControlPlane,
    pub(crate) issuer_keys: IssuerKeys,
    pub(crate) assertions: Assertions,
    pub(crate) signals: Signals,
    pub(crate) flows: Flows,
    pub(crate) metrics: Metrics,
    pub(crate) legacy_turns: Semaphore,
    /// What the transmitter must present when it pushes.
    pub(crate) push_authorization: String,
    /// `None` until the list was read for the first time.
    applications: RwLock<Option<Arc<Applications>>>,
    /// When the list was last asked for. Held while asking, so that one asks for all.
    applications_asked: tokio::sync::Mutex<Option<Duration>>,
    upstream: Upstream,
    was_live: RwLock<bool>,
}

impl Gateway {
    /// A gateway that admits nobody until `run` has brought its event feed to life. `client` must trust the control
    /// plane's certificate.
    pub fn start(config: Config, clock: Clock, client: Client) -> Result<Self, StartError> {
        let names = Names::of(&config)?;
        let limits = config.limits;
        let inner = Inner {
            sealer: Sealer::new(&config.cookie_key.unwrap_or_else(runtime::random::bytes)),
            control_plane: ControlPlane::new(&config, names.clone(), client.clone(), clock.clone()),
            issuer_keys: IssuerKeys::new(client, clock.clone()),
            assertions: Assertions::new(&names.own_origin)?,
            signals: Signals::new(config.silence, limits.token_life, limits.revocations),
            flows: Flows::new(limits.flows, limits.flows_per_session),
            metrics: Metrics::default(),
            applications: RwLock::default(),
            applications_asked: tokio::sync::Mutex::new(None),
            upstream: Upstream::new(config.upstream_authorities.as_deref(), limits).map_err(StartError::UpstreamAuthorities)?,
            legacy_turns: Semaphore::new(limits.legacy_checks),
            push_authorization: format!("Bearer {}", runtime::random::token()),
            was_live: RwLock::new(false),
            config,
            names,
            clock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Keeps the event stream, the list of applications and the issuer's keys, and ends what may not go on. After
    /// `shutdown` it cuts what is left and returns when every tunnel has ended.
    pub async fn run(&self, shutdown: CancellationToken) {
        tokio::join!(
            subscription::keep(self, &shutdown),
            self.refresh(&shutdown),
            self.refresh_keys(&shutdown),
            self.sweep(&shutdown),
        );
        self.inner.flows.cut(&Subject::default(), CutReason::Shutdown);
        self.inner.upstream.drain().await;
    }

    /// Answers one request. For any listener; see `runtime::listen::serve`.
    pub async fn handle(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let (head, body) = request.into_parts();
        let caller = Caller::of(&head);
        let target = match target::read(&head) {
            Ok(target) => target,
            Err(error) => {
                self.inner.metrics.refused_malformed.increment();
                let text = format!("This request is not served: {error}.");
                let message = Message { status: error.status(), code: "invalid_request", title: "Not served", text: &text };
                return answer::message(caller, message);
            }
        };
        if target.authority == self.inner.names.own_authority {
            return self.own_host(Request::from_parts(head, body), &target, caller).await;
        }
        let application = match self.application(&target.authority).await {
            Ok(application) => application,
            Err(answer) => return answer(caller),
        };
        if target.path.starts_with(OWN_PREFIX) {
            return self.own_path(&application, &head, &target, caller).await;
        }
        self.serve(application, head, body, &target, peer, caller).await
    }

    /// What `run` does when a deadline passes: notices silence, ends what may not go on. For whoever turned the clock.
    pub fn turn(&self) {
        let (wall, now) = (self.inner.clock.now().seconds(), self.inner.clock.monotonic());
        self.inner.signals.turn(wall, now);
        self.inner.metrics.cut_expired.add(self.inner.flows.cut_expired(wall));
        let is_live = self.inner.signals.feed_state(now) == FeedState::Live;
        let mut was_live = self.inner.was_live.write().unwrap_or_else(PoisonError::into_inner);
        if is_live != *was_live {
            if is_live {
                tracing::info!("the event feed is live");
            } else {
                tracing::warn!("the event feed is silent: nobody is admitted, but for sessions in a configured grace");
            }
            *was_live = is_live;
            self.inner.signals.changed.notify_waiters();
        }
        drop(was_live);
        if !is_live {
            let cut = self.inner.flows.cut_unless(CutReason::FeedSilent, |facts| {
                matches!(self.inner.signals.judge(facts, now), Ok(Admission::Live | Admission::Grace))
            });
            self.inner.metrics.cut_silent.add(cut);
        }
    }

    /// Is the event feed live, and the list of applications known?
    pub fn is_ready(&self) -> bool {
        self.inner.signals.feed_state(self.inner.clock.monotonic()) == FeedState::Live && self.applications().is_some()
    }

    /// Waits until it is.
    pub async fn ready(&self) {
        loop {
            // Made before the state is read, so that no change falls between the two.
            let changed = self.inner.signals.changed.notified();
            if self.is_ready() {
                return;
            }
            changed.await;
        }
    }

    async fn serve(
        &self,
        application: Arc<PublishedApplication>,
        head: Parts,
        body: Incoming,
        target: &Target,
        peer: Peer,
        caller: Caller,
    ) -> Response<Body> {
        if self.inner.signals.feed_state(self.inner.clock.monotonic()) == FeedState::Unheard {
            self.inner.metrics.refused_silent.increment();
            return self.silent(caller);
        }
        let websocket = forward::is_websocket(&head);
        let challenge = challenge::Challenge { gateway: self, application: &application, caller, websocket };
        let Identity { session, means } = match authenticate::authenticate(self, &application, &head.headers, peer).await {
            Ok(identity) => identity,
            Err(AuthenticationError::Nothing) if self.is_silent() => {
                self.inner.metrics.refused_silent.increment();
                return self.silent(caller);
            }
            Err(error) => {
                self.inner.metrics.refused_unauthenticated.increment();
                return challenge.unauthenticated(&error, &head.headers, target);
            }
        };
        // A browser sends cookies, and a password it remembers, with a WebSocket whoever's page opened it (RFC 6455 §10.2).
        if websocket && means != Means::Bearer && authenticate::is_foreign(&head.headers, &application) {
            let (title, text) = ("Not allowed", "A WebSocket may be opened by pages of this application only.");
            return answer::message(caller, Message { status: StatusCode::FORBIDDEN, code: "cross_site", title, text });
        }
        let headers = head.headers.clone();
        let permit = match authorize::authorize(self, application.clone(), &session) {
            Ok(permit) => permit,
            Err(refusal) => {
                self.inner.metrics.count_refusal(refusal);
                return challenge.refused(refusal, means, &headers, target);
            }
        };
        let admitted = Admitted { permit, head, body, target, peer, websocket };
        match self.inner.upstream.forward(admitted).await {
            Ok(answer) => answer,
            Err(ForwardError::Refused(refusal)) => challenge.refused(refusal, means, &headers, target),
            Err(ForwardError::Exchange(error)) => error.answer(caller),
        }
    }

    /// `/.auth/…` on an application's host.
    async fn own_path(
        &self,
        application: &PublishedApplication,
        head: &Parts,
        target: &Target,
        caller: Caller,
    ) -> Response<Body> {
        match target.path.as_str() {
            sign_in::CALLBACK | KEYS if head.method != Method::GET => answer::method_not_allowed("GET"),
            sign_in::CALLBACK => sign_in::callback(self, application, &head.headers, target, caller).await,
            logout::LOGOUT => logout::logout(self, application, head, caller),
            KEYS => answer::json(StatusCode::OK, &self.inner.assertions.key_set()),
            _ => not_found(caller),
        }
    }

    async fn own_host(&self, request: Request<Incoming>, target: &Target, caller: Caller) -> Response<Body> {
        match target.path.as_str() {
            receiver::EVENTS => receiver::receive(self, request).await,
            "/healthz" => {
                let status = if self.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                let feed = match self.inner.signals.feed_state(self.inner.clock.monotonic()) {
                    FeedState::Live => "live",
                    FeedState::Silent => "silent",
                    FeedState::Unheard => "unheard",
                };
                answer::json(status, &serde_json::json!({"feed": feed, "applications": self.applications().is_some()}))
            }
            METRICS if self.may_read_metrics(request.headers()) => {
                let feed = self.inner.signals.feed_state(self.inner.clock.monotonic());
                answer::text(metrics::CONTENT_TYPE, self.inner.metrics.exposition(self.inner.flows.len(), feed))
            }
            KEYS => answer::json(StatusCode::OK, &self.inner.assertions.key_set()),
            _ => not_found(caller),
        }
    }

    /// To everybody else there is no such address.
    fn may_read_metrics(&self, headers: &HeaderMap) -> bool {
        let token = self.inner.config.metrics_token.as_ref().map(ExposeSecret::expose_secret).filter(|token| !token.is_empty());
        token.is_some_and(|token| authenticate::presents(headers, &format!("Bearer {token}")))
    }

    /// The application at this host. The list is read again first, but seldom, where it has none.
    async fn application(&self, authority: &str) -> Result<Arc<PublishedApplication>, fn(Caller) -> Response<Body>> {
        let find = || self.applications().and_then(|applications| applications.by_authority(authority));
        if let Some(application) = find() {
            return Ok(application);
        }
        if let Ok(asked) = self.inner.applications_asked.try_lock() {
            let now = self.inner.clock.monotonic();
            if asked.is_none_or(|asked| now.saturating_sub(asked) >= APPLICATION_PAUSE) {
                let _ = tokio::time::timeout(APPLICATION_TIME, self.read_applications(asked)).await;
            }
        }
        match find() {
            Some(application) => Ok(application),
            None if self.applications().is_none() => Err(|caller| {
                answer::unavailable(caller, "temporarily_unavailable", "This gateway does not know its applications yet.", 2)
            }),
            None => Err(not_found),
        }
    }

    async fn read_applications(&self, mut asked: tokio::sync::MutexGuard<'_, Option<Duration>>) {
        *asked = Some(self.inner.clock.monotonic());
        let found = match self.inner.control_plane.applications().await {
            Ok(found) => found,
            Err(error) => return tracing::warn!(%error, "the list of applications could not be read"),
        };
        let (applications, refused) = Applications::read(&found, &self.inner.names.own_authority);
        let applications = Arc::new(applications);
        let before = self.inner.applications.write().unwrap_or_else(PoisonError::into_inner).replace(applications.clone());
        if before.as_ref() != Some(&applications) {
            for (application, error) in refused {
                tracing::warn!(application = application.as_str(), %error, "an application is not published");
            }
        }
        for gone in before.iter().flat_map(|before| before.gone_in(&applications)) {
            let subject = Subject { application: Some(gone.as_str().to_owned()), ..Subject::default() };
            self.inner.metrics.cut_unpublished.add(self.inner.flows.cut(&subject, CutReason::Unpublished));
        }
        self.inner.signals.changed.notify_waiters();
    }

    async fn refresh(&self, shutdown: &CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = self.inner.control_plane.discovered() => {}
        }
        loop {
            let read = async { self.read_applications(self.inner.applications_asked.lock().await).await };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = read => {}
            }
            let pause = if self.applications().is_some() { self.inner.config.refresh } else { APPLICATION_PAUSE };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn refresh_keys(&self, shutdown: &CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(KEY_REFRESH) => {}
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = self.inner.issuer_keys.fetch() => {}
            }
        }
    }

    async fn sweep(&self, shutdown: &CancellationToken) {
        loop {
            let changed = self.inner.signals.changed.notified();
            self.turn();
            let now = self.inner.clock.monotonic();
            let deadline = self.inner.signals.deadline().filter(|deadline| *deadline >= now);
            // A moment after the deadline: at it, the feed is still in time.
            let wait = deadline
                .map_or(SWEEP, |deadline| deadline.saturating_sub(now).saturating_add(Duration::from_millis(1)).min(SWEEP));
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = changed => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.inner.signals.feed_state(self.inner.clock.monotonic()) != FeedState::Live
    }

    /// Nobody is admitted.
    pub(crate) fn silent(&self, caller: Caller) -> Response<Body> {
        let text =
            "The event feed of this gateway is silent: it cannot know who still has access, so it admits nobody until it does.";
        answer::unavailable(caller, "event_feed_silent", text, 5)
    }

    fn applications(&self) -> Option<Arc<Applications>> {
        self.inner.applications.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn not_found(caller: Caller) -> Response<Body> {
    let (title, text) = ("Not found", "There is nothing at this address.");
    answer::message(caller, Message { status: StatusCode::NOT_FOUND, code: "not_found", title, text })
}
