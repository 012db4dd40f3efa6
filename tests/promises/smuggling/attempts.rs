//! Requests that two servers may read differently: none of them may end in a token.

use crate::harness::{COMMON, frames};

/// A name, and the bytes of a connection.
pub(super) type Attempt = (String, Vec<u8>);

/// What the attempts are made of.
pub(super) struct Parts {
    /// The `host` of the good requests.
    pub(super) host: String,
    /// The creator that the client is entitled to.
    pub(super) own: &'static str,
    /// The creator that it would like to be.
    pub(super) wanted: &'static str,
    /// Redeems a code of an account that only the wanted creator may sign in with.
    pub(super) form: String,
}

const TRUSTED: &str = "x-ms-client-tenant-id";

impl Parts {
    /// A head from its request line and lines before `more`, with the right creator.
    fn head(&self, line: &str, more: &str) -> String {
        format!(
            "{line}\r\nhost: {}\r\n{TRUSTED}: {}\r\ncontent-type: \
             application/x-www-form-urlencoded\r\n{more}",
            self.host, self.own
        )
    }

    fn whole(&self, line: &str, more: &str) -> String {
        let length = format!("content-length: {}\r\n", self.form.len());
        format!("{}{length}\r\n{}", self.head(line, more), self.form)
    }

    /// What a badly framed request hides: the same, from the wanted creator.
    fn hidden(&self) -> String {
        let (own, wanted) = (self.own, self.wanted);
        self.whole(&post(COMMON), "").replace(own, wanted)
    }

    fn chunked(&self) -> String {
        format!("{:x}\r\n{}\r\n0\r\n\r\n", self.form.len(), self.form)
    }

    /// Attempts over HTTP/1.1.
    pub(super) fn http1(&self) -> Vec<Attempt> {
        [self.targets(), self.trust(), self.framing(), self.lines()].concat()
    }

    fn targets(&self) -> Vec<Attempt> {
        let host = &self.host;
        let absolute = format!("http://{host}{COMMON}");
        let elsewhere = format!("http://evil.test{COMMON}");
        let targets = [
            "/x/../common/oauth2/v2.0/token",
            "/./common/oauth2/v2.0/token",
            "//common/oauth2/v2.0/token",
            "/common//oauth2/v2.0/token",
            "/common/oauth2/v2.0/token/",
            "/common/oauth2/v2.0/token/.",
            "/common/oauth2/v2.0/token/..",
            "/%2e%2e/common/oauth2/v2.0/token",
            "/common%2foauth2/v2.0/token",
            "/common/oauth2/v2.0/%74oken",
            "/common/oauth2/v2.0/token;x=1",
            "/common/oauth2/v2.0/token%00",
            "/common/oauth2/v2.0/token%0d%0ax:y",
            "/common/oauth2/v2.0/token%20HTTP/1.1",
            "/common\\oauth2/v2.0/token",
            "/common/oauth2/v2.0/token#/../x",
            "/common/oauth2/v2.0/token?x=%0d%0a",
            "/COMMON/oauth2/v2.0/token",
            "common/oauth2/v2.0/token",
            "*",
            "",
            &absolute,
            &elsewhere,
            "//evil.test/common/oauth2/v2.0/token",
        ];
        let attempt = |target: &&str| {
            (
                format!("target {target}"),
                self.whole(&post(target), "").into(),
            )
        };
        targets.iter().map(attempt).collect()
    }

    fn trust(&self) -> Vec<Attempt> {
        let wanted = self.wanted;
        let lines = [
            format!("{TRUSTED}: {wanted}\r\n"),
            format!("X-MS-CLIENT-TENANT-ID: {wanted}\r\n"),
            format!("x_ms_client_tenant_id: {wanted}\r\n"),
            format!("x-ms-client_tenant-id: {wanted}\r\n"),
            format!("{TRUSTED} : {wanted}\r\n"),
            format!("{TRUSTED}\t: {wanted}\r\n"),
            format!(" {TRUSTED}: {wanted}\r\n"),
            format!("x: y\r\n {TRUSTED}: {wanted}\r\n"),
            format!("x: y\n{TRUSTED}: {wanted}\r\n"),
            format!("x: y\r{TRUSTED}: {wanted}\r\n"),
            format!("x: y\0\r\n{TRUSTED}: {wanted}\r\n"),
            format!("connection: {TRUSTED}\r\n"),
            format!("connection: close, {TRUSTED}\r\n{TRUSTED}: {wanted}\r\n"),
            format!("connection: x_ms_client_tenant_id\r\nx_ms_client_tenant_id: {wanted}\r\n"),
            format!("te: trailers\r\ntrailer: {TRUSTED}\r\n"),
            format!(
                "x-original-url: /other\r\nx-forwarded-host: evil.test\r\n{TRUSTED}:{wanted}\r\n"
            ),
            format!("x-http-method-override: GET\r\nforwarded: host=evil.test\r\n{TRUSTED}: \r\n"),
        ];
        let line = post(COMMON);
        let mut attempts: Vec<Attempt> = lines
            .iter()
            .map(|more| (format!("header {more:?}"), self.whole(&line, more).into()))
            .collect();
        let trailer = format!(
            "{}transfer-encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n{TRUSTED}: {wanted}\r\n\r\n",
            self.head(&line, &format!("trailer: {TRUSTED}\r\n")),
            self.form.len(),
            self.form
        );
        attempts.push(("a trailer".to_owned(), trailer.into()));
        attempts
    }

