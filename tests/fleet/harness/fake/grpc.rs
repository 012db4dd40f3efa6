//! The wire: messages with a length before them, and a status after the last.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tidegate::fleet::etcd::{RangeRequest, TxnRequest, WatchCreateRequest, WatchResponse};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::State;

/// Changes in one message of a watch that catches up.
const FRAGMENT: usize = 5_000;

/// What the client's only message on a watch is.
#[derive(Clone, PartialEq, Message)]
struct WatchRequest {
    #[prost(message, optional, tag = "1")]
    create: Option<WatchCreateRequest>,
}

pub(super) async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| called(request, Arc::clone(&state)));
            let connection = Builder::new(TokioExecutor::new());
            drop(
                connection
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

async fn called(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Frames>, Infallible> {
    let path = request.uri().path().to_owned();
    if path == "/etcdserverpb.Watch/Watch" {
        return Ok(watch(request.into_body(), &state).await);
    }
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let message = body.slice(5..);
    let mut state = state.lock().unwrap();
    let answer = match &*path {
        "/etcdserverpb.KV/Range" => Some(framed(
            &state.range(&RangeRequest::decode(message).unwrap()),
        )),
        "/etcdserverpb.KV/Txn" => Some(framed(&state.txn(&TxnRequest::decode(message).unwrap()))),
        _ => None,
    };
    Ok(respond(Frames::of(answer)))
}

async fn watch(mut body: Incoming, state: &Mutex<State>) -> Response<Frames> {
    let mut bytes = Vec::new();
    while bytes.len() < 5 || bytes.len() < 5 + usize::from(bytes[4]) {
        let frame = body.frame().await.unwrap().unwrap();
        bytes.extend_from_slice(&frame.into_data().unwrap());
    }
    let request = WatchRequest::decode(&bytes[5..]).unwrap().create.unwrap();
    // Until the client ends it.
    tokio::spawn(async move { while let Some(Ok(_)) = body.frame().await {} });
    let (sender, receiver) = unbounded_channel();
    let mut state = state.lock().unwrap();
    state.watched.push(request.start_revision);
    let created = WatchResponse {
        created: true,
        ..state.answer(Vec::new())
    };
    sender.send(framed(&created)).unwrap();
    let missed = state.log.iter().filter(|event| {
        let kv = event.kv.as_ref().unwrap();
        kv.mod_revision >= request.start_revision && kv.key.starts_with(&request.key)
    });
    let missed: Vec<_> = missed.cloned().collect();
    for (at, part) in missed.chunks(FRAGMENT).enumerate() {
        let answer = WatchResponse {
            fragment: (at + 1) * FRAGMENT < missed.len(),
            ..state.answer(part.to_vec())
        };
        sender.send(framed(&answer)).unwrap();
    }
    state.watchers.push(sender);
    respond(Frames {
        data: receiver,
        status: Some("0"),
    })
}

fn respond(body: Frames) -> Response<Frames> {
    let mut response = Response::new(body);
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", grpc);
    response
}

pub(super) fn framed(message: &impl Message) -> Bytes {
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], &message].concat().into()
}

/// Messages, and the status after the last.
struct Frames {
    data: UnboundedReceiver<Bytes>,
    status: Option<&'static str>,
}

impl Frames {
    /// One answer; none: the call is not known here.
    fn of(answer: Option<Bytes>) -> Self {
        let (sender, data) = unbounded_channel();
        let status = if answer.is_some() { "0" } else { "12" };
        if let Some(answer) = answer {
            sender.send(answer).unwrap();
        }
        Self {
            data,
            status: Some(status),
        }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.data.poll_recv(context).map(|data| match data {
            Some(data) => Some(Ok(Frame::data(data))),
            None => self.status.take().map(|status| {
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", HeaderValue::from_static(status));
                Ok(Frame::trailers(trailers))
            }),
        })
    }
}
