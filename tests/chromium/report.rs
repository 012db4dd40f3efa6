//! A report's page: that it opens without a network, keeps its own policy, is drawn in its own colours
//! in both schemes, says in tables what its charts show, and fits every screen.

use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde_json::json;
use tidegate::core::tenant::TenantId;
use tidegate::report::{Ending, Gather, Observed, Report, Today, Window, html};

use crate::browser::{Browser, Scheme, Screen};
use crate::stage::{CONTOSO, FABRIKAM, Site};
use crate::{DESKTOP, keep};

/// `--allowed` and `--blocked` of `templates/report.css`.
const LIGHT: [&str; 2] = ["rgb(31, 122, 77)", "rgb(179, 38, 30)"];
const DARK: [&str; 2] = ["rgb(88, 196, 140)", "rgb(242, 131, 123)"];

const HOSTILE: &str = "</td><script>document.title='run'</script><img src=/fetched>\u{202e}=1";

fn tenant(text: &str) -> TenantId {
    TenantId::parse(text).unwrap()
}

fn report() -> Report {
    let day = |number: i64| jiff::Timestamp::from_second(1_790_000_000 + number * 86_400).unwrap();
    let window = Window {
        since: Some(day(0)),
        until: day(30),
    };
    let (contoso, fabrikam) = (tenant(CONTOSO), tenant(FABRIKAM));
    let mut gather = Gather::new(contoso, window, 1000);
    for number in 0..30 {
        let is_inbound = number % 3 > 0;
        let (creator, sign_in) = if is_inbound {
            (fabrikam, contoso)
        } else {
            (contoso, fabrikam)
        };
        gather.count(&Observed {
            creator: Some(creator),
            sign_in: Some(sign_in),
            connector: Some(if number % 2 == 0 {
                HOSTILE
            } else {
                "sharepoint"
            }),
            app: None,
            ending: if number % 5 == 0 {
                Ending::Block
            } else {
                Ending::Allow
            },
            reason: "both_allow",
            count: u64::try_from(number * 37 % 11 + 1).unwrap() * 100,
            first: day(number),
            last: day(number),
        });
    }
    let mut report = gather.report(&Today::unknown(), day(30));
    report.name(|tenant| (tenant == fabrikam).then_some(HOSTILE));
    report.warnings.push("Records were lost.".to_owned());
    report
}

async fn site() -> Site {
    let page = html(&report());
    Site::start(move |asked| {
        let body = if asked.path == "/report" {
            page.clone()
        } else {
            String::new()
        };
        let mut answer = http::Response::new(http_body_util::Full::new(body.into()));
        let kind = HeaderValue::from_static("text/html");
        answer.headers_mut().insert(CONTENT_TYPE, kind);
        answer
    })
    .await
}

async fn looking(screen: Screen) -> Option<(Browser, Site)> {
    let mut browser = Browser::start().await?;
    let site = site().await;
    browser.look(screen).await;
    let url = site.url("/report");
    browser.open(&url, &url).await;
    Some((browser, site))
}

/// The colours in which something allowed and something blocked is drawn.
async fn colours(browser: &mut Browser) -> [serde_json::Value; 2] {
    let mut colours = [json!(null), json!(null)];
    for (colour, fill) in colours.iter_mut().zip(["#010001", "#040004"]) {
        let shape = format!("document.querySelector('svg [fill=\"{fill}\"]')");
        *colour = browser
            .run(&format!("getComputedStyle({shape}).fill"))
            .await;
    }
    colours
}

#[tokio::test]
async fn a_report_is_drawn_and_fetches_and_runs_nothing() {
    let Some((mut browser, site)) = looking(DESKTOP).await else {
        return;
    };
    keep("report.png", &browser.whole_page(DESKTOP.width).await);
    assert_eq!(browser.log(), [""; 0], "the page breaks its own policy");
    assert_eq!(site.paths(), ["/report"], "the page fetches nothing");
    assert_eq!(
        browser
            .run("document.scripts.length + document.images.length")
            .await,
        json!(0)
    );
    assert_eq!(
        browser.run("document.querySelectorAll('svg').length").await,
        json!(3)
    );
    assert_eq!(
        colours(&mut browser).await,
        LIGHT.map(|colour| json!(colour))
    );

    // What is drawn is said in tables; headings go down by one.
    let heard = browser.heard().await;
    let headings: Vec<_> = heard.iter().filter(|(role, _)| role == "heading").collect();
    assert!(
        headings
            .iter()
            .any(|(_, name)| name == "Inbound connections"),
        "{headings:?}"
    );
    assert!(
        headings
            .iter()
            .any(|(_, name)| name == "What to allow before isolation is turned On")
    );
    let said: Vec<_> = heard
        .iter()
        .filter(|(role, _)| role == "StaticText")
        .collect();
    let hostile = said
        .iter()
        .filter(|(_, text)| text.contains("<script>document.title='run'</script>"));
    assert!(hostile.count() > 2, "{said:?}");
    assert!(!said.iter().any(|(_, text)| text.contains('\u{202e}')));
    assert_eq!(
        browser.run("[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1]).every((level, at, all) => at == 0 ? level == 1 : level - all[at - 1] <= 1)").await,
        json!(true)
    );
    assert_eq!(
        browser.run("[...document.querySelectorAll('[aria-labelledby]')].every(it => document.getElementById(it.getAttribute('aria-labelledby')))").await,
        json!(true)
    );
    // The policy can be copied as it stands.
    let text = "JSON.parse(document.querySelector('pre').textContent).properties.isDisabled";
    assert_eq!(browser.run(text).await, json!(false));
    browser.close().await;
}

#[tokio::test]
async fn a_report_is_dark_where_the_system_is() {
    let screen = Screen {
        scheme: Scheme::Dark,
        ..DESKTOP
    };
    let Some((mut browser, _site)) = looking(screen).await else {
        return;
    };
    keep("report-dark.png", &browser.whole_page(screen.width).await);
    assert_eq!(
        colours(&mut browser).await,
        DARK.map(|colour| json!(colour))
    );
    assert_eq!(browser.screenshot().await.at(2, 2), [0x14, 0x17, 0x1c]);
    browser.close().await;
}

/// Tables and charts scroll in themselves, never the page.
#[tokio::test]
async fn a_report_fits_a_telephone() {
    let screen = Screen {
        width: 360,
        height: 740,
        ..DESKTOP
    };
    let Some((mut browser, _site)) = looking(screen).await else {
        return;
    };
    keep("report-narrow.png", &browser.whole_page(screen.width).await);
    let widths = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    assert_eq!(browser.run(widths).await, json!(true));
    browser.close().await;
}
