//! What a large token costs (case B24): the gateway's processor time for one request that brings it.

use std::time::Duration;

use super::process::processor_time;
use crate::frame::{Figure, Scale};
use crate::harness::{CONTOSO, Setup, World};
use crate::load::milliseconds;

const KIB: usize = 1024;

/// What one may cost.
const MOST: Duration = Duration::from_millis(5);

/// Where the token stands, and in which request.
const PLACES: [Place; 2] = [Place::Header, Place::Form];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Form,
    Header,
}

pub(super) async fn prove(scale: Scale) -> Vec<Figure> {
    let setup = Setup::connections().plain();
    let setup = setup
        .set("log.level", "info")
        .set("audit.output", "audit.jsonl");
    let world = World::start(setup).await;
    let mut figures = Vec::new();
    for (size, statuses) in [
        (16 * KIB, &[201][..]),
        (64 * KIB, &[401, 413, 431]),
        (KIB * KIB, &[401, 413, 431]),
    ] {
        for place in PLACES {
            figures.push(measured(scale, &world, place, size, statuses).await);
        }
    }
    figures
}

/// The mean of many, each with a token of its own: none is remembered.
async fn measured(
    scale: Scale,
    world: &World,
    place: Place,
    size: usize,
    statuses: &[u16],
) -> Figure {
    let many: u32 = scale.pick(4, 50);
    let requests: Vec<String> = (0..many).map(|_| place.request(world, size)).collect();
    let before = processor_time(world.gateway.pid());
    let mut others = Vec::new();
    for request in requests {
        let mut raw = world.raw().await;
        raw.send(request).await;
        // Where the gateway closes with unread bytes under way, its answer can be lost.
        if let Some(answer) = raw.answer().await
            && !statuses.contains(&answer.status)
        {
            others.push(answer.status);
        }
    }
    let each = (processor_time(world.gateway.pid()) - before) / many;
    let figure = Figure::speed(
        scale,
        format!("a token of {} KiB in a {}", size / KIB, place.name()),
        milliseconds(each),
        milliseconds(MOST),
        each <= MOST,
    );
    if others.is_empty() {
        figure
    } else {
        Figure::new(
            figure.what,
            format!("{others:?}"),
            format!("{statuses:?}"),
            false,
        )
    }
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Header => "header",
        }
    }

    /// A creation within Contoso, good but for its size.
    fn request(self, world: &World, size: usize) -> String {
        let grown = |token: tidegate_mock::Token| {
            let room = (size - 64 - token.build().len()) / 4 * 3;
            token.claim("padding", "p".repeat(room)).build()
        };
        let (creator, sign_in) = (world.creator(CONTOSO), world.sign_in(CONTOSO));
        let (creator, sign_in) = match self {
            Self::Form => (creator.build(), grown(sign_in)),
            Self::Header => (grown(creator), sign_in.build()),
        };
        let form = format!("id_token={sign_in}");
        format!(
            "POST /connections/one HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {creator}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            world.host(),
            form.len()
        )
    }
}
