//! A receiver of Security Event Tokens: a real HTTPS server that answers as it is told and reports what came.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use runtime::listen::{self, Limits, Peer};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) struct Receiver {
    pub(crate) endpoint: String,
    pub(crate) authority_pem: Vec<u8>,
    received: mpsc::UnboundedReceiver<Received>,
    answers: Arc<Mutex<VecDeque<(u16, &'static str)>>>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

/// One push.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) authorization: Option<String>,
    pub(crate) content_type: String,
    pub(crate) accept: String,
    pub(crate) token: String,
    /// What this receiver answered.
    pub(crate) status: u16,
}

impl Received {
    pub(crate) fn claims(&self) -> Value {
        use base64::Engine;
        let part = self.token.split('.').nth(1).unwrap();
        serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    /// The event's type, its last part.
    pub(crate) fn kind(&self) -> String {
        self.claims()["events"].as_object().unwrap().keys().next().unwrap().rsplit('/').next().unwrap().to_owned()
    }
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let authority_pem = made.cert.pem().into_bytes();
        let tls = runtime::tls::server_config(&authority_pem, made.signing_key.serialize_pem().as_bytes()).unwrap();
        let listener = listen::bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
        let endpoint = format!("https://localhost:{}/ssf/events", listener.addresses()[0].port());
        let (sender, received) = mpsc::unbounded_channel();
        let answers: Arc<Mutex<VecDeque<(u16, &'static str)>>> = Arc::default();
        let shutdown = CancellationToken::new();
        let script = answers.clone();
        let service = move |request: Request<Incoming>, _: Peer| {
            let (sender, script) = (sender.clone(), script.clone());
            async move {
                let text = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
                let (authorization, content_type, accept) = (text("authorization"), text("content-type"), text("accept"));
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let (status, answer) = script.lock().unwrap().pop_front().unwrap_or((202, ""));
                let token = String::from_utf8(body.to_vec()).unwrap();
                let (content_type, accept) = (content_type.unwrap_or_default(), accept.unwrap_or_default());
                // Nobody listens any more when the test has ended.
                let _ = sender.send(Received { authorization, content_type, accept, token, status });
                let mut response = Response::new(Full::new(Bytes::from(answer)));
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                response
            }
        };
        let task = tokio::spawn(listen::serve(listener, Some(tls), Limits::default(), service, shutdown.clone()));
        Self { endpoint, authority_pem, received, answers, shutdown, task }
    }

    /// The next pushes are answered so; those after them with 202.
    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = (u16, &'static str)>) {
        self.answers.lock().unwrap().extend(answers);
    }

    /// The next push of any kind.
    pub(crate) async fn next(&mut self) -> Received {
        tokio::time::timeout(Duration::from_secs(20), self.received.recv()).await.expect("nothing was pushed").unwrap()
    }

    /// The next push that is not a heartbeat.
    pub(crate) async fn next_event(&mut self) -> Received {
        loop {
            let received = self.next().await;
            let claims = received.claims();
            let state = claims["events"].as_object().unwrap().values().next().unwrap().get("state");
            if received.kind() != "verification" || state.is_some() {
                return received;
            }
        }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}
