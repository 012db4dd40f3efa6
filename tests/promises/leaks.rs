//! Promise 2: no token, code, secret or assertion in any log, record, metric, error or panic.
//!
//! Exchanges of every outcome, each with secrets of its own, in every place where a client or a
//! provider could put one; then everything that came out is searched for each of them, in raw,
//! base64, hex and percent encodings, whole and by the first sixteen characters. The gateway logs at
//! level trace, and everybody who can be told of exchanges is (`leaks/told.rs`). (Every test of `tests/gateway` does the same with its own outputs, at its end.)

mod told;

use http::Method;
use tidegate_mock::{Preset, Reply, TokenBody};

use crate::frame::{Figure, Scale};
use crate::harness::{CONTOSO, FABRIKAM, Outcome, Policy, Setup, World};
use told::Told;

/// Tries it.
pub(crate) async fn prove(scale: Scale) -> Vec<Figure> {
    let told = Told::start().await;
    let setup = told
        .setup(Setup::connections())
        .policy(Policy::on(CONTOSO))
        // Nobody listens there.
        .set("providers.azure-devops.authority", "https://127.0.0.1:9");
    let world = World::start(setup).await;
    told.remember(&world.secrets);
    let mut seen = Seen::default();
    for _ in 0..scale.pick(2, 40) {
        exchanges(&world, &mut seen).await;
        replies(&world, &mut seen).await;
        creations(&world, &mut seen).await;
        odd_texts(&world, &mut seen).await;
    }
    let admin = ["/metrics", "/readyz", "/livez", "/keys", "/nowhere"];
    for path in admin {
        let (_, text) = world.admin(path).await;
        world.secrets.assert_none_in(path, text.as_bytes());
        seen.bytes += text.len();
    }
    world.nothing_leaked().await;
    let records = world.records();
    let longest = records.iter().map(|record| record.to_string().len()).max();
    let longest = longest.unwrap_or_default();
    seen.bytes += world.log.text().len();
    seen.bytes += records
        .iter()
        .map(|record| record.to_string().len())
        .sum::<usize>();
    let (spellings, panics) = (world.secrets.spellings(), world.log.count("panicked"));
    let one_each = records.len() == seen.exchanges;
    // It fails if anything is found.
    let mut looked = told.shown(&world).await;
    let secrets = world.secrets.clone();
    world.finish().await;
    told.sent(&secrets, &mut looked);
    seen.bytes += looked.bytes;
    let Seen {
        exchanges,
        withheld,
        bytes,
    } = seen;
    vec![
        Figure::new(
            "exchanges, of which withheld or refused",
            format!("{exchanges}, {withheld}"),
            "both",
            exchanges > withheld && withheld > 0,
        ),
        Figure::new(
            "spellings of secrets found in what came out",
            format!("0 of {spellings} in {bytes} bytes"),
            "0",
            spellings > 100 && bytes > 10_000,
        ),
        Figure::new(
            "records, the longest in bytes",
            format!("{}, {longest}", records.len()),
            "one an exchange, at most 4096",
            one_each && longest <= 4096,
        ),
        Figure::new(
            "accounts named where they have no place, in reports, spans, webhooks of others",
            format!("0 of {}", looked.accounts()),
            "0",
            looked.accounts() > 2,
        ),
        Figure::new(
            "outputs besides audit and log, none of them empty",
            looked.outputs.len(),
            "at least 12",
            looked.has_all(),
        ),
        Figure::new("panics", panics, 0, panics == 0),
    ]
}

#[derive(Default)]
struct Seen {
    exchanges: usize,
    withheld: usize,
    bytes: usize,
}

impl Seen {
    /// An answer that is not the provider's holds no secret; what is released does, on purpose.
    fn note(&mut self, world: &World, outcome: &Outcome) {
        self.exchanges += 1;
        if outcome.record["decision"] != "allow" {
            self.withheld += 1;
            let answer = outcome.answer.everything();
            world.secrets.assert_none_in("an answer", &answer);
            self.bytes += answer.len();
        }
    }
}

