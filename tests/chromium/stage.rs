//! Two sites: one answers as the gateway does, with what `tidegate::reply` makes for the request's
//! own headers; the other leads a browser there as an identity provider does.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tidegate::audit::{Audit, Exchange};
use tidegate::config::{self, AuditMode, AuditOutput, Route};
use tidegate::core::creator::{Creator, Source};
use tidegate::core::isolation::{Decision, Finding, Reason, Side, Verdict};
use tidegate::core::policy::{Direction, Mode, Version};
use tidegate::core::tenant::TenantId;
use tidegate::recorder::Recorder;
use tidegate::refusal::Refusal;
use tidegate::reply::{self, Style};
use tokio::net::TcpListener;

pub(crate) const CONTOSO: &str = "11111111-1111-4111-8111-111111111111";
pub(crate) const FABRIKAM: &str = "22222222-2222-4222-8222-222222222222";

/// What a browser asks for that was sent to a site.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A site on a port of its own.
pub(crate) struct Site {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

type Answer = Response<Full<Bytes>>;

impl Site {
    /// Serves until the test's runtime ends.
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (noted, answer) = (Arc::clone(&asked), Arc::new(answer));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
                    async move {
                        let asked = Asked::of(request).await;
                        noted.lock().unwrap().push(asked.clone());
                        Ok::<_, Infallible>(answer(&asked))
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, asked }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every request for this path.
    pub(crate) fn asked_for(&self, path: &str) -> Vec<Asked> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.retain(|asked| asked.path == path);
        asked
    }

    /// Every path that was asked for, but for the icon that a browser looks for by itself.
    pub(crate) fn paths(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let paths = asked.iter().map(|asked| asked.path.clone());
        paths.filter(|path| path != "/favicon.ico").collect()
    }
}

impl Asked {
    async fn of(request: Request<Incoming>) -> Self {
        let (head, body) = request.into_parts();
        Self {
            method: head.method,
            path: head.uri.path().to_owned(),
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }
}

/// A consent redirect's route with pages for browsers.
fn route() -> Arc<Route> {
    let text = format!(
        r#"
        [policies]
        directory = "."
        [providers.entra]
        kind = "entra"
        [services.connections]
        authority = "https://connections.example.com"
        [[routes]]
        name = "consent"
        kind = "connection"
        provider = "entra"
        service = "connections"
        path = "/consent"
        creator = [{{ tenant = "{CONTOSO}" }}]
        sign_in = [{{ form = "id_token", audience = "api://platform" }}]
        errors = "arm"
        browsers = "page"
        "#
    );
    let config = config::parse(&text, "tidegate.toml".as_ref()).unwrap();
    Arc::clone(&config.routes[0])
}

/// The gateway's answers: at `/consent` a block by both sides, at `/busy` a refusal, below
/// `/broken` the block's page with its style changed after the hash was made, below `/injected` a
/// script in it.
pub(crate) async fn gateway() -> Site {
    let records = tempfile::tempdir().unwrap();
    let output = AuditOutput::File(records.path().join("audit.jsonl"));
    let (audit, writer) = Audit::start(&output, AuditMode::BestEffort).unwrap();
    let recorder = Recorder::new(audit, Arc::default());
    let route = route();
    Site::start(move |asked| {
        let _kept = (&records, &writer);
        let style = Style::of(&route, &asked.headers);
        if asked.path == "/busy" {
            return reply::refuse_on(Refusal::Overload, &style);
        }
        let (contoso, fabrikam) = (tenant(CONTOSO), tenant(FABRIKAM));
        let counts = Arc::new(recorder.metrics.of_route(&route));
        let mut record =
            Exchange::open(recorder.clone(), Arc::clone(&route), counts, Mode::Enforce);
        record.creator = Some(Creator::Known(contoso, Source::Fixed));
        record.correlation_id = Some("cccccccc-0000-4000-8000-00000000000c".to_owned());
        let decision = Decision {
            verdict: Verdict::Block,
            reason: Reason::BothBlock,
            outbound: Some(side(contoso, Direction::Outbound)),
            inbound: Some(side(fabrikam, Direction::Inbound)),
        };
        let block = reply::block(&decision, Some(fabrikam), &record, &style);
        match &*asked.path {
            "/broken" => edited(block, "</style>", "main{color:red}</style>"),
            "/injected" => edited(
                block,
                "</main>",
                "<script>document.title = 'run'</script><img src=\"/fetched\"></main>",
            ),
            _ => block,
        }
    })
    .await
}

fn tenant(text: &str) -> TenantId {
    TenantId::parse(text).unwrap()
}

fn side(tenant: TenantId, direction: Direction) -> Side {
    Side {
        tenant,
        direction,
        finding: Finding::NotListed,
        mode: Mode::Enforce,
        version: Some(Version(1)),
    }
}

/// The same answer with another body.
fn edited(block: Answer, from: &str, to: &str) -> Answer {
    let (head, body) = block.into_parts();
    let mut body = std::pin::pin!(body.collect());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Ok(body)) = body.as_mut().poll(&mut context) else {
        panic!("a body that is whole is ready");
    };
    let text = String::from_utf8(body.to_bytes().to_vec()).unwrap();
    assert!(text.contains(from));
    Response::from_parts(head, Full::new(text.replace(from, to).into()))
}

/// Another site: `/` posts a form to `target` by itself (OpenID Connect's
/// `response_mode=form_post`), `/frame` holds it in a frame.
pub(crate) async fn provider(target: String) -> Site {
    Site::start(move |asked| {
        let page = match &*asked.path {
            "/" => format!(
                "<!doctype html><body onload=\"document.forms[0].submit()\">\
                 <form method=post action=\"{target}\">\
                 <input type=hidden name=id_token value=\"the.id.token\">\
                 <input type=hidden name=state value=\"a+b c\"></form>"
            ),
            "/frame" => format!("<!doctype html><iframe src=\"{target}\"></iframe>"),
            _ => String::new(),
        };
        let mut answer = Response::new(Full::new(page.into()));
        answer
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        answer
    })
    .await
}
