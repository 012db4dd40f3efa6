//! JSON taken apart one level at a time, so that every fault has a key path.
//!
//! Invariant: what two parsers could read differently is found here: members named twice (in any
//! case), broken escapes, numbers out of range. Values that nobody interprets keep their bytes.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Where in a document: a chain from the root, written out only for a fault.
#[derive(Clone, Copy)]
pub(super) enum Key<'k> {
    /// An element of a list.
    Index(&'k Key<'k>, usize),
    /// A member of an object.
    Member(&'k Key<'k>, &'k str),
    /// The document itself.
    Root,
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(list, index) => write!(f, "{list}[{index}]"),
            Self::Member(Key::Root, name) => f.write_str(&shortened(name)),
            Self::Member(object, name) => write!(f, "{object}.{}", shortened(name)),
            Self::Root => Ok(()),
        }
    }
}

/// The members of one object, in their order.
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Takes a member out.
    pub(super) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    /// Whether a member is there and null.
    pub(super) fn is_null(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|(known, value)| known == name && value.get() == "null")
    }

    /// The first name that stands twice, whatever its case.
    pub(super) fn repeated(&self) -> Option<&str> {
        let mut seen = HashSet::with_capacity(self.0.len());
        self.0
            .iter()
            .find(|(name, _)| !seen.insert(name.to_lowercase()))
            .map(|(name, _)| name.as_ref())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// A member's name, borrowed where it holds no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// A value that is kept and never interpreted, checked all the way down. Holds nothing.
pub(super) struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Sound;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_bool<E>(self, _: bool) -> Result<Sound, E> {
                Ok(Sound)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Sound, E> {
                Ok(Sound)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Sound, E> {
                Ok(Sound)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Sound, E> {
                Ok(Sound)
            }
            fn visit_str<E>(self, _: &str) -> Result<Sound, E> {
                Ok(Sound)
            }
            fn visit_unit<E>(self) -> Result<Sound, E> {
                Ok(Sound)
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Sound, A::Error> {
                while list.next_element::<Sound>()?.is_some() {}
                Ok(Sound)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Sound, A::Error> {
                let mut seen = HashSet::new();
                while let Some((name, Sound)) = map.next_entry::<String, Sound>()? {
                    if !seen.insert(name.to_lowercase()) {
                        return Err(de::Error::custom("a member is named twice"));
                    }
                }
                Ok(Sound)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A value in words, short enough for one line of a report.
pub(super) fn described(value: &RawValue) -> String {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'"') => format!("the text {}", shortened(text)),
        Some(b'[') => "a list".to_owned(),
        Some(b'{') => "an object".to_owned(),
        Some(b'-' | b'0'..=b'9') => format!("the number {}", shortened(text)),
        _ => text.to_owned(),
    }
}

/// A text cut to a length fit for a report, without characters that could forge a line of it.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 80;
    if text.len() <= LONGEST && !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut short: String = text.chars().take(LONGEST).map(visible).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    Cow::Owned(short)
}
