//! Whether the page can be read: at any width, zoom and size of letters, and in both schemes.

use serde_json::json;

use crate::browser::{Scheme, Screen};
use crate::{DESKTOP, LIGHT, is_styled, keep, looking_at_a_block};

#[tokio::test]
async fn nothing_is_cut_off_on_a_narrow_screen_or_when_zoomed() {
    /// Every line of text, by its left and right end.
    const LINES: &str = "(() => {
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        const lines = [];
        while (walker.nextNode()) {
            const range = document.createRange();
            range.selectNodeContents(walker.currentNode);
            for (const box of range.getClientRects())
                if (box.width > 0) lines.push([box.left, box.right]);
        }
        return lines;
    })()";
    let Some((mut browser, gateway)) = looking_at_a_block(DESKTOP).await else {
        return;
    };
    // A phone; a phone with letters of twice the size; a desktop zoomed to 200 % and to 400 %.
    for (name, width, height, scale, letters) in [
        ("phone", 320, 640, 1, "100%"),
        ("phone-large-text", 320, 640, 1, "200%"),
        ("zoom-200", 640, 400, 2, "100%"),
        ("zoom-400", 320, 200, 4, "100%"),
    ] {
        let screen = Screen {
            width,
            height,
            scale,
            scheme: Scheme::Light,
        };
        browser.look(screen).await;
        for path in ["/consent", "/busy"] {
            let url = gateway.url(path);
            browser.open(&url, &url).await;
            let enlarge = format!("document.documentElement.style.fontSize = '{letters}'");
            browser.run(&enlarge).await;
            let scrolls = browser.run("document.documentElement.scrollWidth").await;
            assert_eq!(scrolls, json!(width), "{name} {path} scrolls sideways");

            let lines = browser.run(LINES).await;
            let lines = lines.as_array().unwrap();
            assert!(lines.len() > 10, "{name} {path}: {lines:?}");
            for line in lines {
                let (left, right) = (line[0].as_f64().unwrap(), line[1].as_f64().unwrap());
                assert!(
                    left >= 8.0 && right <= f64::from(width) - 8.0,
                    "{name} {path}: {line}"
                );
            }

            let picture = browser.whole_page(width).await;
            keep(&format!("{name}{}.png", path.replace('/', "-")), &picture);
            let scale = scale as usize;
            assert!(is_styled(&picture, scale, LIGHT), "{name} {path}");
            let edge = 6 * scale;
            for columns in [0..edge, picture.width - edge..picture.width] {
                assert!(picture.is_bare(columns, LIGHT[0]), "{name} {path}");
            }
        }
    }
    browser.close().await;
}

/// WCAG 2.2, 1.4.3.
#[tokio::test]
async fn all_text_stands_out_in_both_schemes() {
    const LEAST: &str = "(() => {
        const parts = colour => colour.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => [r, g, b]
            .map(c => c / 255)
            .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
        const behind = element => {
            for (; element; element = element.parentElement) {
                const colour = parts(getComputedStyle(element).backgroundColor);
                if (colour.length == 3) return colour;
            }
        };
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        const found = [];
        while (walker.nextNode()) {
            const element = walker.currentNode.parentElement;
            if (!walker.currentNode.data.trim()) continue;
            const pair = [parts(getComputedStyle(element).color), behind(element)].map(light);
            found.push((Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05));
        }
        return [found.length, Math.min(...found)];
    })()";
    let Some((mut browser, _gateway)) = looking_at_a_block(DESKTOP).await else {
        return;
    };
    for scheme in [Scheme::Light, Scheme::Dark] {
        browser.look(Screen { scheme, ..DESKTOP }).await;
        let least = browser.run(LEAST).await;
        assert!(least[0].as_u64().unwrap() > 15, "{least}");
        let contrast = least[1].as_f64().unwrap();
        assert!((4.5..21.0).contains(&contrast), "{scheme:?}: {contrast}");
    }
    browser.close().await;
}
