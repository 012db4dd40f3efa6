//! Tokens in the service's reply, in shapes that a plain search does not see.

use tidegate_mock::{Reply, jwt};

use super::isolated;
use super::replies::tokens;
use crate::harness::{CONTOSO, FABRIKAM};

/// Documents in another shape or coding hold tokens as well: found, or not relayed.
#[tokio::test]
async fn tokens_in_other_shapes_are_found() {
    let world = isolated().await;
    let token = tokens(&world, FABRIKAM);
    let opaque = jwt::opaque_personal();
    let escaped = token.replacen('e', "\\u0065", 1);
    let own = tokens(&world, CONTOSO);
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let utf16_be =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_be_bytes).collect() };
    let utf32 = |text: &str| -> Vec<u8> {
        text.chars()
            .flat_map(|c| u32::from(c).to_le_bytes())
            .collect()
    };
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        (
            "a list",
            format!(r#"[{{"access_token":"{token}"}}]"#).into(),
        ),
        (
            "a list, escaped",
            format!(r#"[{{"access_token":"{escaped}"}}]"#).into(),
        ),
        (
            "a list, opaque",
            format!(r#"[{{"access_token":"{opaque}"}}]"#).into(),
        ),
        ("a text", format!("\"{token}\"").into()),
        ("a text, escaped", format!("\"{escaped}\"").into()),
        ("escaped", format!(r#"{{"value":"{escaped}"}}"#).into()),
        (
            "nested, opaque",
            format!(r#"{{"value":[{{"access_token":"{opaque}"}}]}}"#).into(),
        ),
        (
            "in a text",
            format!(r#"{{"value":"{{\"access_token\":\"{token}\"}}"}}"#).into(),
        ),
        (
            "twice",
            format!(r#"{{"access_token":"{own}","access_token":"{token}"}}"#).into(),
        ),
        (
            "twice, other order",
            format!(r#"{{"access_token":"{token}","access_token":"{own}"}}"#).into(),
        ),
        (
            "a byte order mark",
            format!("\u{feff}{{\"access_token\":\"{token}\"}}").into(),
        ),
        (
            "a byte order mark, opaque",
            format!("\u{feff}{{\"access_token\":\"{opaque}\"}}").into(),
        ),
        (
            "a byte order mark, escaped",
            format!("\u{feff}{{\"access_token\":\"{escaped}\"}}").into(),
        ),
        (
            "more behind, opaque",
            format!("{{\"access_token\":\"{opaque}\"}}{{}}").into(),
        ),
        (
            "lines, escaped",
            format!("{{}}\n{{\"access_token\":\"{escaped}\"}}\n").into(),
        ),
        ("UTF-16", utf16(&format!(r#"{{"access_token":"{token}"}}"#))),
        (
            "UTF-16, opaque",
            utf16(&format!(r#"{{"access_token":"{opaque}"}}"#)),
        ),
        (
            "UTF-16 with its mark",
            utf16(&format!("\u{feff}{{\"access_token\":\"{token}\"}}")),
        ),
        (
            "UTF-16, big end first",
            utf16_be(&format!(r#"{{"access_token":"{token}"}}"#)),
        ),
        (
            "UTF-16, big end first, with its mark",
            utf16_be(&format!("\u{feff}<p>{token}</p>")),
        ),
        ("UTF-32", utf32(&format!("\u{feff}<p>{token}</p>"))),
        (
            "a page with NULs",
            format!("<p>{}</p>", token.replace('.', ".\0")).into(),
        ),
        (
            "a form, escaped",
            format!("access_token={}", token.replacen('e', "%65", 1)).into(),
        ),
        (
            "in a page, escaped",
            format!("<p>{}</p>", token.replacen('e', "&#101;", 1)).into(),
        ),
    ];
    world.remember_tokens(token.as_bytes());
    world.secrets.remember(&opaque);
    let mut relayed = Vec::new();
    for (name, body) in bodies {
        for content_type in ["application/json; charset=utf-8", "text/html"] {
            let reply = Reply::new(200, body.clone()).header("content-type", content_type);
            world.service.next_reply(reply);
            let outcome = world.creation(CONTOSO, CONTOSO).send().await;
            if outcome.answer.status == 200 {
                relayed.push(format!("{name} as {content_type}"));
            } else {
                outcome.nothing_leaked();
            }
            world.forwarded(1).await;
        }
    }
    assert!(relayed.is_empty(), "{relayed:#?}");
    world.finish().await;
}