    /// Lengths and codings that disagree, with a request hidden behind.
    fn framing(&self) -> Vec<Attempt> {
        let (chunked, hidden) = (self.chunked(), self.hidden());
        let (size, both) = (self.form.len(), chunked.len());
        let all = chunked.len() + hidden.len();
        let te = "transfer-encoding";
        let framings = [
            format!("content-length: {size}\r\n{te}: chunked\r\n"),
            format!("{te}: chunked\r\ncontent-length: {both}\r\n"),
            format!("content-length: {all}\r\n{te}: chunked\r\n"),
            format!("content-length: 0\r\n{te}: chunked\r\n"),
            format!("{te}: xchunked\r\ncontent-length: {both}\r\n"),
            format!("{te}: chunked, identity\r\n"),
            format!("{te}: identity, chunked\r\n"),
            format!("{te}: gzip, chunked\r\n"),
            format!("{te}: chunked, chunked\r\n"),
            format!("{te}: chunked\r\n{te}: identity\r\n"),
            format!("{te}: chunked\r\n{te}: x\r\n"),
            format!("{te}: \u{b}chunked\r\n"),
            format!("{te} : chunked\r\n"),
            format!("{te}:\r\n chunked\r\n"),
            format!("{te}: \"chunked\"\r\n"),
            format!("{te}: chunked;q=1\r\n"),
            format!("\t{te}: chunked\r\n"),
            format!("transfer_encoding: chunked\r\ncontent-length: {both}\r\n"),
            format!("content-length: {size}\r\ncontent-length: {both}\r\n"),
            format!("content-length: {size}, {size}\r\n"),
            format!("content-length: +{size}\r\n"),
            format!("content-length: 0x{size:x}\r\n"),
            "content-length: -1\r\n".to_owned(),
            format!("content-length: {size} {size}\r\n"),
            "content-length: 18446744073709551617\r\n".to_owned(),
            format!("content-length: {size}\r\nconnection: content-length\r\n"),
            format!("{te}: chunked\r\nconnection: {te}\r\n"),
            format!("{te}: chunked\r\nexpect: 100-continue\r\n"),
            String::new(),
        ];
        let line = post(COMMON);
        let mut attempts: Vec<Attempt> = framings
            .iter()
            .map(|more| {
                let bytes = format!("{}\r\n{chunked}{hidden}", self.head(&line, more));
                (format!("framing {more:?}"), bytes.into())
            })
            .collect();
        let form = &self.form;
        for body in [
            format!("{size:x};x=\"\r\n{form}\r\n0\r\n\r\n{hidden}"),
            format!("{size:x}\n{form}\n0\n\n{hidden}"),
            format!("{size:x} \r\n{form}\r\n0\r\n\r\n{hidden}"),
            format!("0{size:x}\r\n{form}\r\n0\r\nx\r\n\r\n{hidden}"),
            format!("0x{size:x}\r\n{form}\r\n0\r\n\r\n{hidden}"),
            format!("{size:x}\r\n{form}0\r\n\r\n{hidden}"),
            format!("10000000000000000{size:x}\r\n{form}\r\n0\r\n\r\n{hidden}"),
            format!("0\r\n\r\n{hidden}"),
        ] {
            let head = self.head(&line, "transfer-encoding: chunked\r\n");
            let name = format!("chunks {:?}", &body[..8]);
            attempts.push((name, format!("{head}\r\n{body}").into()));
        }
        attempts
    }

