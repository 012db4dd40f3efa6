//! What a connection route has of its own: the service, and where sign-in tokens stand.

use std::sync::Arc;

use http::{HeaderName, Method};
use toml::Value;

use super::super::header;
use super::super::section::{Section, expected_name};
use super::super::services::Services;
use super::super::value::{self, Read, Wrong, choice};
use super::{audience, method};
use crate::config::{
    Browsers, Connection, CreatorSource, ErrorFormat, Place, Provider, Service, SignInSource,
};

/// Keys that no other kind of route has.
pub(super) const KEYS: [&str; 4] = ["service", "sign_in", "errors", "browsers"];

const PLACES: [&str; 3] = ["header", "form", "json"];
const SIGN_IN_KEYS: &[&str] = &["header", "form", "json", "audience"];

const SIGN_IN: &str = "\"none\", or at least one of { header = \"...\", audience = [...] }, \
                       { form = \"...\", audience = [...] } and \
                       { json = \"...\", audience = [...] }";

/// A connection route's own as far as it could be read.
pub(super) struct Draft {
    service: Option<Arc<Service>>,
    methods: Vec<Method>,
    /// Empty: nobody has signed in at this step.
    sign_in: Vec<SignInSource>,
    pub(super) verifiers: Vec<Arc<Provider>>,
    errors: ErrorFormat,
    browsers: Browsers,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            service: None,
            methods: vec![Method::POST, Method::PUT],
            sign_in: Vec::new(),
            verifiers: Vec::new(),
            errors: ErrorFormat::OAuth,
            browsers: Browsers::Json,
        }
    }
}

impl Draft {
    /// Where allowed requests go, if that is known.
    pub(super) fn service(&self) -> Option<&Service> {
        self.service.as_deref()
    }

    /// Headers that carry sign-in tokens.
    pub(super) fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.sign_in
            .iter()
            .filter_map(|source| match &source.place {
                Place::Header(header) => Some(header),
                Place::Form(_) | Place::Json(_) => None,
            })
    }

    /// Reads `sign_in`, once it is known where the creator is told.
    pub(super) fn read_sign_in(&mut self, section: &Section<'_>, creator: &[CreatorSource]) {
        self.sign_in = sign_in(section, creator);
        let is_form = |source: &SignInSource| matches!(source.place, Place::Form(_));
        if self.sign_in.iter().any(is_form) && !self.methods.contains(&Method::POST) {
            let found = "no POST, and a form in sign_in";
            let expected = "POST as well: it is what forms come with";
            section.wrong("methods", Wrong::new(found, expected));
        }
    }

    pub(super) fn finish(self) -> Option<Connection> {
        Some(Connection {
            service: self.service?,
            methods: self.methods,
            sign_in: self.sign_in,
            verifiers: self.verifiers,
            errors: self.errors,
            browsers: self.browsers,
        })
    }
}

/// Reads all but `sign_in`, which is held against the creator's sources.
pub(super) fn read(section: &Section<'_>, services: &Services<'_>) -> Draft {
    let default = Draft::default();
    let formats = choice(&[
        ("oauth", ErrorFormat::OAuth),
        ("arm", ErrorFormat::Arm),
        ("apihub", ErrorFormat::ApiHub),
    ]);
    let browsers = choice(&[("json", Browsers::Json), ("page", Browsers::Page)]);
    section.not_empty("methods", CREATING);
    let draft = Draft {
        service: service(section, services),
        methods: section.list("methods", creating).unwrap_or(default.methods),
        errors: section.read_or("errors", default.errors, formats),
        browsers: section.read_or("browsers", default.browsers, browsers),
        sign_in: default.sign_in,
        verifiers: default.verifiers,
    };
    if draft.browsers == Browsers::Page && !draft.methods.contains(&Method::POST) {
        let found = "\"page\", and no POST in methods: a browser comes with nothing else";
        section.wrong(
            "browsers",
            Wrong::new(found, "\"json\", or POST in methods"),
        );
    }
    draft
}

