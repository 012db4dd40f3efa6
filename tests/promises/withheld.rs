//! Promise 1: no byte of a reply reaches a client before every token in it was checked.
//!
//! A provider sends its reply piece by piece and waits in between; the client's socket is watched
//! meanwhile. What is released is the provider's body byte for byte, what is blocked leaves nothing
//! behind. The types that enforce it are tried by the documentation tests of
//! `core/isolation/permit.rs`; arbitrary replies by fuzzing, whose inputs are run again here.

use std::time::Duration;

use tidegate_mock::Preset;
use tokio::time::timeout;

use crate::frame::{Figure, Scale};
use crate::harness::{COMMON, CONTOSO, FABRIKAM, Policy, Setup, World, until};

/// Tries it.
pub(crate) async fn prove(scale: Scale) -> Vec<Figure> {
    let setup = Setup::new().policy(Policy::on(CONTOSO));
    let world = World::start(setup.set("limits.upstream_timeout", "60s")).await;
    let mut seen = Seen::default();
    for size in [0, 1, 4 * 1024, 900 * 1024]
        .into_iter()
        .take(scale.pick(3, 4))
    {
        for pieces in [2, scale.pick(4, 20)] {
            one(&world, CONTOSO, size, pieces, &mut seen).await;
            one(&world, FABRIKAM, size, pieces, &mut seen).await;
        }
    }
    let (under_way, let_through) = overtaken(&world, scale.pick(3, 20)).await;
    world.finish().await;
    let Seen {
        replies,
        pieces,
        early,
        altered,
        left,
    } = seen;
    let arbitrary =
        "arbitrary replies kept by fuzzing, through the whole exchange: no blocked token";
    let arbitrary = crate::fuzz::replayed(scale, arbitrary, &["exchange"]).await;
    vec![
        arbitrary,
        Figure::new(
            "replies, pieces of them that were waited between",
            format!("{replies}, {pieces}"),
            "some",
            replies > 0 && pieces > replies,
        ),
        Figure::new(
            "bytes at the client before the reply's last byte",
            early,
            0,
            early == 0,
        ),
        Figure::new(
            "allowed bodies that are not byte for byte the provider's",
            altered,
            0,
            altered == 0,
        ),
        Figure::new(
            "blocked answers with 16 bytes of the provider's body in a row",
            left,
            0,
            left == 0,
        ),
        Figure::new(
            "replies under way when a policy began to block, let through",
            format!("{let_through} of {under_way}"),
            "0 of some",
            under_way > 0 && let_through == 0,
        ),
    ]
}

#[derive(Default)]
struct Seen {
    replies: usize,
    pieces: usize,
    early: usize,
    altered: usize,
    left: usize,
}

/// One exchange of Contoso's with an account of `sign_in`, whose reply comes in pieces.
async fn one(world: &World, sign_in: &str, size: usize, pieces: usize, seen: &mut Seen) {
    let mut body = world
        .idp
        .mint()
        .body(&Preset::Signed, sign_in)
        .reply()
        .bytes()
        .to_vec();
    world.remember_tokens(&body);
    // White space and a member nobody knows, which a copy that is not one would lose.
    let end = body.iter().rposition(|byte| *byte == b'}').unwrap();
    body.truncate(end);
    body.extend(format!(" ,\t\"unknown\" : \"{}\"}}\r\n ", "u".repeat(size)).bytes());
    let pause = Duration::from_millis(30);
    let piece = body.len().div_ceil(pieces);
    world
        .idp
        .script_once(COMMON, tidegate_mock::Reply::drip(200, &body, piece, pause));

    let mut client = world.raw().await;
    client.send(request(world, CONTOSO)).await;
    let mut answer = Vec::new();
    let start = std::time::Instant::now();
    // Until the last piece is sent nothing may come: it is sent no sooner than this.
    let last = pause * u32::try_from(pieces - 1).unwrap();
    if let Some(left) = last.checked_sub(start.elapsed())
        && let Ok(Some(bytes)) = timeout(left, client.take(1)).await
    {
        seen.early += 1;
        answer.extend(bytes);
    }
    answer.extend(client.rest().await);
    world.next_record().await;
    seen.replies += 1;
    seen.pieces += pieces;
    let head = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    if sign_in == CONTOSO {
        seen.altered += usize::from(answer[head..] != body[..]);
    } else {
        let text = answer.as_slice();
        let leaves = |part: &[u8]| memchr::memmem::find(text, part).is_some();
        seen.left += usize::from(body.chunks_exact(16).any(leaves));
        world.secrets.assert_none_in("a blocked answer", &answer);
    }
}

fn request(world: &World, creator: &str) -> Vec<u8> {
    let form = format!(
        "grant_type=authorization_code&code={}",
        world.secrets.canary()
    );
    format!(
        "POST {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nx-ms-client-tenant-id: {creator}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        COMMON,
        world.host(),
        form.len()
    )
    .into_bytes()
}

/// A policy that begins to block while the provider is being waited for: how often it did so before
/// the reply came, and how often the reply was let through all the same.
async fn overtaken(world: &World, tries: usize) -> (usize, usize) {
    let (mut under_way, mut let_through) = (0, 0);
    for _ in 0..tries {
        world.put(&Policy::off(CONTOSO));
        until_status(world, 200).await;
        let body = world.idp.mint().body(&Preset::Signed, FABRIKAM);
        world.next_reply(body.reply().after(Duration::from_millis(800)));
        let mut client = world.raw().await;
        client.send(request(world, CONTOSO)).await;
        until("it is at the provider", async || {
            (world.idp.requests().count() > 0).then_some(())
        })
        .await;
        world.put(&Policy::on(CONTOSO));
        until_status(world, 403).await;
        // If nothing has come yet, the policy was in force before the reply was there.
        let waiting = timeout(Duration::ZERO, client.take(1)).await.is_err();
        let answer = client.answer().await;
        world.next_record().await;
        if waiting {
            under_way += 1;
            let_through += usize::from(answer.is_none_or(|answer| answer.status != 403));
        }
        world.idp.requests().clear();
    }
    (under_way, let_through)
}

/// Asks about another tenant's account until this is the answer.
async fn until_status(world: &World, status: u16) {
    until("the policy is in force", async || {
        let path = format!("/{FABRIKAM}/oauth2/v2.0/token");
        let outcome = world.exchange(CONTOSO, FABRIKAM).path(&path).send().await;
        (outcome.answer.status == status).then_some(())
    })
    .await;
    world.idp.requests().clear();
}