    /// Odd request lines and line ends, with a request hidden behind.
    fn lines(&self) -> Vec<Attempt> {
        let hidden = self.hidden();
        let mut attempts: Vec<Attempt> = [
            format!("POST {COMMON}"),
            format!("POST {COMMON} HTTP/1.0"),
            format!("POST {COMMON} HTTP/2.0"),
            format!("POST {COMMON} HTTP/1.1 HTTP/1.1"),
            format!("POST  {COMMON}  HTTP/1.1"),
            format!("POST\t{COMMON}\tHTTP/1.1"),
            format!("GET {COMMON} HTTP/1.1"),
            format!("HEAD {COMMON} HTTP/1.1"),
            format!("TRACE {COMMON} HTTP/1.1"),
            format!("CONNECT {} HTTP/1.1", self.host),
            format!("post {COMMON} HTTP/1.1"),
            format!("\r\n\r\nPOST {COMMON} HTTP/1.1"),
        ]
        .iter()
        .map(|line| {
            (
                format!("line {line:?}"),
                format!("{}{hidden}", self.whole(line, "")).into(),
            )
        })
        .collect();
        let whole = self.whole(&post(COMMON), "");
        for (name, bytes) in [
            ("bare line feeds", whole.replace("\r\n", "\n")),
            ("bare carriage returns", whole.replace("\r\n", "\r")),
            ("old chunks", self.head(&post(COMMON), "transfer-encoding: chunked\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0") + &self.chunked()),
            ("an upgrade to HTTP/2", self.whole(&post(COMMON), "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n")),
            ("an upgrade to a socket", self.whole(&post(COMMON), "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: x\r\n")),
            ("two hosts", self.whole(&post(COMMON), "host: evil.test\r\n")),
            ("no host", whole.replacen(&format!("host: {}\r\n", self.host), "", 1)),
            ("an odd host", whole.replacen(&self.host, "a@b", 1)),
        ] {
            attempts.push((name.to_owned(), format!("{bytes}{hidden}").into()));
        }
        attempts
    }

    /// Attempts over HTTP/2, most of which would be two requests in HTTP/1.1.
    pub(super) fn http2(&self) -> Vec<Attempt> {
        let hidden = format!("a\r\n\r\n{}", self.hidden());
        let (line, path) = (
            format!("a\r\n{TRUSTED}: {}", self.wanted),
            format!("{COMMON} HTTP/1.1\r\nx: y"),
        );
        let short = (self.form.len() - 3).to_string();
        let good = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", self.host.as_str()),
            (":path", COMMON),
            (TRUSTED, self.own),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let wanted = self.wanted;
        let more = [
            ("x", line.as_str()),
            ("x", &hidden),
            (&line, "x"),
            (TRUSTED, wanted),
            ("x_ms_client_tenant_id", wanted),
            ("X-Ms-Client-Tenant-Id", wanted),
            ("transfer-encoding", "chunked"),
            ("connection", TRUSTED),
            ("content-length", "0"),
            ("content-length", &short),
            ("host", "evil.test"),
            (":path", "/other"),
            (":authority", "evil.test"),
            (":x", "y"),
            ("te", "chunked"),
            ("upgrade", "h2c"),
            ("x y", "z"),
            ("x:", wanted),
        ];
        let mut all: Vec<(String, Vec<(&str, &str)>)> = more
            .into_iter()
            .map(|field| {
                (
                    format!("HTTP/2 {field:?}"),
                    good.into_iter().chain([field]).collect(),
                )
            })
            .collect();
        for (place, value) in [
            (0, "POST / HTTP/1.1\r\nx: y"),
            (0, "CONNECT"),
            (1, "x://evil"),
            (2, "a@b"),
            (2, "a\r\nb: c"),
            (3, &path),
            (3, "*"),
            (3, ""),
            (3, "/x/../common/oauth2/v2.0/token"),
        ] {
            let mut fields = good.to_vec();
            fields[place].1 = value;
            all.push((format!("HTTP/2 {} {value:?}", good[place].0), fields));
        }
        let bytes = |fields: &[(&str, &str)]| {
            [
                frames::preface(),
                frames::request(1, fields, Some(self.form.as_bytes())),
            ]
            .concat()
        };
        all.into_iter()
            .map(|(name, fields)| (name.chars().take(60).collect(), bytes(&fields)))
            .collect()
    }
}

fn post(target: &str) -> String {
    format!("POST {target} HTTP/1.1")
}
