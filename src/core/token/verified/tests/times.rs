//! Times, to the second: cases B16, B17.

use super::*;
use crate::core::policy::Moment;

fn at(claim: &str, value: impl Into<Option<Value>>) -> Result<TenantId, Refused> {
    outcome(&sign(header(), claims_with(claim, value).to_string()))
}

/// The same with the value as it is written.
fn written(claim: &str, value: &str) -> Result<TenantId, Refused> {
    let claims = claims_with(claim, json!("HERE")).to_string();
    outcome(&sign(header(), claims.replace("\"HERE\"", value)))
}

#[test]
fn expiry_is_exact_to_the_second() {
    for (offset, expected) in [
        (3_600, accepted(A)),
        (1, accepted(A)),
        (0, accepted(A)),
        (-59, accepted(A)),
        (-60, Err(Refused::Expired)),
        (-61, Err(Refused::Expired)),
        (-86_400, Err(Refused::Expired)),
    ] {
        assert_eq!(at("exp", json!(NOW + offset)), expected, "{offset}");
    }
}

#[test]
fn the_future_is_exact_to_the_second() {
    for (claim, refused) in [
        ("nbf", Refused::NotYetValid),
        ("iat", Refused::IssuedInFuture),
    ] {
        for (offset, expected) in [
            (-3_600, accepted(A)),
            (0, accepted(A)),
            (60, accepted(A)),
            (61, Err(refused)),
            (1_000_000, Err(refused)),
        ] {
            assert_eq!(at(claim, json!(NOW + offset)), expected, "{claim} {offset}");
        }
        assert_eq!(at(claim, None), accepted(A), "{claim} is optional");
        assert_eq!(at(claim, json!(0)), accepted(A), "{claim}");
        assert_eq!(at(claim, json!(i64::MAX)), Err(refused), "{claim}");
    }
}

#[test]
fn times_are_whole_seconds() {
    for claim in ["exp", "nbf", "iat"] {
        for value in [
            r#""9999999999""#,
            "1e30",
            "1e9",
            "18e8",
            "1800000000.0",
            "1800000000.5",
            "-1",
            "-0",
            "9223372036854775808",
            "18446744073709551616",
            "null",
            "true",
            "[1800003600]",
            "{}",
            r#""""#,
        ] {
            assert_eq!(
                written(claim, value),
                Err(Refused::Lifetime),
                "{claim} {value}"
            );
        }
        for value in [
            "NaN",
            "Infinity",
            "+1800003600",
            "01800003600",
            "0x6b49d200",
            "1_800_000_000",
            "",
        ] {
            assert_eq!(
                written(claim, value),
                Err(Refused::Malformed),
                "{claim} {value}"
            );
        }
    }
    assert_eq!(at("exp", None), Err(Refused::Lifetime));
    assert_eq!(written("exp", "0"), Err(Refused::Lifetime));
    assert_eq!(written("exp", "1"), Err(Refused::Expired));
    assert_eq!(written("exp", "9223372036854775807"), accepted(A));
}

/// What is remembered is judged anew each time: by the clock, the leeway and the audience of then.
#[test]
fn a_remembered_token_grows_old() {
    let mut claims = claims_of(A);
    claims["exp"] = json!(NOW + 10);
    claims["nbf"] = json!(NOW - 10);
    claims["iat"] = json!(NOW - 5);
    let remembered = authentic(&sign(header(), claims.to_string()), &COMMON).unwrap();
    let audience = [AUDIENCE.to_owned()];
    let table = [
        (NOW, 0, Ok(())),
        (NOW - 5, 0, Ok(())),
        (NOW - 6, 0, Err(Refused::IssuedInFuture)),
        (NOW - 6, 1, Ok(())),
        (NOW - 11, 0, Err(Refused::NotYetValid)),
        (NOW - 11, 5, Err(Refused::IssuedInFuture)),
        (NOW - 11, 6, Ok(())),
        (NOW + 9, 0, Ok(())),
        (NOW + 10, 0, Err(Refused::Expired)),
        (NOW + 10, 1, Ok(())),
        (NOW + 309, 300, Ok(())),
        (NOW + 310, 300, Err(Refused::Expired)),
        (i64::MAX, u32::MAX, Err(Refused::Expired)),
        (i64::MIN, u32::MAX, Err(Refused::NotYetValid)),
    ];
    for (now, leeway, expected) in table {
        let found = remembered.accept(&audience, now, leeway).map(drop);
        assert_eq!(found, expected, "{} {leeway}", now.saturating_sub(NOW));
    }
}

/// Where two clocks are apart, a token is accepted only if it is by both.
#[test]
fn two_clocks_have_to_agree() {
    let mut claims = claims_of(A);
    claims["exp"] = json!(NOW + 10);
    claims["nbf"] = json!(NOW - 10);
    claims["iat"] = json!(NOW - 10);
    let token = authentic(&sign(header(), claims.to_string()), &COMMON).unwrap();
    let audience = [AUDIENCE.to_owned()];
    const HOURS: i64 = 7_200;
    let table = [
        (NOW, NOW, Ok(())),
        (NOW - HOURS, NOW, Err(Refused::NotYetValid)),
        (NOW, NOW + HOURS, Err(Refused::Expired)),
        (NOW - HOURS, NOW + HOURS, Err(Refused::Expired)),
        (NOW - 10, NOW + 9, Ok(())),
        (NOW - 11, NOW + 9, Err(Refused::NotYetValid)),
        (NOW - 10, NOW + 10, Err(Refused::Expired)),
    ];
    for (earliest, latest, expected) in table {
        let now = Moment { earliest, latest };
        let found = token.accept(&audience, now, 0).map(drop);
        assert_eq!(found, expected, "{} {}", earliest - NOW, latest - NOW);
    }
}
