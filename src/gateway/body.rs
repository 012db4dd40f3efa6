//! A request's body: read whole, within its bounds, and counted as held until it is dropped.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Version, request};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use super::Gateway;
use crate::refusal::Refusal;

impl Gateway {
    /// Reads a whole body, within its bounds of size and time. Until the last of it is dropped, it
    /// and its head count as held.
    ///
    /// # Errors
    /// 413, 408, 400 when it breaks off, 503 when requests hold all the memory they may.
    pub async fn read_body(
        self: &Arc<Self>,
        head: &request::Parts,
        mut body: Incoming,
    ) -> Result<Bytes, Refusal> {
        let cap = self.limits.request_body;
        if body.size_hint().lower() > u64::try_from(cap).unwrap_or(u64::MAX) {
            return Err(Refusal::BodyTooLarge);
        }
        if body.is_end_stream() {
            return Ok(Bytes::new());
        }
        let mut room = Room::in_front_of(self);
        room.take(size(head))?;
        let whole = timeout(self.limits.body_timeout, gather(&mut body, cap, &mut room));
        let bytes = whole.await.map_err(|_| Refusal::BodyTimeout)??;
        // A stream that is reset without an error (RFC 9113 section 8.1) looks like one that ended.
        if head.version == Version::HTTP_2 && !body.is_end_stream() {
            return Err(Refusal::BodyIncomplete);
        }
        Ok(Bytes::from_owner(Request { bytes, _room: room }))
    }

    /// What requests may hold: as many whole ones as may be under way.
    fn request_memory(&self) -> usize {
        let largest = self.limits.request_body + self.limits.header_bytes;
        self.limits.in_flight.saturating_mul(largest)
    }
}

/// Copies a body together: pieces of it would keep the larger buffers alive that they came in.
async fn gather(body: &mut Incoming, cap: usize, room: &mut Room) -> Result<Vec<u8>, Refusal> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::BodyIncomplete)?;
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        if piece.len() > cap - whole.len() {
            return Err(Refusal::BodyTooLarge);
        }
        room.take(piece.len())?;
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

/// Reads a body to its end, or to its bound.
pub(super) async fn discard(mut body: Incoming, cap: usize) {
    let mut left = cap;
    while let Some(Ok(frame)) = body.frame().await {
        let piece = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(piece) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// About what a head holds.
fn size(head: &request::Parts) -> usize {
    let target = head.uri.path_and_query().map_or(0, |it| it.as_str().len());
    let field = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
    target + head.headers.iter().map(field).sum::<usize>()
}

/// Memory that a request holds, counted until this is dropped.
struct Room {
    gateway: Arc<Gateway>,
    bytes: usize,
}

impl Room {
    fn in_front_of(gateway: &Arc<Gateway>) -> Self {
        Self {
            gateway: Arc::clone(gateway),
            bytes: 0,
        }
    }

    fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.bytes += bytes;
        let before = self.gateway.held.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > self.gateway.request_memory() {
            return Err(Refusal::Overload);
        }
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.gateway.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A body, and the room it takes.
struct Request {
    bytes: Vec<u8>,
    _room: Room,
}

impl AsRef<[u8]> for Request {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
