//! Whose header is believed: by address, or by client certificate.

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, SanType};
use tidegate_mock::tls::Leaf;

use super::{HEADER, not_forwarded};
use crate::harness::{COMMON, CONTOSO, FABRIKAM, NORTHWIND, Policy, Setup, World};

/// From an address that is not trusted it is as if no creator had been named, whatever is claimed.
#[tokio::test]
async fn an_untrusted_peer_is_not_believed() {
    let setup = Setup::new()
        .set("trust.peers", vec!["10.0.0.0/8"])
        .policy(Policy::on(CONTOSO))
        .good(None, NORTHWIND);
    let world = World::start(setup).await;
    for (name, value) in [
        ("x-forwarded-for", "10.0.0.1"),
        ("forwarded", "for=10.0.0.1"),
        ("x-real-ip", "10.0.0.1"),
    ] {
        let outcome = world
            .exchange(CONTOSO, CONTOSO)
            .header(name, value)
            .send()
            .await;
        outcome.blocked("without_client_tenant_blocked", &[(CONTOSO, "inbound")]);
        outcome.tenants(None, Some(CONTOSO));
        assert_eq!(outcome.record["creator_source"], "none");
        not_forwarded(&world);
        world.check(1).await;
    }
    // Malformed or not: it is not looked at.
    world
        .exchange("common", FABRIKAM)
        .send()
        .await
        .allowed("without_client_tenant_allowed");
    not_forwarded(&world);
    world.check(1).await;
    world.finish().await;
}

/// By certificate: the platform's is believed; another of the same authority may connect and is
/// not believed; without one there is no connection.
#[tokio::test]
async fn a_client_certificate_makes_a_peer_trusted() {
    let setup = Setup::new()
        .mutual_tls()
        .set("trust.peers", Vec::<String>::new())
        .set(
            "trust.client_certificates",
            vec!["platform.internal", "spiffe://platform/flows"],
        )
        .policy(Policy::on(CONTOSO));
    let world = World::start(setup).await;
    world
        .exchange(CONTOSO, CONTOSO)
        .send()
        .await
        .allowed("same_tenant");
    world.check(1).await;

    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names = vec![SanType::URI("spiffe://platform/flows".try_into().unwrap())];
    let by_uri = world.client_ca.issue(params).unwrap();
    let (status, record) = post(&world, Some(&by_uri)).await.unwrap();
    assert_eq!((status, &record["reason"]), (200, &"same_tenant".into()));
    world.check(1).await;

    for name in [
        "other.internal",
        "platform.internal.evil.test",
        "x.platform.internal",
    ] {
        let other = world.client_ca.client([name]).unwrap();
        let (status, record) = post(&world, Some(&other)).await.unwrap();
        assert_eq!(
            (status, &record["reason"]),
            (403, &"without_client_tenant_blocked".into()),
            "{name}"
        );
        assert_eq!(record["creator_tenant"], serde_json::Value::Null);
        world.check(1).await;
    }
    // The subject's common name is nobody's name.
    let mut params = CertificateParams::new(vec!["other.internal".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "platform.internal");
    let by_common_name = world.client_ca.issue(params).unwrap();
    assert_eq!(post(&world, Some(&by_common_name)).await.unwrap().0, 403);
    world.check(1).await;

    let of_another_authority = world.ca.client(["platform.internal"]).unwrap();
    for stranger in [None, Some(&of_another_authority)] {
        assert!(post(&world, stranger).await.is_err());
        world.check(0).await;
    }
    world.finish().await;
}

/// Contoso's connection to Contoso, from a client with this certificate: status and record.
async fn post(world: &World, identity: Option<&Leaf>) -> reqwest::Result<(u16, serde_json::Value)> {
    let form = world.exchange(None, CONTOSO).form_text();
    let request = world
        .client_with(identity)
        .post(format!("{}{COMMON}", world.url()))
        .header(HEADER, CONTOSO)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    let answer = request.send().await?;
    Ok((answer.status().as_u16(), world.next_record().await))
}
