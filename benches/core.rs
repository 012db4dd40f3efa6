//! What a decision costs: the rule under large policies and many tenants, the classification of
//! token replies of the size Entra sends, and the verification of the tokens in requests.
//!
//! Run with `cargo bench --bench core`. The groups ending in `policies` show that a lookup does
//! not grow with the number of tenants.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "fixtures that are wrong may stop the benchmark"
)]

use std::hint::black_box;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use tidegate::core::isolation::{
    OnUndetermined, Outcome, Provider, SignIn, Terms, decide, evaluate,
};
use tidegate::core::policy::{
    Entry, Isolation, Mode, Policy, Snapshot, Subject, UnixSeconds, Version, WithoutClientTenant,
};
use tidegate::core::tenant::TenantId;
use tidegate::core::token::issuer::{Cloud, Issuers};
use tidegate::core::token::keys::KeySet;
use tidegate::core::token::reply::inspect;
use tidegate::core::token::verified::Unverified;
use tidegate_mock::{KeyName, KeyRing, SigningKey};

const NOW: UnixSeconds = 1_800_000_000;

const TERMS: Terms = Terms {
    mode: Mode::Enforce,
    absent: Isolation::Off,
    undetermined: OnUndetermined::Block,
    provider: Provider::Entra,
};

/// Tenant number `n`; numbers are spread over the whole id as real ids are.
fn tenant(n: u64) -> TenantId {
    let mut bits = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits ^= bits >> 29;
    let more = bits.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hex = format!("{bits:016x}{more:016x}");
    let id = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-");
    TenantId::parse(&id).unwrap()
}

fn entry(subject: Subject) -> Entry {
    Entry {
        subject,
        inbound: true,
        outbound: true,
        expires_on: None,
    }
}

fn policy(entries: impl IntoIterator<Item = Subject>) -> Arc<Policy> {
    Arc::new(Policy::new(
        Isolation::On,
        WithoutClientTenant::Block,
        Mode::Enforce,
        Version(1),
        entries.into_iter().map(entry).collect(),
    ))
}

/// `others` tenants with a small policy each, beside the ones a benchmark is about.
fn snapshot(others: u64, about: impl IntoIterator<Item = (TenantId, Arc<Policy>)>) -> Snapshot {
    let small = policy([Subject::Tenant(tenant(7))]);
    let mut snapshot = Snapshot::default();
    for n in 0..others {
        snapshot.insert(tenant(1_000_000 + n), Arc::clone(&small));
    }
    for (tenant, policy) in about {
        snapshot.insert(tenant, policy);
    }
    snapshot
}

fn rule(c: &mut Criterion) {
    let (creator, listed, unlisted) = (tenant(0), tenant(250), tenant(9_999));
    let five_hundred = || (1..=500).map(|n| Subject::Tenant(tenant(n)));
    for others in [0, 100_000] {
        let mut group = c.benchmark_group(format!("evaluate/{}_policies", others + 1));
        let both = |subjects: Vec<Subject>| {
            let own = policy(subjects);
            let open = policy([Subject::Any]);
            let about = [
                (creator, own),
                (listed, Arc::clone(&open)),
                (unlisted, open),
            ];
            snapshot(others, about)
        };
        let exact = both(five_hundred().collect());
        let wild = both(five_hundred().take(499).chain([Subject::Any]).collect());
        group.bench_function("hit_among_500", |b| {
            b.iter(|| {
                evaluate(
                    black_box(Some(creator)),
                    black_box(listed),
                    &exact,
                    TERMS,
                    NOW,
                )
            });
        });
        group.bench_function("miss_among_500", |b| {
            b.iter(|| {
                evaluate(
                    black_box(Some(creator)),
                    black_box(unlisted),
                    &exact,
                    TERMS,
                    NOW,
                )
            });
        });
        group.bench_function("wildcard_among_500", |b| {
            b.iter(|| {
                evaluate(
                    black_box(Some(creator)),
                    black_box(unlisted),
                    &wild,
                    TERMS,
                    NOW,
                )
            });
        });
        group.bench_function("no_policies", |b| {
            let (c, s) = (tenant(30_000), tenant(30_001));
            b.iter(|| evaluate(black_box(Some(c)), black_box(s), &exact, TERMS, NOW));
        });
        group.finish();
    }
}

fn jwt(header: &serde_json::Value, claims: &serde_json::Value) -> String {
    let segment = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signature = URL_SAFE_NO_PAD.encode([0x5a; 256]);
    format!("{}.{}.{signature}", segment(header), segment(claims))
}