fn service(section: &Section<'_>, services: &Services<'_>) -> Option<Arc<Service>> {
    let expected = "the name of a service";
    let name = section.require("service", expected, |value| {
        value::parsed(value, expected, Some)
    })?;
    let Some(draft) = services.get(name) else {
        let expected = match services.is_empty() {
            true => format!("a section [services.{name}]"),
            false => expected_name(name, services.keys().copied()),
        };
        let found = format!("{name:?}, and there is no [services.{name}]");
        section.wrong("service", Wrong::new(found, expected));
        return None;
    };
    draft.service.clone()
}

const CREATING: &str =
    "methods like \"POST\" or \"PUT\", in upper case; nothing is created by GET, HEAD or OPTIONS";

/// A method that creates or changes something.
fn creating(value: &Value) -> Read<Method> {
    let reading = [Method::GET, Method::HEAD, Method::OPTIONS];
    method(value)
        .ok()
        .filter(|method| !reading.contains(method))
        .ok_or_else(|| value::wrong(value, CREATING))
}

fn sign_in(section: &Section<'_>, creator: &[CreatorSource]) -> Vec<SignInSource> {
    match section.text("sign_in") {
        Some("none") => return Vec::new(),
        Some(other) => {
            section.wrong("sign_in", Wrong::new(format!("{other:?}"), SIGN_IN));
            return Vec::new();
        }
        None => {}
    }
    if !section.has("sign_in") {
        section.wrong("sign_in", Wrong::new("nothing", SIGN_IN));
    }
    section.not_empty("sign_in", SIGN_IN);
    let mut sources: Vec<SignInSource> = Vec::new();
    for entry in section.sections("sign_in", SIGN_IN_KEYS) {
        let place = place(&entry);
        let audience = audience(&entry);
        if let Some((key, place)) = place {
            own_place(&entry, key, &place, &sources, creator);
            sources.push(SignInSource { place, audience });
        }
    }
    sources
}

/// The one place that an entry names, and by which key.
fn place(entry: &Section<'_>) -> Option<(&'static str, Place)> {
    let header = entry.read("header", header::token);
    let form = entry.read("form", value::field);
    let json = entry.read("json", value::pointer);
    if PLACES.iter().filter(|key| entry.has(key)).count() != 1 {
        let found = "a place with none or several of header, form and json";
        entry.wrong("", Wrong::new(found, "exactly one of them"));
    }
    let header = header.map(|name| ("header", Place::Header(name)));
    let form = form.map(|name| ("form", Place::Form(name)));
    let json = json.map(|pointer| ("json", Place::Json(pointer)));
    header.or(form).or(json)
}

/// Reports a place that holds another token as well: the creator's, or one named before.
fn own_place(
    entry: &Section<'_>,
    key: &str,
    place: &Place,
    earlier: &[SignInSource],
    creator: &[CreatorSource],
) {
    // Services compare names without case, and so do we.
    let same = |other: &SignInSource| {
        std::mem::discriminant(&other.place) == std::mem::discriminant(place)
            && text(&other.place).eq_ignore_ascii_case(&text(place))
    };
    if earlier.iter().any(same) {
        let found = format!("{:?}, which is named before", text(place));
        entry.wrong(key, Wrong::new(found, "a place of its own"));
    }
    let creators = |source: &CreatorSource| match (source, place) {
        (
            CreatorSource::Bearer { header, .. } | CreatorSource::Header(header),
            Place::Header(own),
        ) => header == own,
        (CreatorSource::Fixed(_) | CreatorSource::Path(_), _)
        | (_, Place::Form(_) | Place::Json(_)) => false,
    };
    if creator.iter().any(creators) {
        let found = format!("{:?}, which tells the creator", text(place));
        let expected = "another place: who creates and who signs in are told apart";
        entry.wrong(key, Wrong::new(found, expected));
    }
}

fn text(place: &Place) -> String {
    match place {
        Place::Form(name) => name.clone(),
        Place::Header(name) => name.to_string(),
        Place::Json(pointer) => pointer.to_string(),
    }
}
