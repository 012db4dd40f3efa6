//! A whole reply, classified: every token in it, wherever it stands.
//!
//! Invariant: what a client could take for a token is either classified here or the reply is
//! [`Unreadable`]. Any string at any depth that holds a JWT counts, not only the documented
//! fields; the decision never depends on a content type.
//!
//! Source: RFC 6749 section 5 (token responses), RFC 8693 section 2.2 (token exchange), OpenID
//! Connect Core section 3.1.3.3.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use thiserror::Error;

use super::super::tenant::TenantId;
use super::issuer::Issuers;
use super::json::{Names, Text, folded};
use super::jwt::{self, Form};
use super::{Class, EntraToken, NotEntra, Untrusted, classify_form, respelling};

/// Why a reply cannot be inspected. The fault is the upstream's.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unreadable {
    /// It starts like JSON and is not exactly one JSON object with members named once.
    #[error("the reply is not one unambiguous JSON object")]
    Json,
    /// It is neither JSON nor a form.
    #[error("the reply is neither JSON nor a form")]
    NeitherJsonNorForm,
}

/// All that a reply's tokens say, in sum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// The first readable Entra token: the source of the identifiers in records.
    pub entra: Option<EntraToken>,
    /// Each tenant that a readable Entra token names, once. More than [`MAX_TENANTS`] are not
    /// kept; they disagree anyway.
    pub tenants: Vec<TenantId>,
    /// Tokens that do not claim to be Entra's.
    pub not_entra: Option<NotEntra>,
    /// A token that claims to be Entra's and is not believed.
    pub untrusted: Option<Untrusted>,
    /// The reply has an `error` member that says one (RFC 6749 section 5.2).
    pub error: bool,
    /// Something stands in a field or a parameter that holds tokens, whatever it is.
    pub in_token_field: bool,
}

/// How many layers of escapes are undone: JSON in a form in JSON, and one more.
const RESPELLINGS: usize = 4;

/// Distinct tenants kept of one reply.
pub const MAX_TENANTS: usize = 8;

impl Tokens {
    /// Whether anything in the reply is a token.
    pub fn is_empty(&self) -> bool {
        self.tenants.is_empty() && self.not_entra.is_none() && self.untrusted.is_none()
    }

    /// Whether any is Entra's, or stands where tokens stand. In a page, a cookie or a redirect the
    /// rest may be a server's own: a signed `state`.
    pub fn are_about_sign_in(&self) -> bool {
        self.in_token_field || !self.tenants.is_empty() || self.untrusted.is_some()
    }

    /// The most telling kind of token found; for records.
    pub fn kind(&self) -> &'static str {
        match (self.tenants.is_empty(), self.untrusted, self.not_entra) {
            (_, Some(_), _) => "untrusted",
            (false, None, _) => "entra",
            (true, None, Some(kind)) => kind.as_str(),
            (true, None, None) => "none",
        }
    }

    fn add(&mut self, class: Class) {
        match class {
            Class::Entra(token) => {
                if !self.tenants.contains(&token.tenant) && self.tenants.len() < MAX_TENANTS {
                    self.tenants.push(token.tenant);
                }
                self.entra.get_or_insert(token);
            }
            // A foreign issuer's JWT outweighs the opaque: only the latter may stand beside an
            // Entra token.
            Class::NotEntra(NotEntra::ForeignIssuer) => {
                self.not_entra = Some(NotEntra::ForeignIssuer);
            }
            Class::NotEntra(kind) => {
                self.not_entra.get_or_insert(kind);
            }
            Class::Untrusted(why) => {
                self.untrusted.get_or_insert(why);
            }
        }
    }
}

/// Fields whose value is a token whatever it looks like.
const TOKEN_FIELDS: [&str; 3] = ["access_token", "id_token", "refresh_token"];

struct Collector<'i> {
    issuers: &'i Issuers,
    tokens: Tokens,
}

