//! Every row of the documented table, through HTTPS, against the table and against an oracle that
//! was written from the specification's sentences alone.

use std::collections::BTreeMap;

use serde_json::json;

use crate::harness::{CONTOSO, FABRIKAM, NORTHWIND, PERSONAL, Policy, Setup, World, golden};
use crate::oracle::{self, Sides};

/// Policies, and what must happen under them: creator (none: a legacy connection), sign-in tenant,
/// the sides that block (none: allowed).
pub(crate) struct Situation {
    pub(crate) name: &'static str,
    pub(crate) policies: Vec<Policy>,
    pub(crate) rows: Vec<(Option<&'static str>, &'static str, Sides<'static>)>,
}

const CONTOSO_OUT: (&str, &str) = (CONTOSO, "outbound");
const CONTOSO_IN: (&str, &str) = (CONTOSO, "inbound");
const FABRIKAM_IN: (&str, &str) = (FABRIKAM, "inbound");

/// The documented table.
pub(crate) fn documented() -> Vec<Situation> {
    let on = || Policy::on(CONTOSO);
    let (c, f) = (Some(CONTOSO), Some(FABRIKAM));
    let situation = |name, policies, rows| Situation {
        name,
        policies,
        rows,
    };
    vec![
        situation(
            "same-tenant",
            vec![on(), Policy::on(FABRIKAM)],
            vec![(c, CONTOSO, vec![]), (f, FABRIKAM, vec![])],
        ),
        situation(
            "both-off",
            vec![Policy::off(CONTOSO), Policy::off(FABRIKAM)],
            vec![(c, FABRIKAM, vec![]), (f, CONTOSO, vec![])],
        ),
        situation(
            "no-policies",
            vec![],
            vec![(c, FABRIKAM, vec![]), (f, CONTOSO, vec![])],
        ),
        situation(
            "contoso-on",
            vec![on(), Policy::off(FABRIKAM)],
            vec![
                (c, FABRIKAM, vec![CONTOSO_OUT]),
                (f, CONTOSO, vec![CONTOSO_IN]),
            ],
        ),
        situation(
            "contoso-on-fabrikam-outbound",
            vec![on().outbound(FABRIKAM)],
            vec![(c, FABRIKAM, vec![]), (f, CONTOSO, vec![CONTOSO_IN])],
        ),
        situation(
            "contoso-on-fabrikam-both",
            vec![on().both(FABRIKAM)],
            vec![(c, FABRIKAM, vec![]), (f, CONTOSO, vec![])],
        ),
        situation(
            "contoso-on-any-outbound",
            vec![on().outbound("*")],
            vec![
                (c, FABRIKAM, vec![]),
                (c, NORTHWIND, vec![]),
                (c, PERSONAL, vec![]),
                (f, CONTOSO, vec![CONTOSO_IN]),
                (Some(NORTHWIND), CONTOSO, vec![CONTOSO_IN]),
                (Some(PERSONAL), CONTOSO, vec![CONTOSO_IN]),
            ],
        ),
        situation(
            "fabrikam-on-empty",
            vec![on().outbound(FABRIKAM), Policy::on(FABRIKAM)],
            vec![(c, FABRIKAM, vec![FABRIKAM_IN])],
        ),
        situation(
            "both-on",
            vec![on(), Policy::on(FABRIKAM)],
            vec![(c, FABRIKAM, vec![CONTOSO_OUT, FABRIKAM_IN])],
        ),
        situation(
            "personal",
            vec![on()],
            vec![
                (Some(PERSONAL), CONTOSO, vec![CONTOSO_IN]),
                (c, PERSONAL, vec![CONTOSO_OUT]),
            ],
        ),
        situation(
            "legacy",
            vec![on().both("*")],
            vec![(None, CONTOSO, vec![CONTOSO_IN])],
        ),
        situation(
            "legacy-allowed",
            vec![on().allowing_legacy()],
            vec![(None, CONTOSO, vec![])],
        ),
        situation(
            "legacy-off",
            vec![Policy::off(CONTOSO)],
            vec![(None, CONTOSO, vec![])],
        ),
    ]
}

#[tokio::test]
async fn every_documented_row_over_both_protocols() {
    for situation in documented() {
        let setup = situation
            .policies
            .iter()
            .cloned()
            .fold(Setup::new(), Setup::policy);
        let world = World::start(setup).await;
        for (creator, sign_in, sides) in &situation.rows {
            let told = oracle::blocking(&oracle::policies(&situation.policies), *creator, sign_in);
            assert_eq!(
                &told, sides,
                "the oracle on {}: {creator:?} -> {sign_in}",
                situation.name
            );
            for http2 in [false, true] {
                row(&world, *creator, sign_in, sides, http2).await;
                world.check(1).await;
            }
        }
        world.finish().await;
    }
}

async fn row(world: &World, creator: Option<&str>, sign_in: &str, sides: &Sides<'_>, http2: bool) {
    let exchange = world
        .exchange(creator, sign_in)
        .header("client-request-id", "row-1");
    let outcome = if http2 { exchange.http2() } else { exchange }.send().await;
    outcome.tenants(creator, Some(sign_in));
    let reason = oracle::reason(creator, sign_in, sides);
    if sides.is_empty() {
        outcome.allowed(reason).has_tokens_of(sign_in);
    } else {
        outcome.blocked(reason, sides);
        assert_eq!(outcome.answer.json()["correlation_id"], "row-1");
        // Outbound and inbound in Entra's own numbers.
        let codes: Vec<u32> = sides
            .iter()
            .map(|(_, way)| if *way == "outbound" { 500_212 } else { 500_213 })
            .collect();
        assert_eq!(outcome.answer.json()["error_codes"], json!(codes));
        if !http2 {
            let short = |tenant: &str| tenant[..8].to_owned();
            let name = format!(
                "block-{}-to-{}-{reason}.txt",
                creator.map_or("none".to_owned(), short),
                short(sign_in)
            );
            golden(&name, &outcome.answer);
        }
    }
    let record = &outcome.record;
    assert_eq!(
        record["creator_source"],
        if creator.is_some() { "header" } else { "none" }
    );
    assert_eq!(record["correlation_id"], "row-1");
    assert_eq!(record["route"], "token-v2");
    assert_eq!(record["mode"], "enforce");
    assert_eq!(record["grant_type"], "authorization_code");
    assert_eq!(record["token_kind"], "entra");
    assert_eq!(record["verified"], "tls");
    assert_eq!(record["upstream_status"], 200);
    let issuer = format!("https://login.microsoftonline.com/{sign_in}/v2.0");
    let issuer_v1 = format!("https://sts.windows.net/{sign_in}/");
    assert!(
        [issuer, issuer_v1].contains(&record["issuer"].as_str().unwrap().to_owned()),
        "{record}"
    );
}

/// A guest signed in to the host tenant has the host's `tid`: the same tenant, whatever their home.
#[tokio::test]
async fn a_guest_is_of_the_tenant_signed_in_to() {
    let world = World::start(
        Setup::new()
            .policy(Policy::on(CONTOSO))
            .policy(Policy::on(FABRIKAM)),
    )
    .await;
    let guest = tidegate_mock::Preset::Guest {
        home: FABRIKAM.to_owned(),
    };
    world.next_body(&world.idp.mint().body(&guest, CONTOSO));
    world
        .exchange(CONTOSO, CONTOSO)
        .send()
        .await
        .allowed("same_tenant")
        .has_tokens_of(CONTOSO);
    world.check(1).await;
    world.next_body(&world.idp.mint().body(&guest, CONTOSO));
    let outcome = world.exchange(FABRIKAM, CONTOSO).send().await;
    outcome.blocked("both_block", &[(FABRIKAM, "outbound"), CONTOSO_IN]);
    world.check(1).await;
    world.finish().await;
}

/// Every combination of two tenants' policies, each with a pair of tenants of its own, in both
/// directions, within one tenant and without a creator: as the oracle says.
#[tokio::test]
async fn every_combination_is_as_the_oracle_says() {
    let third = NORTHWIND;
    let id = |side: u32, n: usize| format!("{side:08x}-0000-4000-8000-{n:012x}");
    let mut policies = Vec::new();
    for n in 0..64 {
        let (a, b) = (id(0xa, n), id(0xb, n));
        let bit = |at: usize| (n >> at) & 1 == 1;
        let subject = |index: usize, other: &str| match index {
            0 => None,
            1 => Some(other.to_owned()),
            2 => Some("*".to_owned()),
            _ => Some(third.to_owned()),
        };
        let a_policy = if bit(0) {
            Policy::on(&a)
        } else {
            Policy::off(&a)
        };
        let b_policy = if bit(1) {
            Policy::on(&b)
        } else {
            Policy::off(&b)
        };
        policies.push(match subject((n >> 2) & 3, &b) {
            Some(subject) => a_policy.outbound(&subject),
            None => a_policy,
        });
        policies.push(match subject((n >> 4) & 3, &a) {
            Some(subject) => b_policy.inbound(&subject),
            None => b_policy.allowing_legacy(),
        });
    }
    let world = World::start(policies.iter().cloned().fold(Setup::new(), Setup::policy)).await;
    let known = oracle::policies(&policies);
    let mut seen = BTreeMap::new();
    for n in 0..64 {
        let (a, b) = (id(0xa, n), id(0xb, n));
        let pairs = [
            (Some(&a), &b),
            (Some(&b), &a),
            (Some(&a), &a),
            (None, &a),
            (None, &b),
        ];
        for (creator, sign_in) in pairs {
            let creator = creator.map(String::as_str);
            let sides = oracle::blocking(&known, creator, sign_in);
            let exchange = world.exchange(creator, sign_in);
            let outcome = if n % 2 == 0 {
                exchange
            } else {
                exchange.http2()
            }
            .send()
            .await;
            outcome.tenants(creator, Some(sign_in));
            let reason = oracle::reason(creator, sign_in, &sides);
            if sides.is_empty() {
                outcome.allowed(reason).has_tokens_of(sign_in);
            } else {
                outcome.blocked(reason, &sides);
            }
            *seen.entry(reason).or_insert(0) += 1;
        }
    }
    assert_eq!(seen.len(), 7, "every reason of the rule: {seen:?}");
    world.check(64 * 5).await;
    world.finish().await;
}

/// What an operator may set for tenants without a record.
#[tokio::test]
async fn absent_policies_may_count_as_on() {
    let setup = Setup::new()
        .set("policies.absent", "on")
        .policy(Policy::off(CONTOSO));
    let world = World::start(setup).await;
    let outcome = world.exchange(CONTOSO, FABRIKAM).send().await;
    outcome.blocked("inbound_block", &[FABRIKAM_IN]);
    world.check(1).await;
    let outcome = world.exchange(FABRIKAM, CONTOSO).send().await;
    outcome.blocked("outbound_block", &[(FABRIKAM, "outbound")]);
    world.check(1).await;
    world.finish().await;
}

/// The record names the rule that allowed and the text of the policies that were read.
#[tokio::test]
async fn the_record_names_rules_and_versions() {
    let setup = Setup::new()
        .policy(Policy::on(CONTOSO).outbound("*").outbound(FABRIKAM))
        .policy(Policy::on(FABRIKAM).inbound("*"));
    let world = World::start(setup).await;
    let outcome = world.exchange(CONTOSO, FABRIKAM).send().await;
    outcome.allowed("both_allow");
    assert_eq!(
        outcome.record["rules"],
        json!([
            { "tenant": CONTOSO, "direction": "outbound", "entry": FABRIKAM },
            { "tenant": FABRIKAM, "direction": "inbound", "entry": "*" },
        ])
    );
    let versions = outcome.record["policy_versions"].as_array().unwrap();
    let tenants: Vec<&str> = versions
        .iter()
        .map(|version| version["tenant"].as_str().unwrap())
        .collect();
    assert_eq!(tenants, [CONTOSO, FABRIKAM]);
    assert!(
        versions
            .iter()
            .all(|version| version["version"].as_str().unwrap().len() == 16)
    );
    world.finish().await;
}

/// An expired entry acts no more; one that has not expired does.
#[tokio::test]
async fn entries_expire() {
    let mut past = Policy::on(CONTOSO).outbound(FABRIKAM);
    past.entry_member(0, "expiresOn", "2020-01-01T00:00:00Z");
    past = past.outbound(NORTHWIND);
    past.entry_member(1, "expiresOn", "2120-01-01T00:00:00Z");
    let world = World::start(Setup::new().policy(past)).await;
    world
        .exchange(CONTOSO, FABRIKAM)
        .send()
        .await
        .blocked("outbound_block", &[CONTOSO_OUT]);
    world.check(1).await;
    world
        .exchange(CONTOSO, NORTHWIND)
        .send()
        .await
        .allowed("both_allow");
    world.check(1).await;
    world.finish().await;
}
