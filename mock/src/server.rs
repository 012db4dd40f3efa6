//! The listener: accepts, takes TLS off, reads a whole request, asks the provider, sends the
//! answer.

use std::io;
use std::sync::Arc;

use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::provider::Provider;
use crate::reply::{Outgoing, Reply, ReplyBody};
use crate::request::Request;
use crate::wire::{Control, Takeover, Transport, Wire};

/// More than any request of a test; a larger one is cut off.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// Serves until the task is aborted; its connections end with it.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    provider: Arc<Provider>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((tcp, _)) = accepted {
                    provider.log().connected();
                    connections.spawn(connection(tcp, tls.clone(), Arc::clone(&provider)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection. Its errors are the client's business: a test sees them at its own end.
async fn connection(
    tcp: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    provider: Arc<Provider>,
) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let transport = match tls {
        None => Transport::Plain(tcp),
        Some(config) => Transport::Tls(Box::new(TlsAcceptor::from(config).accept(tcp).await?)),
    };
    let encrypted = matches!(transport, Transport::Tls(_));
    let http2 = transport.is_http2();
    let control = Control::default();
    let stream = TokioIo::new(Wire::new(transport, control.clone()));
    let service =
        service_fn(move |incoming| handle(Arc::clone(&provider), control.clone(), incoming));
    let server = auto::Builder::new(TokioExecutor::new());
    let server = match (encrypted, http2) {
        (true, true) => server.http2_only(),
        (true, false) => server.http1_only(),
        (false, _) => server,
    };
    server
        .serve_connection(stream, service)
        .await
        .map_err(io::Error::other)
}

async fn handle(
    provider: Arc<Provider>,
    control: Control,
    incoming: http::Request<Incoming>,
) -> io::Result<Response<Outgoing>> {
    let request = read(incoming).await?;
    let reply = provider.answer(request);
    if let Some(delay) = reply.delay {
        tokio::time::sleep(delay).await;
    }
    send(reply, &control).await
}

async fn read(incoming: http::Request<Incoming>) -> io::Result<Request> {
    let (head, body) = incoming.into_parts();
    let body = Limited::new(body, BODY_LIMIT)
        .collect()
        .await
        .map_err(io::Error::other)?
        .to_bytes();
    let mut headers = head.headers;
    if let (false, Some(authority)) = (headers.contains_key(header::HOST), head.uri.authority())
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        headers.insert(header::HOST, host);
    }
    Ok(Request {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        version: head.version,
        headers,
        body,
    })
}

async fn send(reply: Reply, control: &Control) -> io::Result<Response<Outgoing>> {
    let body = match reply.body {
        ReplyBody::Bytes(bytes) => Outgoing::whole(bytes),
        ReplyBody::Cut(bytes) => Outgoing::cut(bytes),
        ReplyBody::Drip(pieces, pause) => Outgoing::drip(pieces, pause),
        ReplyBody::Reset => {
            control.take_over(Takeover::Reset);
            Outgoing::whole(bytes::Bytes::new())
        }
        ReplyBody::Silent => std::future::pending().await,
        ReplyBody::Wire(bytes) => {
            control.take_over(Takeover::Send(bytes));
            Outgoing::whole(bytes::Bytes::new())
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    Ok(response)
}