impl Collector<'_> {
    fn text(&mut self, field: Option<&str>, text: &str) {
        if field.is_some_and(is_token_field) && !text.is_empty() && self.classify_whole(text) {
            return;
        }
        self.search(text);
        // Escapes may be escaped in turn; the depth is bounded, and so is the work.
        let mut plainer = respelling::undone(text);
        for _ in 0..RESPELLINGS {
            let Some(text) = plainer else { return };
            self.search(&text);
            plainer = respelling::undone(&text);
        }
    }

    /// Classifies every token that stands somewhere in a text.
    fn search(&mut self, text: &str) {
        let (issuers, tokens) = (self.issuers, &mut self.tokens);
        jwt::find_within(text, |token, form| {
            // A header without anything is no token.
            if form != Form::Opaque {
                tokens.add(classify_form(token, form, issuers));
            }
        });
        for value in token_parameters(text) {
            self.classify_whole(value);
        }
    }

    /// Classifies what stands where a token is expected, and tells whether it is one by the
    /// letter, with nothing around it in which another could be.
    fn classify_whole(&mut self, text: &str) -> bool {
        let form = jwt::form(text);
        self.tokens.in_token_field = true;
        self.tokens.add(classify_form(text, form, self.issuers));
        match form {
            // Its signature was not read: it may be anything.
            Form::Encrypted | Form::Signed { .. } => jwt::is_plain(text),
            Form::Misspelled | Form::Opaque => false,
        }
    }

    /// A token field that holds a number, a list or an object: nobody can say what it is.
    fn odd_value(&mut self, field: Option<&str>) {
        if field.is_some_and(is_token_field) {
            self.tokens.in_token_field = true;
            self.tokens.add(Class::Untrusted(Untrusted::Malformed));
        }
    }
}

fn is_token_field(name: &str) -> bool {
    let name = folded(Cow::Borrowed(name));
    TOKEN_FIELDS
        .iter()
        .any(|field| name.eq_ignore_ascii_case(field))
}

/// The values of token fields in a longer text, as in the fragment of a redirect's URL:
/// `https://app.example/#access_token=…&state=…`.
fn token_parameters(text: &str) -> impl Iterator<Item = &str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    memchr::memchr_iter(b'=', text.as_bytes()).filter_map(move |at| {
        let before = text.get(..at)?;
        let longest = before.len().saturating_sub("refresh_token".len() + 1);
        let tail = before.get(longest..).unwrap_or(before);
        let name = tail.rsplit(|c| !is_word(c)).next()?;
        if !is_token_field(name) {
            return None;
        }
        let value = text.get(at + 1..)?;
        let ends = |c: char| !c.is_ascii_graphic() || "&=#;?,\"'<>".contains(c);
        value.split(ends).next().filter(|value| !value.is_empty())
    })
}

/// Reads a reply's body (decoded, whole) and classifies every token in it. `aside` are other
/// texts that reach the client with it: header values.
///
/// # Errors
/// [`Unreadable`] when the body cannot be read without doubt.
pub fn inspect<'a>(
    body: &[u8],
    aside: impl IntoIterator<Item = &'a str>,
    issuers: &Issuers,
) -> Result<Tokens, Unreadable> {
    inspect_as(Top::Object, body, aside, issuers)
}

/// The same for a server whose replies are not token replies, and so may be a list.
///
/// # Errors
/// As [`inspect`]; JSON after a byte order mark and UTF-16 are not read by everybody.
pub fn inspect_any<'a>(
    body: &[u8],
    aside: impl IntoIterator<Item = &'a str>,
    issuers: &Issuers,
) -> Result<Tokens, Unreadable> {
    let marked = body.strip_prefix(b"\xef\xbb\xbf");
    match marked.unwrap_or(body).trim_ascii_start() {
        [b'{' | b'[', ..] if marked.is_some() => Err(Unreadable::Json),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, ..] | [_, 0, ..] => Err(Unreadable::Json),
        _ => inspect_as(Top::ObjectOrList, body, aside, issuers),
    }
}

/// What a JSON text may be as a whole.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Top {
    Object,
    ObjectOrList,
}

