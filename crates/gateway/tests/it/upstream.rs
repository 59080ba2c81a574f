//! An application behind the gateway. It tells what reached it, and when it lost a stream.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use runtime::client::{Body, full};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

/// What the application saw happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Request(String),
    /// A piece of an upload.
    Uploaded(usize),
    /// An upload ended, rightly or not.
    UploadEnded(bool),
    /// A stream or tunnel lost its other end.
    Lost(&'static str),
}

pub(crate) struct Upstream {
    pub(crate) seen: mpsc::UnboundedSender<Seen>,
    pub(crate) requests: Mutex<Vec<Value>>,
}

impl Upstream {
    pub(crate) async fn handle(self: Arc<Self>, mut request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let described = describe(&request);
        self.requests.lock().unwrap().push(described.clone());
        let _ = self.seen.send(Seen::Request(path.clone()));
        match path.as_str() {
            "/stream" => self.stream("stream", None),
            "/download" => self.stream("download", Some(1 << 30)),
            "/hang" => {
                let _lost = Lost { seen: self.seen.clone(), what: "hang" };
                std::future::pending().await
            }
            "/upload" => self.upload(request).await,
            "/ws" => {
                let upgrade = hyper::upgrade::on(&mut request);
                let seen = self.seen.clone();
                tokio::spawn(async move {
                    let mut io = TokioIo::new(upgrade.await.unwrap());
                    let mut buffer = [0; 4096];
                    while let Ok(count @ 1..) = io.read(&mut buffer).await {
                        // A server's frame is not masked; the test sends what it wants to get back.
                        if io.write_all(&buffer[..count]).await.is_err() {
                            break;
                        }
                    }
                    let _ = seen.send(Seen::Lost("ws"));
                });
                Response::builder()
                    .status(101)
                    .header(CONNECTION, "upgrade")
                    .header(UPGRADE, "websocket")
                    .header(SEC_WEBSOCKET_ACCEPT, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
                    .body(full(Bytes::new()))
                    .unwrap()
            }
            "/cookies" => Response::builder()
                .header("set-cookie", "theirs=1")
                .header("set-cookie", "__Host-access=forged; Path=/; Secure")
                .header("countersign-assertion", "forged")
                .header("connection", "x-hop")
                .header("x-hop", "1")
                .header("x-kept", "1")
                .body(full(Bytes::new()))
                .unwrap(),
            _ => {
                let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                let mut described = described;
                described["body"] = json!(String::from_utf8_lossy(&body));
                Response::new(full(Bytes::from(described.to_string())))
            }
        }
    }

    /// One piece of data, then silence for ever.
    fn stream(&self, what: &'static str, length: Option<u64>) -> Response<Body> {
        let (sender, receiver) = mpsc::channel::<Bytes>(1);
        let lost = Lost { seen: self.seen.clone(), what };
        sender.try_send(Bytes::from_static(b"first piece\n")).unwrap();
        let stream = futures_util::stream::unfold((receiver, sender, lost), |(mut receiver, sender, lost)| async move {
            let data = receiver.recv().await?;
            Some((Ok(Frame::data(data)), (receiver, sender, lost)))
        });
        let mut response = Response::new(BodyExt::boxed(SyncBody(Mutex::new(Box::pin(StreamBody::new(stream))))));
        if let Some(length) = length {
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        response
    }

    async fn upload(&self, request: Request<Incoming>) -> Response<Body> {
        let mut body = request.into_body();
        let mut whole = true;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => drop(self.seen.send(Seen::Uploaded(frame.into_data().map_or(0, |data| data.len())))),
                Err(_) => {
                    whole = false;
                    break;
                }
            }
        }
        let _ = self.seen.send(Seen::UploadEnded(whole));
        Response::new(full(Bytes::from_static(b"uploaded")))
    }
}

fn describe(request: &Request<Incoming>) -> Value {
    let headers: Vec<Value> =
        request.headers().iter().map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())])).collect();
    json!({"method": request.method().as_str(), "target": request.uri().to_string(), "headers": headers})
}

/// Says so when it is dropped.
struct Lost {
    seen: mpsc::UnboundedSender<Seen>,
    what: &'static str,
}

impl Drop for Lost {
    fn drop(&mut self) {
        let _ = self.seen.send(Seen::Lost(self.what));
    }
}

/// `BoxBody` wants `Sync`, which an async block is not.
struct SyncBody<B>(Mutex<std::pin::Pin<Box<B>>>);

impl<B: http_body::Body<Data = Bytes, Error = runtime::client::BoxError>> http_body::Body for SyncBody<B> {
    type Data = Bytes;
    type Error = runtime::client::BoxError;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.lock().unwrap().as_mut().poll_frame(context)
    }
}
