//! What stays open: a WebSocket that ticks and echoes, server-sent events, a slow download. None of them looks at who is
//! there again after it began: that is the gateway's work.

use super::Application;
use axum::body::Body;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, header};
use std::time::Duration;

const TICK: Duration = Duration::from_millis(250);
const CHUNK: usize = 16 * 1024;
const CHUNK_TIME: Duration = Duration::from_millis(50);
/// 64 MiB at 320 KiB a second: over three minutes.
const CHUNKS: u64 = 4096;
const MESSAGE_LIMIT: usize = 64 * 1024;

pub(super) async fn web_socket(
    State(application): State<Application>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if let Err(refusal) = application.identity(&headers).await {
        return refusal;
    }
    upgrade.max_message_size(MESSAGE_LIMIT).on_upgrade(move |socket| converse(socket, application))
}

pub(super) async fn events(State(application): State<Application>, headers: HeaderMap) -> Response {
    if let Err(refusal) = application.identity(&headers).await {
        return refusal;
    }
    let ticks = paced(TICK, u64::MAX, application).map(|number| Bytes::from(format!("id: {number}\ndata: tick {number}\n\n")));
    ([(header::CONTENT_TYPE, "text/event-stream")], body(ticks)).into_response()
}

pub(super) async fn download(State(application): State<Application>, headers: HeaderMap) -> Response {
    if let Err(refusal) = application.identity(&headers).await {
        return refusal;
    }
    let chunk = Bytes::from(vec![b'.'; CHUNK]);
    let length = (CHUNKS * CHUNK as u64).to_string();
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"ledger.bin\"".to_owned()),
        (header::CONTENT_LENGTH, length),
    ];
    (headers, body(paced(CHUNK_TIME, CHUNKS, application).map(move |_| chunk.clone()))).into_response()
}

async fn converse(mut socket: WebSocket, application: Application) {
    let mut interval = tokio::time::interval(TICK);
    let mut ticks = 0u64;
    loop {
        let sent = tokio::select! {
            () = application.0.shutdown.cancelled() => break,
            _ = interval.tick() => {
                ticks += 1;
                socket.send(Message::text(format!("tick {ticks}"))).await
            }
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) => socket.send(Message::Text(text)).await,
                Some(Ok(Message::Binary(data))) => socket.send(Message::Binary(data)).await,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            },
        };
        if sent.is_err() {
            break;
        }
    }
}

/// Numbers from 1, the first at once, one each `pace`, until `count` or the server's end.
fn paced(pace: Duration, count: u64, application: Application) -> impl Stream<Item = u64> + Send {
    let interval = tokio::time::interval(pace);
    stream::unfold((interval, 0u64, application), move |(mut interval, number, application)| async move {
        if number >= count {
            return None;
        }
        tokio::select! {
            () = application.0.shutdown.cancelled() => None,
            _ = interval.tick() => Some((number + 1, (interval, number + 1, application))),
        }
    })
}

fn body(chunks: impl Stream<Item = Bytes> + Send + 'static) -> Body {
    Body::from_stream(chunks.map(Ok::<_, std::convert::Infallible>))
}
