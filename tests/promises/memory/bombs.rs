//! A reply of about 1 MiB that would be 1 GiB once decoded (case C6), and one within another: refused
//! within a second, in the memory of the reply and of what may be decoded of it.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::write::GzEncoder;
use flate2::{Compress, Compression, FlushCompress};
use tidegate_mock::Reply;

use super::process::memory;
use crate::frame::{Figure, Scale};
use crate::harness::{CONTOSO, Setup, World};
use crate::load::milliseconds;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// `limits.reply_body`: of a reply, and of what it is decoded to.
const CAP: usize = 8 * MIB;

/// How long one may take.
const MOST: Duration = Duration::from_secs(1);

pub(super) async fn prove(scale: Scale) -> [Figure; 2] {
    let setup = Setup::new()
        .set("listen.workers", 1)
        .set("limits.reply_body", "8MiB")
        .set("log.level", "info")
        .set("audit.output", "audit.jsonl");
    let world = World::start(setup).await;
    for _ in 0..3 {
        let good = world.exchange(CONTOSO, CONTOSO).try_send().await;
        assert_eq!(good.unwrap().status, 200);
    }
    let before = memory(world.gateway.pid()).1;
    let bomb = zeros(1024);
    let within = gzip(&bomb);
    let (mut longest, mut others) = (Duration::ZERO, Vec::new());
    for body in [&bomb, &within].repeat(scale.pick(2, 10)) {
        world.next_reply(Reply::new(200, body.clone()).header("content-encoding", "gzip"));
        let begin = Instant::now();
        let answer = world.exchange(CONTOSO, CONTOSO).try_send().await.unwrap();
        longest = longest.max(begin.elapsed());
        if answer.status != 502 {
            others.push(answer.status);
        }
    }
    let grown = memory(world.gateway.pid()).1.saturating_sub(before);
    let size = format!("{} KiB of gzip for 1 GiB", bomb.len() / KIB);
    let held = others.is_empty() && world.gateway.is_alive();
    [
        Figure::speed(
            scale,
            format!("{size}, and that within another: the longest, to 502"),
            milliseconds(longest),
            milliseconds(MOST),
            longest <= MOST,
        ),
        Figure::new(
            "memory it grew by, beside the reply itself",
            format!("{} KiB {others:?}", grown.saturating_sub(bomb.len()) / KIB),
            format!("twice the {} KiB that may be decoded", CAP / KIB),
            held && grown.saturating_sub(bomb.len()) <= 2 * CAP,
        ),
    ]
}

/// So many mebibytes of zeros, gzip: one block over and over.
fn zeros(mebibytes: usize) -> Vec<u8> {
    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut block = Vec::with_capacity(64 * KIB);
    Compress::new(Compression::best(), false)
        .compress_vec(&vec![0; MIB], &mut block, FlushCompress::Full)
        .unwrap();
    bomb.extend(block.repeat(mebibytes));
    bomb
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
