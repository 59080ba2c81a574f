//! A WebSocket after its handshake: bytes both ways until one side ends, nothing moves for too long, or the flow is cut.
//! A client that is cut between two frames is told so with a Close frame (RFC 6455 §5.5.1, code 1008).

use crate::activity::Activity;
use crate::flow::{CutReason, FlowGuard};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Kept for an idle tunnel, each way.
const SMALL: usize = 1024;
/// Taken while a tunnel is busy.
const LARGE: usize = 16 * 1024;
const UPGRADE_TIME: Duration = Duration::from_secs(10);
const CLOSE_TIME: Duration = Duration::from_secs(1);
/// Policy violation (RFC 6455 §7.4.1).
const CLOSE_CODE: [u8; 2] = 1008_u16.to_be_bytes();

pub(crate) async fn run(client: OnUpgrade, application: OnUpgrade, flow: Arc<FlowGuard>, idle_time: Duration) {
    let upgrades = async { tokio::try_join!(client, application) };
    let (client, application) = tokio::select! {
        biased;
        () = flow.cancellation().cancelled() => return,
        upgraded = tokio::time::timeout(UPGRADE_TIME, upgrades) => match upgraded {
            Ok(Ok(both)) => both,
            Ok(Err(error)) => return tracing::debug!(%error, "a WebSocket did not come about"),
            Err(_) => return tracing::debug!("a WebSocket did not come about in time"),
        },
    };
    relay(client, application, &flow, idle_time).await;
}

async fn relay(client: Upgraded, application: Upgraded, flow: &FlowGuard, idle_time: Duration) {
    let (mut from_client, mut to_client) = tokio::io::split(TokioIo::new(client));
    let (mut from_application, mut to_application) = tokio::io::split(TokioIo::new(application));
    let activity = Activity::new();
    let mut down_frames = Frames::default();
    tokio::select! {
        biased;
        () = flow.cancellation().cancelled() => {}
        _ = pump(&mut from_client, &mut to_application, &activity, None) => {}
        _ = pump(&mut from_application, &mut to_client, &activity, Some(&mut down_frames)) => {}
        () = activity.idle(idle_time) => tracing::debug!("a WebSocket stood still for too long"),
    }
    let goodbye = async {
        if let (Some(reason), true) = (flow.cut_reason(), down_frames.at_boundary()) {
            to_client.write_all(&close_frame(reason)).await?;
        }
        to_client.shutdown().await?;
        to_application.shutdown().await
    };
    // Both connections are dropped whatever becomes of the goodbye.
    let _ = tokio::time::timeout(CLOSE_TIME, goodbye).await;
}

/// Unmasked, unfragmented: code and reason.
fn close_frame(reason: CutReason) -> Vec<u8> {
    let sentence = reason.sentence().as_bytes();
    let length = u8::try_from(sentence.len().saturating_add(CLOSE_CODE.len())).unwrap_or(125).min(125);
    let mut frame = vec![0x88, length];
    frame.extend_from_slice(&CLOSE_CODE);
    frame.extend_from_slice(sentence.get(..usize::from(length).saturating_sub(CLOSE_CODE.len())).unwrap_or_default());
    frame
}

async fn pump<R, W>(from: &mut R, to: &mut W, activity: &Activity, mut frames: Option<&mut Frames>) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut small = [0; SMALL];
    let mut large: Vec<u8> = Vec::new();
    loop {
        let buffer = if large.is_empty() { small.as_mut_slice() } else { large.as_mut_slice() };
        let size = buffer.len();
        let count = from.read(buffer).await?;
        let data = buffer.get(..count).unwrap_or_default();
        if data.is_empty() {
            return to.shutdown().await;
        }
        activity.note();
        if let Some(frames) = frames.as_deref_mut() {
            // Counted before it is written: a frame cut short by us must not be followed by another.
            frames.pass(data);
        }
        to.write_all(data).await?;
        to.flush().await?;
        if let Some(frames) = frames.as_deref_mut() {
            frames.written();
        }
        activity.note();
        if count == size {
            large.resize(LARGE, 0);
        } else if count < SMALL {
            large = Vec::new();
        }
    }
}

