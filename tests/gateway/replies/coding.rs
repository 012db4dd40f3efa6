//! Content codings and character encodings: decoded and decided about, or refused; never skipped.

use std::io::Write;

use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use flate2::{Compress, Compression, FlushCompress};
use tidegate_mock::Reply;

use super::{OUT, contoso_on, given, isolated, signed};
use crate::harness::{CONTOSO, FABRIKAM, World};

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn coded(body: impl Into<bytes::Bytes>, coding: &str) -> Reply {
    Reply::json_bytes(200, body).header("content-encoding", coding)
}

/// C2: gzip although plain was asked for.
#[tokio::test]
async fn gzip_is_decoded() {
    let world = isolated().await;
    let mint = world.idp.mint();
    for coding in ["gzip", "x-gzip", "GZIP"] {
        let foreign = signed(&mint, FABRIKAM).to_vec();
        world.remember_tokens(&foreign);
        given(&world, coded(gzip(&foreign), coding))
            .await
            .blocked("outbound_block", OUT);
        world.check(1).await;

        let own = gzip(&signed(&mint, CONTOSO).to_vec());
        let outcome = given(&world, coded(own.clone(), coding)).await;
        outcome.allowed("same_tenant");
        assert_eq!(outcome.answer.body, own, "byte for byte as it came");
        assert_eq!(outcome.answer.header("content-encoding"), Some(coding));
        let asked = world.idp.requests().last().unwrap();
        assert_eq!(asked.header("accept-encoding"), Some("identity"));
        world.check(1).await;
    }
    world.finish().await;
}

/// C3: codings that are not read here, whoever's tokens are in them.
#[tokio::test]
async fn other_codings_are_refused() {
    let world = isolated().await;
    let mint = world.idp.mint();
    for tenant in [CONTOSO, FABRIKAM] {
        let text = signed(&mint, tenant).to_vec();
        world.remember_tokens(&text);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(&text).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(&text).unwrap();
        for reply in [
            coded(zlib.finish().unwrap(), "deflate"),
            coded(raw.finish().unwrap(), "deflate"),
            coded(text.clone(), "br"),
            coded(text.clone(), "zstd"),
            coded(text.clone(), "compress"),
            coded(gzip(&gzip(&text)), "gzip, gzip"),
            coded(gzip(&text), "identity, gzip"),
            coded(gzip(&text), "gzip").header("content-encoding", "gzip"),
            coded(gzip(&text), "identity").header("content-encoding", "gzip"),
            coded(text.clone(), "gzip;q=0"),
        ] {
            given(&world, reply).await.refused(502, "upstream_encoding");
            world.check(1).await;
        }
    }
    world.finish().await;
}

/// C8: what says gzip and is not, or not wholly, or is and does not say so.
#[tokio::test]
async fn broken_gzip_is_refused() {
    let world = isolated().await;
    let mint = world.idp.mint();
    let own = signed(&mint, CONTOSO).to_vec();
    let foreign = signed(&mint, FABRIKAM).to_vec();
    world.remember_tokens(&foreign);
    let mut bad_sum = gzip(&own);
    let at = bad_sum.len() - 6;
    bad_sum[at] ^= 1;
    let mut bad_length = gzip(&own);
    let at = bad_length.len() - 2;
    bad_length[at] ^= 1;
    let whole = gzip(&own);
    for body in [
        own.clone(),
        bad_sum,
        bad_length,
        whole[..whole.len() - 9].to_vec(),
        [gzip(&own), gzip(&foreign)].concat(),
        [gzip(&own), foreign.clone()].concat(),
        [gzip(&own), b"\n".to_vec()].concat(),
    ] {
        given(&world, coded(body, "gzip"))
            .await
            .refused(502, "upstream_encoding");
        world.check(1).await;
    }
    // Not named as coded.
    for reply in [
        Reply::json_bytes(200, gzip(&foreign)),
        coded(gzip(&foreign), "identity"),
    ] {
        given(&world, reply)
            .await
            .refused(502, "upstream_unreadable");
        world.check(1).await;
    }
    // Coded twice: after one decoding it is no JSON.
    given(&world, coded(gzip(&gzip(&own)), "gzip"))
        .await
        .refused(502, "upstream_unreadable");
    world.check(1).await;
    world.finish().await;
}