/// A version 1.0 access token for Microsoft Graph, with the claims such tokens carry.
fn access_token(tenant: TenantId) -> String {
    jwt(
        &json!({"typ": "JWT", "nonce": "4rQLEJ6WcmEX0PrBZ1hLXG1xDnKRXuMtu5Y-mYQ8Zss",
                "alg": "RS256", "x5t": "JYhAcTPMZ_LX6DBlOWQ7Hn0NeXE", "kid": "JYhAcTPMZ_LX6DBlOWQ7Hn0NeXE"}),
        &json!({
            "aud": "https://graph.microsoft.com", "iss": format!("https://sts.windows.net/{tenant}/"),
            "iat": NOW, "nbf": NOW, "exp": NOW + 4_200, "acct": 0, "acr": "1",
            "aio": "AXQAi/8ZAAAAn2rYx4tq2wYkWq4o0xwF6bqf1s2D9c7hW0PpO3d3m2gQ7b1y8V5kL6jT9uR4eX0zC1vB2nM3aS4dF5gH6jK7l",
            "amr": ["pwd", "mfa"], "appid": "6731de76-14a6-49ae-97bc-6eba6914391e", "appidacr": "1",
            "idtyp": "user", "ipaddr": "203.0.113.24", "name": "Adele Vance",
            "oid": "8a1d9d52-6d0d-4a6d-9d3a-3f2a4b1c9e77", "puid": "10032001C8A9F2D1",
            "rh": "1.AXEAv4j5cvGGr0GRqy180BHbRwMAAAAAAAAAwAAAAAAAAACaADpxAA.",
            "scp": "User.Read Files.Read profile openid", "sid": "005cb2d0-33d1-4a4b-9d4d-62a5f6f0a4e1",
            "sub": "kT3v5uYQ0k4a1cXh2Zb8pWq7nR6mS5lD9eF0gH1iJ2k", "tid": tenant.to_string(),
            "unique_name": "adele@contoso.example", "upn": "adele@contoso.example",
            "uti": "9kqf3pQbYk-6b3bJ3xgGAA", "ver": "1.0", "xms_idrel": "1 6"
        }),
    )
}

/// A version 2.0 id_token.
fn id_token(tenant: TenantId, groups: u64) -> String {
    let groups: Vec<String> = (0..groups).map(|n| self::tenant(n).to_string()).collect();
    jwt(
        &json!({"typ": "JWT", "alg": "RS256", "kid": "JYhAcTPMZ_LX6DBlOWQ7Hn0NeXE"}),
        &json!({
            "aud": "6731de76-14a6-49ae-97bc-6eba6914391e",
            "iss": format!("https://login.microsoftonline.com/{tenant}/v2.0"),
            "iat": NOW, "nbf": NOW, "exp": NOW + 4_200,
            "aio": "AXQAi/8ZAAAAn2rYx4tq2wYkWq4o0xwF6bqf1s2D9c7hW0PpO3d3m2gQ7b1y8V5kL6jT9uR4eX0zC1vB2nM3aS4dF5gH6jK7l",
            "groups": groups, "name": "Adele Vance", "oid": "8a1d9d52-6d0d-4a6d-9d3a-3f2a4b1c9e77",
            "preferred_username": "adele@contoso.example",
            "rh": "1.AXEAv4j5cvGGr0GRqy180BHbRwMAAAAAAAAAwAAAAAAAAACaADpxAA.",
            "sid": "005cb2d0-33d1-4a4b-9d4d-62a5f6f0a4e1",
            "sub": "kT3v5uYQ0k4a1cXh2Zb8pWq7nR6mS5lD9eF0gH1iJ2k",
            "tid": tenant.to_string(), "uti": "9kqf3pQbYk-6b3bJ3xgGAA", "ver": "2.0"
        }),
    )
}

