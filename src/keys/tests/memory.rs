//! Tokens that were seen before: found only where they would be accepted anew.

use super::*;

use crate::clock::now;
use crate::core::policy::UnixSeconds;
use crate::keys::provider::How;

fn judge(kept: &Kept, token: &str, audience: &str, now: UnixSeconds) -> Result<How, NotVerified> {
    let judged = kept.keys.judge(token, &[audience.to_owned()], now);
    judged.map(|(_, how)| how)
}

fn remembered(kept: &Kept) -> usize {
    kept.keys.remembered.count()
}

#[tokio::test]
async fn a_token_seen_before_is_held_against_audience_and_time_all_the_same() {
    let idp = plain().await;
    let with = Kept::ready(&provider(idp.url()), &verification()).await;
    let none = Verification {
        remembered_tokens: 0,
        ..verification()
    };
    let without = Kept::ready(&provider(idp.url()), &none).await;
    let now = now();
    let token = idp
        .mint()
        .access_token(tenants::CONTOSO)
        .audience(AUDIENCE)
        .claim("nbf", now - 10)
        .claim("iat", now - 10)
        .claim("exp", now + 100)
        .build();
    assert_eq!(judge(&with, &token, AUDIENCE, now), Ok(How::Anew));
    assert_eq!(judge(&with, &token, AUDIENCE, now), Ok(How::Remembered));
    for (audience, now, refused) in [
        (AUDIENCE, now, None),
        (AUDIENCE, now + 159, None),
        (AUDIENCE, now + 160, Some(Refused::Expired)),
        (AUDIENCE, UnixSeconds::MAX, Some(Refused::Expired)),
        (AUDIENCE, now - 71, Some(Refused::NotYetValid)),
        ("api://other", now, Some(Refused::Audience)),
        ("", now, Some(Refused::Audience)),
        ("api://other", now + 999, Some(Refused::Audience)),
    ] {
        let expected = refused.map(NotVerified::Refused);
        assert_eq!(judge(&with, &token, audience, now).err(), expected);
        assert_eq!(judge(&without, &token, audience, now).err(), expected);
    }
    assert_eq!(judge(&with, &token, AUDIENCE, now), Ok(How::Remembered));
    assert_eq!(judge(&without, &token, AUDIENCE, now), Ok(How::Anew));
    assert_eq!((remembered(&with), remembered(&without)), (1, 0));
}

#[tokio::test]
async fn refusals_are_not_remembered() {
    let idp = plain().await;
    let kept = Kept::ready(&provider(idp.url()), &verification()).await;
    let token = || idp.mint().access_token(tenants::CONTOSO).audience(AUDIENCE);
    for bad in [
        token().seal(Seal::BadSignature).build(),
        token().seal(Seal::SignedBy(KeyName::Unpublished)).build(),
        token().seal(Seal::SignedBy(KeyName::Personal)).build(),
        token().claim("exp", now() - 100).build(),
        token().audience("api://other").build(),
        "x".repeat(100),
        "x".repeat(100_000),
    ] {
        for _ in 0..2 {
            assert!(kept.verify(&bad).await.is_err(), "{bad}");
        }
    }
    assert_eq!(remembered(&kept), 0);
    assert_eq!(kept.verified("refused"), 14);
}

#[tokio::test]
async fn another_spelling_is_another_token() {
    let idp = plain().await;
    let kept = Kept::ready(&provider(idp.url()), &verification()).await;
    let good = token(&idp, KeyName::Enterprise);
    assert_eq!(kept.verify(&good).await, Ok(()));
    for other in [format!("{good}="), format!(" {good}"), format!("{good}.")] {
        assert!(kept.verify(&other).await.is_err());
    }
    assert_eq!(kept.verified("remembered"), 0);
}

#[tokio::test]
async fn no_more_than_there_is_room_for() {
    let idp = plain().await;
    let few = Verification {
        remembered_tokens: 10,
        ..verification()
    };
    let kept = Kept::ready(&provider(idp.url()), &few).await;
    for number in 0..50 {
        let token = idp.mint().access_token(tenants::CONTOSO).audience(AUDIENCE);
        let token = token.claim("number", number).build();
        assert_eq!(kept.verify(&token).await, Ok(()));
    }
    assert!((1..=10).contains(&remembered(&kept)));

    let kept = Kept::ready(&provider(idp.url()), &few).await;
    for number in 0..50 {
        let token = idp.mint().access_token(tenants::CONTOSO).audience(AUDIENCE);
        let token = token
            .claim("number", number)
            .claim("more", "x".repeat(8000));
        assert_eq!(kept.verify(&token.build()).await, Ok(()));
    }
    assert!(remembered(&kept) <= 2, "a large token counts for several");
}

#[tokio::test]
async fn what_one_provider_verified_another_has_not_seen() {
    let idp = plain().await;
    let one = Kept::ready(&provider(idp.url()), &verification()).await;
    let metrics = Metrics::new();
    let strict = Provider {
        name: "strict".to_owned(),
        issuers: Issuers::new(["https://login.microsoftonline.com/{tenantid}/v2.0"]).unwrap(),
        ..provider(idp.url())
    };
    let memory = Arc::clone(&one.keys.remembered);
    let certificates = Certificates::new(&Metrics::new().into());
    let other = Keys::new(&strict, &verification(), &certificates, memory, &metrics).unwrap();
    let other = KeyStore {
        providers: vec![Arc::new(other)],
    };
    let _kept = other.keep();
    until("ready", async || other.ready()).await;
    assert_eq!(other.report()[0].version, one.report().version);

    let v1 = idp.mint().access_token(tenants::CONTOSO).audience(AUDIENCE);
    let v1 = v1.version(tidegate_mock::Version::V1).build();
    assert_eq!(one.verify(&v1).await, Ok(()));
    assert_eq!(one.verify(&v1).await, Ok(()));
    let other = other.of("strict").unwrap();
    let refused = other.verify(&v1, &[AUDIENCE.to_owned()]).await;
    assert!(matches!(refused, Err(NotVerified::Refused(_))));
}

#[test]
fn a_token_is_found_by_provider_keys_and_itself() {
    let memory = Remembered::new(10, LONG);
    let digest = |provider, version, token: &str| memory.digest(provider, &[version; 32], token);
    let one = digest("entra", 1, "token");
    assert!(one.is_some() && one == digest("entra", 1, "token"));
    for other in [
        digest("entra", 2, "token"),
        digest("entra2", 1, "token"),
        digest("entra", 1, "token2"),
        digest("entr", 1, "atoken"),
        digest("entra", 1, ""),
    ] {
        assert!(other.is_some() && other != one);
    }
    assert!(digest("entra", 1, &"x".repeat(32 * 1024 + 1)).is_none());
    let none = Remembered::new(0, LONG);
    assert!(none.digest("entra", &[1; 32], "token").is_none());
}
