//! The page for browsers in a real Chromium: that its style is applied under its own policy, that
//! it can be read at any width and zoom and in both colour schemes, and that a form posted from
//! another site arrives at it.
//!
//! Needs Chromium; without one these tests say so and pass, but for `TIDEGATE_TEST_REQUIRE`.
//! Nothing here depends on fonts: what is compared with the picture in `tests/golden` is structure.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

mod arrival;
mod browser;
mod look;
mod picture;
mod reading;
mod report;
mod stage;

use std::io::Write;
use std::path::Path;

use browser::{Browser, Scheme, Screen};
use picture::{Colour, Picture};
use stage::Site;

/// `--ground`, `--card` and `--mark` of `templates/page.css`.
const LIGHT: [Colour; 3] = [[0xee, 0xf1, 0xf5], [0xff, 0xff, 0xff], [0xb3, 0x26, 0x1e]];
const DARK: [Colour; 3] = [[0x14, 0x17, 0x1c], [0x1e, 0x23, 0x2b], [0xf2, 0x83, 0x7b]];

const DESKTOP: Screen = Screen {
    width: 1280,
    height: 800,
    scale: 1,
    scheme: Scheme::Light,
};

/// Text between 2 and 25 percent of the card's area.
const INK: std::ops::Range<usize> = 20..250;

/// Says something that the test runner does not swallow.
fn tell(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// A browser that looks at the page of a block.
async fn looking_at_a_block(screen: Screen) -> Option<(Browser, Site)> {
    let mut browser = Browser::start().await?;
    let gateway = stage::gateway().await;
    browser.look(screen).await;
    let url = gateway.url("/consent");
    browser.open(&url, &url).await;
    Some((browser, gateway))
}

/// Keeps a picture for people; `TIDEGATE_TEST_PICTURES` names a directory.
fn keep(name: &str, picture: &Picture) {
    if let Some(directory) = std::env::var_os("TIDEGATE_TEST_PICTURES") {
        std::fs::write(Path::new(&directory).join(name), picture.encode()).unwrap();
    }
}

/// The card lies on its ground, with its mark at the top and text in it. `scale`: picture pixels
/// per CSS pixel.
fn is_styled(picture: &Picture, scale: usize, [ground, inside, mark]: [Colour; 3]) -> bool {
    if picture.at(2, 2) != ground {
        return false;
    }
    let card = picture.card(ground);
    let middle = picture.width / 2;
    picture.at(middle, card.top + 3 * scale) == mark
        && picture.at(middle, card.top + 10 * scale) == inside
        && INK.contains(&picture.ink(card, inside))
}