/// A token reply of `size` bytes: an access token and an id_token of some 1.6 KiB each, and a
/// refresh token that fills the rest.
fn reply(size: usize) -> Vec<u8> {
    let tenant = tenant(0);
    let with = |refresh: &str| {
        json!({
            "token_type": "Bearer",
            "scope": "openid profile offline_access https://graph.microsoft.com/.default",
            "expires_in": 4_199, "ext_expires_in": 4_199,
            "access_token": access_token(tenant), "refresh_token": refresh,
            "id_token": id_token(tenant, 6),
            "client_info": URL_SAFE_NO_PAD.encode(json!({"uid": "8a1d9d52-6d0d-4a6d-9d3a-3f2a4b1c9e77",
                                                         "utid": tenant.to_string()}).to_string()),
        })
        .to_string()
    };
    let head = "1.AXEAv4j5cvGGr0GRqy180BHbRwMAAAAAAAAAwAAAAAAAAACaADpxAA.";
    let room = size.checked_sub(with(head).len()).unwrap();
    let body: String = "AgABAwEAAABVrSpeuWamRam2jAF1XRQEAwDs"
        .chars()
        .cycle()
        .take(room)
        .collect();
    with(&format!("{head}{body}")).into_bytes()
}

fn classification(c: &mut Criterion) {
    let issuers = Issuers::of_clouds(&[Cloud::Public]);
    let (creator, snapshot) = (tenant(9_999), snapshot(100_000, [(tenant(0), policy([]))]));
    let mut group = c.benchmark_group("classify");
    for (name, body) in [("reply_4096", reply(4_096)), ("reply_4700", reply(4_700))] {
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| inspect(black_box(&body), [], &issuers));
        });
        group.bench_function(format!("{name}_and_decide"), |b| {
            b.iter(|| {
                let tokens = inspect(black_box(&body), [], &issuers).unwrap();
                let sign_in = SignIn::of(&tokens, Outcome::Success, TERMS.provider);
                decide(Some(creator), &sign_in, &snapshot, TERMS, NOW)
            });
        });
    }
    let opaque =
        json!({"access_token": "gho_16C7e42F292c6912E7710c838347Ae178B4a", "token_type": "bearer",
                        "scope": "repo,gist"})
        .to_string();
    let error = json!({"error": "invalid_grant", "error_description":
        "AADSTS70008: The provided authorization code or refresh token has expired due to inactivity. \
         Trace ID: 0d4ed9f3-8a3e-4b1c-8b6f-1f6a9d3a2b00 Correlation ID: 2d2f5f6a-3c0e-4f1e-9d0c-7a4b1c2d3e4f \
         Timestamp: 2026-11-21 09:00:00Z", "error_codes": [70_008], "timestamp": "2026-11-21 09:00:00Z",
        "trace_id": "0d4ed9f3-8a3e-4b1c-8b6f-1f6a9d3a2b00",
        "correlation_id": "2d2f5f6a-3c0e-4f1e-9d0c-7a4b1c2d3e4f",
        "error_uri": "https://login.microsoftonline.com/error?code=70008"}).to_string();
    for (name, body) in [("opaque_other_provider", opaque), ("error_reply", error)] {
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| inspect(black_box(body.as_bytes()), [], &issuers));
        });
    }
    group.finish();
}

/// The same token with a signature, by a key of 2048 bits.
fn signed(token: &str, key: &SigningKey) -> String {
    let (_, payload) = token.split_once('.').unwrap();
    let (payload, _) = payload.split_once('.').unwrap();
    let header = json!({"typ": "JWT", "alg": "RS256", "kid": key.kid()}).to_string();
    let message = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(header));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn verification(c: &mut Criterion) {
    let ring = KeyRing::shared().unwrap();
    let key = ring.key(KeyName::Enterprise);
    let issuers = Issuers::of_clouds(&[Cloud::Public]);
    let jwk = key.jwk(Some(Cloud::Public.issuers()[0]));
    let keys = KeySet::parse(json!({"keys": [jwk]}).to_string().as_bytes()).unwrap();
    let token = signed(&id_token(tenant(0), 8), key);
    assert!((1_638..2_048).contains(&token.len()), "{}", token.len());
    let audience = ["6731de76-14a6-49ae-97bc-6eba6914391e".to_owned()];
    let mut group = c.benchmark_group("verify");
    group.bench_function("read", |b| {
        b.iter(|| Unverified::read(black_box(&token), &issuers).is_ok());
    });
    group.bench_function("distinct", |b| {
        b.iter(|| {
            let read = Unverified::read(black_box(&token), &issuers).unwrap();
            let authentic = read.verify(&keys).unwrap();
            authentic.accept(&audience, NOW, 60).unwrap()
        });
    });
    let remembered = Unverified::read(&token, &issuers).unwrap();
    let remembered = remembered.verify(&keys).unwrap();
    group.bench_function("remembered", |b| {
        b.iter(|| black_box(&remembered).accept(&audience, NOW, 60).unwrap());
    });
    group.finish();
}

criterion_group!(benches, rule, classification, verification);
criterion_main!(benches);