/// C6: a gigabyte in a megabyte, and the same once more inside.
#[tokio::test]
async fn a_bomb_is_cut_off() {
    let world = isolated().await;
    let before = peak_memory(&world);
    let bomb = zeros(1024);
    assert!(bomb.len() < 2 * 1024 * 1024 - 64 * 1024, "{}", bomb.len());
    for body in [bomb.clone(), gzip(&bomb)] {
        let outcome = given(&world, coded(body, "gzip")).await;
        assert!(
            ["upstream_too_large", "upstream_unreadable"]
                .contains(&outcome.record["reason"].as_str().unwrap())
        );
        outcome.refused(502, outcome.record["reason"].as_str().unwrap());
        world.check(1).await;
    }
    // The cap is 1 MiB: the reply, its decoded form, and what the allocator keeps.
    if let (Some(before), Some(after)) = (before, peak_memory(&world)) {
        assert!(after - before < 16 * 1024, "grew by {} KiB", after - before);
    }
    world.finish().await;
}

/// So many mebibytes of zeros, gzip: one block over and over.
fn zeros(mebibytes: usize) -> Vec<u8> {
    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut block = Vec::with_capacity(64 * 1024);
    let mut compress = Compress::new(Compression::best(), false);
    compress
        .compress_vec(&vec![0; 1024 * 1024], &mut block, FlushCompress::Full)
        .unwrap();
    bomb.extend(block.repeat(mebibytes));
    bomb
}

/// The most memory the gateway ever held, in KiB, where the system tells.
fn peak_memory(world: &World) -> Option<i64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.gateway.pid())).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// C10: JSON in other encodings than UTF-8, with and without a mark.
#[tokio::test]
async fn only_utf8_is_read() {
    let world = isolated().await;
    let text = String::from_utf8(signed(&world.idp.mint(), CONTOSO).to_vec()).unwrap();
    world.remember_tokens(text.as_bytes());
    let utf16 = |mark: bool, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        let marked = mark.then_some(0xfeff).into_iter();
        marked.chain(text.encode_utf16()).flat_map(bytes).collect()
    };
    let utf32 = |mark: bool, bytes: fn(u32) -> [u8; 4]| -> Vec<u8> {
        let marked = mark.then_some(0xfeff).into_iter();
        marked
            .chain(text.chars().map(u32::from))
            .flat_map(bytes)
            .collect()
    };
    let mut bodies = vec![[b"\xef\xbb\xbf", text.as_bytes()].concat()];
    for mark in [false, true] {
        bodies.push(utf16(mark, u16::to_le_bytes));
        bodies.push(utf16(mark, u16::to_be_bytes));
        bodies.push(utf32(mark, u32::to_le_bytes));
        bodies.push(utf32(mark, u32::to_be_bytes));
    }
    bodies.push(format!("+AHs-{}", &text[1..]).into_bytes());
    for body in bodies {
        given(&world, Reply::json_bytes(200, body))
            .await
            .refused(502, "upstream_unreadable");
        world.check(1).await;
    }
    world.finish().await;
}

/// C10: a label under which the same bytes are another text. Bytes that any reader takes for the
/// same text pass under any other label.
#[tokio::test]
async fn a_charset_that_reads_ascii_differently_is_refused() {
    let world = isolated().await;
    let body = signed(&world.idp.mint(), CONTOSO).to_vec();
    for charset in [
        "utf-7",
        "UTF-7",
        "\"utf-7\"",
        "utf-16",
        "UTF-16LE",
        "utf-32be",
        "cp037",
        "utf-8, application/json; charset=utf-7",
    ] {
        let reply = Reply::new(200, body.clone()).header(
            "content-type",
            &format!("application/json; charset={charset}"),
        );
        given(&world, reply).await.refused(502, "upstream_encoding");
        world.check(1).await;
    }
    for charset in [
        "utf-8",
        "UTF-8",
        "\"utf-8\"",
        "us-ascii",
        "iso-8859-1",
        "windows-1252",
        "utf8",
    ] {
        let kind = format!("application/json;charset={charset}");
        let outcome = given(
            &world,
            Reply::new(200, body.clone()).header("content-type", &kind),
        )
        .await;
        outcome.allowed("same_tenant");
        assert_eq!(outcome.answer.header("content-type"), Some(kind.as_str()));
        world.check(1).await;
    }
    world.finish().await;
}

/// The cap holds after decoding, too.
#[tokio::test]
async fn the_cap_counts_decoded_bytes() {
    let world = World::start(contoso_on().set("limits.reply_body", "64KiB")).await;
    let sized = |length: usize| {
        let body = signed(&world.idp.mint(), CONTOSO)
            .member("padding", "")
            .to_vec();
        let padding = "p".repeat(length - body.len());
        signed(&world.idp.mint(), CONTOSO)
            .member("padding", padding)
            .to_vec()
    };
    let at_the_cap = sized(64 * 1024);
    given(&world, coded(gzip(&at_the_cap), "gzip"))
        .await
        .allowed("same_tenant");
    world.check(1).await;
    given(&world, coded(gzip(&sized(64 * 1024 + 1)), "gzip"))
        .await
        .refused(502, "upstream_too_large");
    world.check(1).await;
    world.finish().await;
}
