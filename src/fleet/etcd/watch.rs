//! A watch: what changes, in the order in which it changed.
//!
//! Invariant: an answer that comes in fragments is handed out whole, so that all changes of one
//! revision are seen together.

use tokio::time::timeout;
use tonic::Streaming;
use tonic::codegen::tokio_stream::{self, StreamExt};

use super::channel::Channel;
use super::proto::etcdserverpb::watch_client::WatchClient;
use super::proto::etcdserverpb::watch_request::RequestUnion;
use super::proto::etcdserverpb::{WatchCreateRequest, WatchRequest, WatchResponse};
use super::{ANSWER, EtcdError, Event, LARGEST, within};

/// Most events put together out of fragments.
const MOST_EVENTS: usize = 100_000;

/// A watch that goes on until it is dropped.
pub struct Watch {
    answers: Streaming<WatchResponse>,
    /// Of an answer that is not whole yet.
    fragments: Vec<Event>,
}

impl Watch {
    pub(super) async fn open(
        channel: &Channel,
        request: WatchCreateRequest,
    ) -> Result<Self, EtcdError> {
        let mut client = WatchClient::with_origin(channel.clone(), channel.origin())
            .max_decoding_message_size(LARGEST);
        let request = WatchRequest {
            request_union: Some(RequestUnion::CreateRequest(request)),
        };
        // The watch ends when this side of the stream does.
        let requests = tokio_stream::once(request).chain(tokio_stream::pending());
        let answers = within(client.watch(requests)).await?;
        let mut watch = Self {
            answers,
            fragments: Vec::new(),
        };
        let created = timeout(ANSWER, watch.next()).await;
        let created = created.map_err(|_| EtcdError::Silent)??;
        if created.created {
            Ok(watch)
        } else {
            Err(EtcdError::Refused("no watch was created".to_owned()))
        }
    }

    /// The next answer. It waits for as long as nothing changes.
    ///
    /// # Errors
    /// The watch is over.
    pub async fn next(&mut self) -> Result<WatchResponse, EtcdError> {
        loop {
            let over = || EtcdError::Connection("the watch ended".to_owned());
            let mut answer = self.answers.message().await?.ok_or_else(over)?;
            if answer.canceled {
                return Err(canceled(&answer));
            }
            self.fragments.append(&mut answer.events);
            if self.fragments.len() > MOST_EVENTS {
                return Err(EtcdError::TooLarge);
            }
            if !answer.fragment {
                answer.events = std::mem::take(&mut self.fragments);
                return Ok(answer);
            }
        }
    }
}

fn canceled(answer: &WatchResponse) -> EtcdError {
    let reason = &answer.cancel_reason;
    if answer.compact_revision > 0 {
        EtcdError::Compacted
    } else if reason.contains("invalid auth token") || reason.contains("auth store is old") {
        EtcdError::SignedOut
    } else if reason.contains("ermission") {
        EtcdError::Denied
    } else {
        EtcdError::Refused(super::error::bounded(reason))
    }
}
