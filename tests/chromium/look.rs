//! What the page looks like, held against the style's own colours and the reference picture.

use std::path::PathBuf;

use crate::browser::{Scheme, Screen};
use crate::picture::Picture;
use crate::{DARK, DESKTOP, LIGHT, is_styled, keep, looking_at_a_block};

#[tokio::test]
async fn the_page_looks_like_its_reference_picture() {
    let Some((mut browser, _gateway)) = looking_at_a_block(DESKTOP).await else {
        return;
    };
    let picture = browser.screenshot().await;
    keep("desktop.png", &picture);
    assert!(is_styled(&picture, 1, LIGHT));

    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/page.png");
    if std::env::var_os("TIDEGATE_UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, picture.encode()).unwrap();
    }
    let reference = Picture::decode(&std::fs::read(&file).unwrap());
    assert!(is_styled(&reference, 1, LIGHT));
    assert_eq!(
        (picture.width, picture.height),
        (reference.width, reference.height)
    );
    let (card, expected) = (picture.card(LIGHT[0]), reference.card(LIGHT[0]));
    // These edges follow from the style alone; 1 pixel is for rounding.
    for (actual, expected) in [
        (card.left, expected.left),
        (card.right, expected.right),
        (card.top, expected.top),
    ] {
        assert!(actual.abs_diff(expected) <= 1, "{card:?} {expected:?}");
    }
    // Where lines break depends on the fonts of the machine: a fifth of the card's height.
    let height = expected.bottom - expected.top;
    assert!(
        card.bottom.abs_diff(expected.bottom) <= height / 5,
        "{card:?} {expected:?}"
    );
    // So does how bold letters are: half as much to twice as much.
    let (ink, reference) = (
        picture.ink(card, LIGHT[1]),
        reference.ink(expected, LIGHT[1]),
    );
    assert!(
        (reference / 2..=reference * 2).contains(&ink),
        "{ink} {reference}"
    );
    browser.close().await;
}

#[tokio::test]
async fn the_page_is_dark_where_the_system_is() {
    let screen = Screen {
        scheme: Scheme::Dark,
        ..DESKTOP
    };
    let Some((mut browser, _gateway)) = looking_at_a_block(screen).await else {
        return;
    };
    let picture = browser.screenshot().await;
    keep("dark.png", &picture);
    assert!(is_styled(&picture, 1, DARK));
    browser.close().await;
}

/// The judge can fail: with one byte of the style changed its hash no longer matches.
#[tokio::test]
async fn a_style_that_the_policy_does_not_name_is_not_applied() {
    let Some((mut browser, gateway)) = looking_at_a_block(DESKTOP).await else {
        return;
    };
    let url = gateway.url("/broken");
    browser.open(&url, &url).await;
    assert!(!is_styled(&browser.screenshot().await, 1, LIGHT));
    assert!(
        browser.log().iter().any(|line| line.contains("style-src")),
        "{:?}",
        browser.log()
    );
    browser.close().await;
}
