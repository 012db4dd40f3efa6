//! A real Chromium without a window, driven through its debugging pipe (Chrome DevTools Protocol:
//! JSON messages that end in a zero byte).

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::picture::Picture;
use crate::tell;

/// The browser to use; without it, `chromium`.
const PROGRAM: &str = "TIDEGATE_TEST_CHROMIUM";

/// Words for what may not be skipped: CI names `chromium` among them.
const REQUIRE: &str = "TIDEGATE_TEST_REQUIRE";

/// Far longer than anything here takes, on any machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// The pipe is descriptors 3 (in) and 4 (out) of the browser; the shell makes them so.
const THROUGH_A_SHELL: &str = r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>"$0""#;

/// What people look at a page with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    /// In CSS pixels.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Picture pixels per CSS pixel: 2 is what zooming to 200 % does, beside halving the width.
    pub(crate) scale: u32,
    pub(crate) scheme: Scheme,
}

/// What the system asks pages to look like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scheme {
    Dark,
    Light,
}

/// A running browser with one tab. Killed when dropped.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    sent: u64,
    /// Everything it told unasked.
    pub(crate) events: Vec<Value>,
    _profile: tempfile::TempDir,
}

/// The program, if it runs at all. None: the test is skipped, and said so.
async fn program() -> Option<PathBuf> {
    let program = std::env::var_os(PROGRAM).map_or_else(|| "chromium".into(), PathBuf::from);
    let version = Command::new(&program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if version.await.is_ok_and(|status| status.success()) {
        return Some(program);
    }
    let problem = format!(
        "{} does not run; install Chromium, or name another in {PROGRAM}",
        program.display()
    );
    let required =
        std::env::var(REQUIRE).is_ok_and(|words| words.split(',').any(|word| word == "chromium"));
    assert!(!required, "{REQUIRE} asks for Chromium, but {problem}");
    tell(&format!("skipped: {problem}"));
    None
}

fn arguments(profile: &Path) -> Vec<String> {
    [
        "--headless",
        "--no-sandbox", // in a container there is none to be had, and only our own pages are opened
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--no-default-browser-check",
        "--no-first-run",
        "--no-proxy-server",
        "--remote-debugging-pipe",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([
        format!("--user-data-dir={}", profile.display()),
        "about:blank".to_owned(),
    ])
    .collect()
}

impl Browser {
    /// Starts a browser with a fresh profile. None: there is none, and the test is skipped.
    pub(crate) async fn start() -> Option<Self> {
        let program = program().await?;
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", THROUGH_A_SHELL])
            .arg(profile.path().join("stderr"))
            .arg(&program)
            .args(arguments(profile.path()))
            .env("HOME", profile.path())
            .env("XDG_CONFIG_HOME", profile.path())
            .env("XDG_CACHE_HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut browser = Self {
            child,
            to,
            from: BufReader::new(from),
            session: None,
            sent: 0,
            events: Vec::new(),
            _profile: profile,
        };
        let tab = browser
            .ask("Target.createTarget", json!({ "url": "about:blank" }))
            .await;
        let attach = json!({ "targetId": tab["targetId"], "flatten": true });
        let attached = browser.ask("Target.attachToTarget", attach).await;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Log.enable", "Network.enable"] {
            browser.ask(domain, json!({})).await;
        }
        Some(browser)
    }

    /// Sends one command and waits for its result.
    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let mut message = json!({ "id": self.sent, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).await.unwrap();
        loop {
            let mut answer = self.next().await;
            if answer["id"] == self.sent {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].take();
            }
            self.events.push(answer);
        }
    }

    async fn next(&mut self) -> Value {
        let mut bytes = Vec::new();
        let read = timeout(DEADLINE, self.from.read_until(0, &mut bytes));
        read.await.expect("Chromium answers").unwrap();
        let json = bytes.strip_suffix(&[0]);
        serde_json::from_slice(json.expect("Chromium lives")).unwrap()
    }

    /// Sets size, zoom and colour scheme.
    pub(crate) async fn look(&mut self, screen: Screen) {
        let metrics = json!({
            "width": screen.width, "height": screen.height,
            "deviceScaleFactor": screen.scale, "mobile": false,
        });
        self.ask("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        let scheme = match screen.scheme {
            Scheme::Dark => "dark",
            Scheme::Light => "light",
        };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.ask(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        )
        .await;
    }

    /// Opens a page and waits until the tab has arrived at `destination`, which may be where that
    /// page leads on to.
    pub(crate) async fn open(&mut self, url: &str, destination: &str) {
        self.ask("Page.navigate", json!({ "url": url })).await;
        let arrived = async {
            while self.run("[location.href, document.readyState]").await
                != json!([destination, "complete"])
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(DEADLINE, arrived).await.expect("the page is there");
    }

    /// The value of an expression in the page.
    pub(crate) async fn run(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true });
        let mut result = self.ask("Runtime.evaluate", params).await;
        assert!(result["exceptionDetails"].is_null(), "{result}");
        result["result"]["value"].take()
    }

    /// What the window shows.
    pub(crate) async fn screenshot(&mut self) -> Picture {
        self.picture(json!({ "format": "png" })).await
    }

    /// The page from its top to its end, beyond what the window shows; in CSS pixels.
    pub(crate) async fn whole_page(&mut self, width: u32) -> Picture {
        let height = self.run("document.documentElement.scrollHeight").await;
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        self.picture(json!({ "format": "png", "captureBeyondViewport": true, "clip": clip }))
            .await
    }

    async fn picture(&mut self, params: Value) -> Picture {
        let shot = self.ask("Page.captureScreenshot", params).await;
        let png = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        Picture::decode(&png)
    }

    /// What a screen reader is told of: role and name of everything that is not ignored.
    pub(crate) async fn heard(&mut self) -> Vec<(String, String)> {
        let tree = self.ask("Accessibility.getFullAXTree", json!({})).await;
        let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        tree["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|node| node["ignored"] != true)
            .map(|node| (text(&node["role"]), text(&node["name"])))
            .collect()
    }

    /// What the browser's log says.
    pub(crate) fn log(&self) -> Vec<String> {
        self.events
            .iter()
            .filter(|event| event["method"] == "Log.entryAdded")
            .filter_map(|event| event["params"]["entry"]["text"].as_str())
            .map(str::to_owned)
            .collect()
    }

    /// Ends it cleanly.
    pub(crate) async fn close(mut self) {
        self.session = None;
        self.ask("Browser.close", json!({})).await;
        let ended = timeout(DEADLINE, self.child.wait()).await;
        ended.expect("Chromium ends").unwrap();
    }
}
