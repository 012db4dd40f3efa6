//! The way to the page, what it says to whom, and what its policy keeps out.

use serde_json::json;

use crate::browser::Browser;
use crate::stage::{self, CONTOSO, FABRIKAM};
use crate::{DESKTOP, looking_at_a_block};

#[tokio::test]
async fn a_form_posted_from_another_site_arrives_at_the_page() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let gateway = stage::gateway().await;
    let provider = stage::provider(gateway.url("/consent")).await;
    browser
        .open(&provider.url("/"), &gateway.url("/consent"))
        .await;

    let asked = gateway.asked_for("/consent");
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].method, http::Method::POST);
    assert_eq!(
        asked[0].headers["content-type"],
        "application/x-www-form-urlencoded"
    );
    assert_eq!(&asked[0].body[..], b"id_token=the.id.token&state=a%2Bb+c");
    assert_eq!(gateway.paths(), ["/consent"], "the page fetches nothing");

    // What the person sees, and what a screen reader says.
    assert_eq!(
        browser.run("document.documentElement.lang").await,
        json!("en")
    );
    let heading = "Blocked by tenant isolation";
    assert_eq!(browser.run("document.title").await, json!(heading));
    let heard = browser.heard().await;
    let of_role = |role: &str| -> Vec<&str> {
        let found = heard.iter().filter(|(found, _)| found == role);
        found.map(|(_, name)| &**name).collect()
    };
    assert_eq!(of_role("main").len(), 1, "{heard:?}");
    assert_eq!(
        of_role("heading"),
        [heading, "Whom to ask", "Details for the administrator"]
    );
    assert_eq!(
        browser.run("document.querySelectorAll('h1').length").await,
        json!(1)
    );
    let said = of_role("StaticText").join(" ");
    for part in [
        "has failed authorization due to a tenant isolation configuration",
        "blocked by tenant isolation",
        "cccccccc-0000-4000-8000-00000000000c",
        CONTOSO,
        FABRIKAM,
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let mut log = browser.log();
    log.retain(|line| !line.contains("responded with a status of 403"));
    assert_eq!(log, [""; 0], "the page breaks its own policy");
    browser.close().await;
}

#[tokio::test]
async fn the_policy_keeps_scripts_pictures_and_frames_out() {
    let Some((mut browser, gateway)) = looking_at_a_block(DESKTOP).await else {
        return;
    };
    let url = gateway.url("/injected");
    browser.open(&url, &url).await;
    assert_eq!(
        browser.run("document.title").await,
        json!("Blocked by tenant isolation")
    );
    let log = browser.log().join("\n");
    assert!(log.contains("script"), "{log}");
    assert_eq!(gateway.paths(), ["/consent", "/injected"]);

    let provider = stage::provider(gateway.url("/consent")).await;
    let url = provider.url("/frame");
    browser.open(&url, &url).await;
    let log = browser.log().join("\n");
    assert!(log.contains("frame-ancestors"), "{log}");
    browser.close().await;
}