/// Follows the frames of a server's side (RFC 6455 §5.2), to know where one ends.
#[derive(Clone, Copy, Debug, Default)]
struct Frames {
    state: FrameState,
    /// Data was taken in that may not have been written.
    unwritten: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "a state is named for what it awaits")]
enum FrameState {
    #[default]
    ExpectFirstByte,
    ExpectLength,
    ExpectLongLength {
        missing: u8,
        length: u64,
        masked: bool,
    },
    ExpectPayload {
        missing: u64,
    },
}

impl Frames {
    fn pass(&mut self, mut data: &[u8]) {
        self.unwritten = true;
        while let [byte, rest @ ..] = data {
            if let FrameState::ExpectPayload { missing } = self.state {
                let here = usize::try_from(missing).unwrap_or(usize::MAX).min(data.len());
                data = data.get(here..).unwrap_or_default();
                self.state = after_payload(missing.saturating_sub(u64::try_from(here).unwrap_or(u64::MAX)));
                continue;
            }
            data = rest;
            self.state = match self.state {
                FrameState::ExpectFirstByte => FrameState::ExpectLength,
                FrameState::ExpectLength => {
                    let masked = byte & 0x80 != 0;
                    match byte & 0x7f {
                        126 => FrameState::ExpectLongLength { missing: 2, length: 0, masked },
                        127 => FrameState::ExpectLongLength { missing: 8, length: 0, masked },
                        length => after_length(u64::from(length), masked),
                    }
                }
                FrameState::ExpectLongLength { missing, length, masked } => {
                    let length = (length << 8) | u64::from(*byte);
                    match missing {
                        0 | 1 => after_length(length, masked),
                        2.. => FrameState::ExpectLongLength { missing: missing.saturating_sub(1), length, masked },
                    }
                }
                FrameState::ExpectPayload { missing } => FrameState::ExpectPayload { missing },
            };
        }
    }

    fn written(&mut self) {
        self.unwritten = false;
    }

    fn at_boundary(&self) -> bool {
        !self.unwritten && self.state == FrameState::ExpectFirstByte
    }
}

fn after_length(length: u64, masked: bool) -> FrameState {
    after_payload(length.saturating_add(if masked { 4 } else { 0 }))
}

fn after_payload(missing: u64) -> FrameState {
    if missing == 0 { FrameState::ExpectFirstByte } else { FrameState::ExpectPayload { missing } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(length: usize, masked: bool) -> Vec<u8> {
        let mask_bit = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x82];
        match length {
            0..126 => frame.push(mask_bit | u8::try_from(length).unwrap()),
            126..65_536 => {
                frame.push(mask_bit | 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(mask_bit | 127);
                frame.extend(u64::try_from(length).unwrap().to_be_bytes());
            }
        }
        frame.extend(std::iter::repeat_n(0x82, length + if masked { 4 } else { 0 }));
        frame
    }

    proptest! {
        #[test]
        fn boundaries_are_found_however_the_bytes_are_cut(
            lengths in prop::collection::vec((prop_oneof![0usize..200, 60_000usize..70_000], any::<bool>()), 1..5),
            piece in 1usize..5000,
        ) {
            let mut frames = Frames::default();
            let mut boundaries = Vec::new();
            let mut bytes = Vec::new();
            for (length, masked) in lengths {
                bytes.extend(frame(length, masked));
                boundaries.push(bytes.len());
            }
            let mut passed = 0;
            for chunk in bytes.chunks(piece) {
                frames.pass(chunk);
                prop_assert!(!frames.at_boundary());
                frames.written();
                passed += chunk.len();
                prop_assert_eq!(frames.at_boundary(), boundaries.contains(&passed));
            }
        }
    }

    #[test]
    fn a_close_frame_carries_code_and_reason() {
        let frame = close_frame(CutReason::Revoked);
        assert_eq!(frame[..4], [0x88, 16, 0x03, 0xf0]);
        assert_eq!(&frame[4..], b"access revoked");
    }
}