/// Token requests with secrets wherever a client could put one.
async fn exchanges(world: &World, seen: &mut Seen) {
    let canary = || world.secrets.canary();
    let blocked = || world.exchange(CONTOSO, FABRIKAM);
    let early = format!("/{FABRIKAM}/oauth2/v2.0/token");
    let queries = ["code", "access_token", "client_secret", "assertion"];
    let query = |name: &str| format!("{early}?{name}={}", canary());
    let mut all = vec![
        world.exchange(CONTOSO, CONTOSO),
        blocked(),
        blocked().path(&early),
        world.exchange(None, CONTOSO),
        blocked()
            .field("assertion", &canary())
            .field("client_assertion", &canary()),
        blocked().field("code", &canary()),
        blocked().header("authorization", format!("Basic {}", canary())),
        blocked().header("authorization", format!("Bearer {}", canary())),
        blocked().header("cookie", format!("session={}", canary())),
        blocked().header("dpop", canary()),
        blocked().header("baggage", format!("token={}", canary())),
        blocked().header("tracestate", format!("vendor={}", canary())),
        blocked().header("traceparent", format!("00-{0}-{0}-01", canary())),
        blocked().header("x-ms-client-tenant-id", canary()),
        blocked().body(format!(
            "grant_type=password&password={0}&password={0}",
            canary()
        )),
        blocked().body(format!("grant_type={}", canary())),
        blocked().body(format!("%zz={}", canary())),
        blocked().body(canary()),
        // Its provider cannot be reached: errors of HTTP clients like to tell the URL.
        world
            .exchange(CONTOSO, FABRIKAM)
            .path(&format!("/oauth2/token?code={}", canary())),
        world
            .exchange(CONTOSO, FABRIKAM)
            .path("/oauth2/token")
            .field("client_secret", &canary()),
    ];
    all.extend(queries.map(|name| blocked().path(&query(name))));
    for exchange in all {
        let outcome = exchange.send().await;
        seen.note(world, &outcome);
    }
    // No exchanges: they leave no record, and no secret either.
    for path in [query("code"), format!("/nowhere/{}", canary())] {
        let answer = world.send(Method::GET, &path).await;
        world
            .secrets
            .assert_none_in("an answer", &answer.everything());
    }
    // The provider's keys are what they are: chance may write into them how tokens begin.
    let secret = canary();
    let path = format!("/common/discovery/keys?access_token={secret}");
    let keys = world.send(Method::GET, &path).await.everything();
    assert!(memchr::memmem::find(&keys, &secret.as_bytes()[..16]).is_none());
    // The first of them reached a token route, by a method that it does not take.
    world.next_record().await;
    seen.exchanges += 1;
    seen.withheld += 1;
}

/// Replies that are withheld, for every reason.
async fn replies(world: &World, seen: &mut Seen) {
    let canary = || world.secrets.canary();
    let tokens = || world.idp.mint().body(&Preset::Signed, FABRIKAM);
    let text = |body: &TokenBody| String::from_utf8(body.reply().bytes().to_vec()).unwrap();
    let whole = text(&tokens());
    let replies = vec![
        tokens().reply(),
        Reply::new(200, format!("<html>{whole}</html>")),
        Reply::new(200, format!("{whole}{whole}")),
        Reply::json_bytes(200, format!("{{\"a\":1,\"a\":{whole}}}")),
        Reply::new(500, whole.clone()),
        Reply::new(200, whole.clone()).header("content-encoding", "br"),
        Reply::new(200, whole.clone()).header("content-encoding", "gzip"),
        Reply::new(200, whole.clone()).header("content-type", "application/json; charset=utf-16"),
        Reply::cut(200, whole.len() * 2, whole.clone()),
        Reply::redirect(
            302,
            &format!("https://elsewhere.example/?code={}", canary()),
        ),
        Reply::json_bytes(200, format!("{{\"access_token\":\"{}\"}}", canary())),
        Reply::json_bytes(200, format!("{{\"access_token\":{{\"{}\":1}}}}", canary())),
        Reply::new(200, "{}").header("set-cookie", &format!("token={}", canary())),
        Reply::wire(format!("HTTP/1.1 200 {whole}\r\ncontent-length: 1\r\n\r\n")),
        Reply::wire(format!("{whole}\r\n\r\n")),
        Reply::reset(),
    ];
    for reply in replies {
        world.next_reply(reply);
        let outcome = world.exchange(CONTOSO, FABRIKAM).send().await;
        seen.note(world, &outcome);
    }
}

/// Connections, with tokens that are good, foreign, expired, broken and misplaced.
async fn creations(world: &World, seen: &mut Seen) {
    let canary = || world.secrets.canary();
    let good = world.sign_in(CONTOSO).build();
    let creation = || world.creation(CONTOSO, CONTOSO);
    let all = vec![
        creation(),
        world.creation(CONTOSO, FABRIKAM),
        creation().json_token(&world.sign_in(CONTOSO).expires_in(-600).build()),
        creation().json_token(&world.sign_in(CONTOSO).kid(canary()).build()),
        creation().json_token(&world.sign_in(CONTOSO).claim("iss", canary()).build()),
        creation().json_token(&good[..good.len() - 3]),
        creation().json_token(&canary()),
        creation().bearer(&canary()),
        creation()
            .without("authorization")
            .header("authorization", format!("Basic {}", canary())),
        creation().path(&format!("/connections/one?access_token={good}")),
        creation().json(format!(
            "{{\"properties\":{{\"token\":\"{good}\",\"token\":\"{good}\"}}}}"
        )),
        creation().json(format!("{{{good}")),
        creation().typed("text/plain", canary()),
    ];
    for creation in all {
        let created = creation.send().await;
        seen.note(world, &created);
    }
}

/// Texts that could forge a line of a record or a log, and long ones (case G4).
async fn odd_texts(world: &World, seen: &mut Seen) {
    let long = "x".repeat(6_000);
    let odd = [
        "a\tb",
        "\"}{\"",
        "\u{1b}[31m",
        "\u{2028}",
        "é\\u0000",
        &long,
    ];
    for text in odd {
        for name in [
            "x-connector-name",
            "user-agent",
            "client-request-id",
            "traceparent",
        ] {
            // Not every text may be sent.
            if http::HeaderValue::from_bytes(text.as_bytes()).is_ok() {
                let exchange = world.exchange(CONTOSO, FABRIKAM).header(name, text);
                let outcome = exchange.send().await;
                seen.note(world, &outcome);
            }
        }
    }
}
