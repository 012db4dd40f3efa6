//! What is told of an exchange: its span, the spans below it, and how they hang together.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};
use tidegate_mock::{KeyName, Reply};

use super::stage::{Collector, Seen, traceparent};
use crate::harness::{COMMON, CONTOSO, FABRIKAM, Policy, Setup, World, meanwhile, until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn names(spans: &[Seen]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

/// All of one trace; the children within their parent.
fn hang_together(spans: &[Seen]) {
    let own = &spans[0];
    assert_eq!(own.kind, SpanKind::Server);
    assert!(own.times.0 <= own.times.1, "{own:?}");
    for span in &spans[1..] {
        assert_eq!((&span.trace, &span.parent), (&own.trace, &own.id));
        assert!(!span.remote);
        let within = own.times.0 <= span.times.0 && span.times.1 <= own.times.1;
        assert!(within && span.times.0 <= span.times.1, "{own:?} {span:?}");
        let kind = if span.name == "upstream" {
            SpanKind::Client
        } else {
            SpanKind::Internal
        };
        assert_eq!(span.kind, kind);
    }
}

/// A token exchange below a client's span: its own span, the provider's and the decision, and the
/// provider is told of the span of its own request.
#[tokio::test]
async fn a_token_exchange_hangs_below_its_client_and_above_its_provider() {
    let collector = Collector::plain().await;
    let world = World::start(collector.setup([])).await;
    for http2 in [false, true] {
        world.idp.requests().clear();
        let exchange = world
            .exchange(CONTOSO, FABRIKAM)
            .header("traceparent", format!("00-{TRACE}-{SPAN}-01"))
            .header("tracestate", "vendor=kept,other=as-well")
            .header("x-connector-name", "sharepoint")
            .header("client-request-id", "AbC_123");
        let exchange = if http2 { exchange.http2() } else { exchange };
        let outcome = exchange.send().await;
        outcome.allowed("both_allow");
        assert_eq!(outcome.record["trace_id"], TRACE);

        let spans = collector.exchange(&outcome.record).await;
        assert_eq!(names(&spans), ["exchange token-v2", "upstream", "evaluate"]);
        hang_together(&spans);
        let (own, upstream, evaluate) = (&spans[0], &spans[1], &spans[2]);
        assert_eq!((&*own.trace, &*own.parent, own.remote), (TRACE, SPAN, true));
        let told = [
            ("http.response.status_code", json!(200)),
            ("http.route", json!("/{tenant}/oauth2/v2.0/token")),
            ("tidegate.connector", json!("sharepoint")),
            ("tidegate.correlation_id", json!("AbC_123")),
            ("tidegate.creator_source", json!("header")),
            ("tidegate.creator_tenant", json!(CONTOSO)),
            ("tidegate.decision", json!("allow")),
            (
                "tidegate.decision_id",
                outcome.record["decision_id"].clone(),
            ),
            ("tidegate.early", json!(false)),
            ("tidegate.grant_type", json!("authorization_code")),
            ("tidegate.mode", json!("enforce")),
            ("tidegate.reason", json!("both_allow")),
            ("tidegate.route", json!("token-v2")),
            ("tidegate.route_kind", json!("token")),
            ("tidegate.sign_in_tenant", json!(FABRIKAM)),
            ("tidegate.token_kind", json!("entra")),
        ];
        assert_eq!(
            own.attributes,
            told.map(|(name, value)| (name.to_owned(), value)).into()
        );
        assert!(spans.iter().all(|span| span.error.is_none()));

        assert_eq!(upstream.get("server.address"), "localhost");
        assert_eq!(upstream.get("server.port"), world.idp.address().port());
        assert_eq!(upstream.get("peer.service"), "entra");
        assert_eq!(upstream.get("http.request.method"), "POST");
        assert_eq!(upstream.get("http.response.status_code"), 200);
        assert_eq!(evaluate.get("tidegate.decision"), "allow");
        assert_eq!(evaluate.get("tidegate.reason"), "both_allow");

        let arrived = world.idp.requests().all().remove(0);
        let expected = (TRACE.to_owned(), upstream.id.clone(), "01".to_owned());
        assert_eq!(traceparent(&arrived), expected);
        assert_eq!(
            arrived.header("tracestate"),
            Some("vendor=kept,other=as-well")
        );
    }
    let resource = collector.resource();
    assert_eq!(resource["service.name"], "tidegate");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert!(resource.contains_key("service.instance.id"));
    world.finish().await;
}

/// A block is an answer, not a failure; one before the provider is asked has no span of it.
#[tokio::test]
async fn a_block_is_told_with_the_sides_that_block() {
    let collector = Collector::plain().await;
    let policies = [Policy::on(CONTOSO), Policy::on(FABRIKAM)];
    let world = World::start(collector.setup(policies)).await;
    let early = format!("/{FABRIKAM}/oauth2/v2.0/token");
    let children: [(&str, &[&str]); 2] =
        [(COMMON, &["upstream", "evaluate"]), (&early, &["evaluate"])];
    for (path, below) in children {
        let outcome = world.exchange(CONTOSO, FABRIKAM).path(path).send().await;
        outcome.blocked(
            "both_block",
            &[(CONTOSO, "outbound"), (FABRIKAM, "inbound")],
        );
        let spans = collector.exchange(&outcome.record).await;
        hang_together(&spans);
        assert_eq!(names(&spans)[1..], *below);
        let own = &spans[0];
        assert_eq!(
            (own.get("tidegate.decision"), own.get("tidegate.reason")),
            (json!("block"), json!("both_block"))
        );
        assert_eq!(
            own.get("tidegate.blocked_by"),
            json!(["outbound", "inbound"])
        );
        assert_eq!(own.get("tidegate.early"), path == early);
        assert_eq!(own.get("http.response.status_code"), 403);
        assert_eq!((&own.error, own.get("error.type")), (&None, Value::Null));
        // It began here.
        assert_eq!((&*own.parent, own.remote), ("", false));
        assert_eq!(outcome.record["trace_id"], own.trace);
    }
    world.finish().await;
}

/// What goes wrong upstream is told where it went wrong; what a client does wrong is no failure.
#[tokio::test]
async fn failures_are_told_where_they_are() {
    let collector = Collector::plain().await;
    let world = World::start(collector.setup([])).await;
    for (reply, status, reason, upstream) in [
        (
            Reply::reset(),
            502,
            "upstream_incomplete",
            json!("upstream_incomplete"),
        ),
        (
            Reply::redirect(302, "https://elsewhere.example/"),
            502,
            "upstream_redirect",
            json!("upstream_redirect"),
        ),
        (
            Reply::new(200, "no json"),
            502,
            "upstream_unreadable",
            Value::Null,
        ),
    ] {
        world.next_reply(reply);
        let outcome = world.exchange(CONTOSO, FABRIKAM).send().await;
        let reason = outcome.record["reason"]
            .as_str()
            .unwrap_or(reason)
            .to_owned();
        assert_eq!(outcome.answer.status, status, "{outcome:?}");
        let spans = collector.exchange(&outcome.record).await;
        hang_together(&spans);
        assert_eq!(spans[0].error, Some(reason.clone()));
        assert_eq!(spans[0].get("error.type"), *reason);
        assert_eq!(spans[1].name, "upstream");
        assert_eq!(spans[1].get("error.type"), upstream);
        assert_eq!(spans[1].error.is_some(), !upstream.is_null());
    }
    // The provider's own no.
    world.next_reply(Reply::json(400, &json!({"error": "invalid_grant"})));
    let outcome = world.exchange(CONTOSO, FABRIKAM).send().await;
    assert_eq!(outcome.answer.status, 400);
    let spans = collector.exchange(&outcome.record).await;
    assert_eq!(
        (&spans[0].error, spans[1].get("error.type")),
        (&None, json!("400"))
    );
    // A wrong method, and a form that is none.
    let outcome = world
        .exchange(CONTOSO, FABRIKAM)
        .method(http::Method::PUT)
        .header("traceparent", format!("00-{TRACE}-{SPAN}-01"))
        .send()
        .await;
    assert_eq!(outcome.answer.status, 405);
    let spans = collector.exchange(&outcome.record).await;
    assert_eq!(
        (names(&spans), &spans[0].error),
        (vec!["exchange token-v2"], &None)
    );
    assert_eq!((&*spans[0].trace, &*spans[0].parent), (TRACE, SPAN));
    let outcome = world
        .exchange(CONTOSO, FABRIKAM)
        .header("content-type", "text/plain")
        .send()
        .await;
    let spans = collector.exchange(&outcome.record).await;
    assert_eq!(
        (names(&spans), &spans[0].error),
        (vec!["exchange token-v2"], &None)
    );
    world.finish().await;
}

/// A client that leaves while the provider thinks: the provider was told of a span, so there is one.
#[tokio::test]
async fn a_client_that_leaves_leaves_a_whole_trace() {
    let collector = Collector::plain().await;
    let world = World::start(collector.setup([])).await;
    world.idp.script_once(COMMON, Reply::silent());
    let mut sent = Box::pin(world.exchange(CONTOSO, FABRIKAM).try_send());
    let asked = until("asked", async || world.idp.requests().all().pop());
    let arrived = meanwhile(&mut sent, asked).await;
    drop(sent);
    let record = world.next_record().await;
    assert_eq!(record["reason"], "client_gone");
    let spans = collector.exchange(&record).await;
    hang_together(&spans);
    assert_eq!(names(&spans), ["exchange token-v2", "upstream"]);
    assert_eq!(traceparent(&arrived).1, spans[1].id);
    for span in &spans {
        assert_eq!(span.error.as_deref(), Some("client_gone"));
        assert_eq!(span.get("error.type"), "client_gone");
    }
    world.finish().await;
}

/// On a connection route the wait for keys is told, and both evaluations.
#[tokio::test]
async fn a_connection_tells_of_the_wait_for_keys() {
    let collector = Collector::plain().await;
    let setup = Setup::connections().set("traces.endpoint", collector.url());
    let world = World::start(setup).await;
    let created = world.creation(CONTOSO, CONTOSO).send().await;
    created.created("same_tenant");
    let spans = collector.exchange(&created.record).await;
    hang_together(&spans);
    let without_a_wait = ["exchange create", "evaluate", "upstream", "evaluate"];
    assert_eq!(names(&spans), without_a_wait);
    assert_eq!(spans[2].get("peer.service"), "connections");
    world.idp.keys().add(KeyName::Unpublished);
    world.idp.keys().sign_with(KeyName::Unpublished);
    world.service.requests().clear();
    let created = world.creation(CONTOSO, CONTOSO).send().await;
    created.created("same_tenant");
    let spans = collector.exchange(&created.record).await;
    hang_together(&spans);
    assert_eq!(
        names(&spans),
        [
            "exchange create",
            "keys",
            "evaluate",
            "upstream",
            "evaluate"
        ]
    );
    let arrived = world.service.requests().all().remove(0);
    let told = (spans[0].trace.clone(), spans[3].id.clone(), "01".to_owned());
    assert_eq!(traceparent(&arrived), told);
    world.service.requests().clear();
    world.finish().await;
}