fn inspect_as<'a>(
    top: Top,
    body: &[u8],
    aside: impl IntoIterator<Item = &'a str>,
    issuers: &Issuers,
) -> Result<Tokens, Unreadable> {
    let mut collector = Collector {
        issuers,
        tokens: Tokens::default(),
    };
    match (body.iter().find(|byte| !b" \t\r\n".contains(byte)), top) {
        (None, _) => {}
        (Some(b'{'), _) | (Some(b'['), Top::ObjectOrList) => read_json(body, top, &mut collector)?,
        (Some(_), _) => read_form(body, &mut collector)?,
    }
    for text in aside {
        collector.text(None, text);
    }
    Ok(collector.tokens)
}

/// The texts that clients may see in a body that is neither JSON nor a form: UTF-8; and where
/// there are NULs, what stands between them, as in UTF-16 and UTF-32.
pub fn texts(body: &[u8]) -> impl Iterator<Item = Cow<'_, str>> {
    let between = body.contains(&0).then(|| {
        let bytes: Vec<u8> = body.iter().copied().filter(|byte| *byte != 0).collect();
        Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
    });
    std::iter::once(String::from_utf8_lossy(body)).chain(between)
}

/// Classifies the JWTs in a text of any kind (a page, a header value): for paths that are
/// declared to carry no tokens.
pub fn inspect_text(text: &str, issuers: &Issuers) -> Tokens {
    let mut collector = Collector {
        issuers,
        tokens: Tokens::default(),
    };
    collector.text(None, text);
    collector.tokens
}

fn read_json(body: &[u8], top: Top, collector: &mut Collector<'_>) -> Result<(), Unreadable> {
    let text = std::str::from_utf8(body).map_err(|_| Unreadable::Json)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let walk = Walk {
        collector,
        field: None,
        depth: usize::from(top == Top::ObjectOrList),
    };
    walk.deserialize(&mut reader)
        .map_err(|_| Unreadable::Json)?;
    reader.end().map_err(|_| Unreadable::Json)
}

/// GitHub and others answer with a form. Strict, since anything at all can be taken for one:
/// printable ASCII, names of letters, digits, `_` and `-`, each once. Not `.`, which PHP reads as
/// `_`, nor `;`, at which some parsers split.
fn read_form(body: &[u8], collector: &mut Collector<'_>) -> Result<(), Unreadable> {
    const NOT: Unreadable = Unreadable::NeitherJsonNorForm;
    let text = std::str::from_utf8(body).map_err(|_| NOT)?.trim_ascii_end();
    if !text
        .bytes()
        .all(|b| b.is_ascii_graphic() && !b"<>\"{};".contains(&b))
    {
        return Err(NOT);
    }
    let mut names = Names::default();
    for pair in text.split('&') {
        let (name, value) = pair.split_once('=').ok_or(NOT)?;
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(NOT);
        }
        let value = super::super::form::decode(value).ok_or(NOT)?;
        collector.tokens.error |= name == "error" && !value.is_empty();
        collector.text(Some(name), &value);
        names
            .insert::<serde_json::Error>(Cow::Borrowed(name))
            .map_err(|_| NOT)?;
    }
    Ok(())
}

/// Walks one JSON value and shows every string in it, names included, to the collector.
struct Walk<'w, 'i, 'f> {
    collector: &'w mut Collector<'i>,
    field: Option<&'f str>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.depth == 0 {
            deserializer.deserialize_map(self)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        if self.depth > 0 {
            self.collector.odd_value(self.field);
        }
        let mut names = Names::default();
        while let Some(Text(name)) = map.next_key()? {
            self.collector.text(None, &name);
            map.next_value_seed(Walk {
                collector: &mut *self.collector,
                field: Some(&name),
                depth: self.depth + 1,
            })?;
            names.insert(name)?;
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        self.collector.odd_value(self.field);
        while let Some(()) = seq.next_element_seed(Walk {
            collector: &mut *self.collector,
            field: None,
            depth: self.depth + 1,
        })? {}
        Ok(())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        let is_error = self.depth == 1 && self.field == Some("error") && !text.is_empty();
        self.collector.tokens.error |= is_error;
        self.collector.text(self.field, text);
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.collector.odd_value(self.field);
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.collector.odd_value(self.field);
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.collector.odd_value(self.field);
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.collector.odd_value(self.field);
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }
}
