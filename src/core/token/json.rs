//! JSON read without doubt: objects whose members are named once.
//!
//! Invariant: what two parsers could read differently is an error. serde_json alone takes the
//! last of two equal members, an array for a struct, and skips over broken strings it ignores.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny};

/// The names seen so far in one object, compared without case: a parser that folds case (some
/// clients') must not see another member than we do.
#[derive(Default)]
pub(super) struct Names<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<String>,
}

/// Up to this many names are compared one by one.
const FEW: usize = 32;

impl<'a> Names<'a> {
    /// Notes a name.
    ///
    /// # Errors
    /// The name was there already.
    pub(super) fn insert<E: de::Error>(&mut self, name: Cow<'a, str>) -> Result<(), E> {
        let name = folded(name);
        let repeated = if self.few.len() < FEW {
            let known = self.few.iter().any(|seen| seen.eq_ignore_ascii_case(&name));
            self.few.push(name);
            known
        } else {
            if self.many.is_empty() {
                self.many = self
                    .few
                    .iter()
                    .map(|seen| seen.to_ascii_lowercase())
                    .collect();
            }
            !self.many.insert(name.to_ascii_lowercase())
        };
        if repeated {
            return Err(E::custom("a member is named twice"));
        }
        Ok(())
    }
}

/// A name as clients see it that fold more than ASCII: Go's `encoding/json` takes U+017F for an
/// `s` and U+212A for a `k`, Java's folding takes U+0130 and U+0131 for an `i`.
#[inline]
pub(super) fn folded(name: Cow<'_, str>) -> Cow<'_, str> {
    if name.is_ascii() {
        return name;
    }
    folded_beyond_ascii(&name)
}

#[cold]
fn folded_beyond_ascii(name: &str) -> Cow<'static, str> {
    let fold = |c| match c {
        '\u{130}' | '\u{131}' => 'i',
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other,
    };
    Cow::Owned(name.chars().map(fold).collect())
}

/// A string borrowed from the text where it holds no escapes.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// A string, or nothing where the value is of another type.
pub(super) struct IfText<'a>(pub(super) Option<Cow<'a, str>>);

impl<'de> Deserialize<'de> for IfText<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = IfText<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(IfText(Some(Cow::Borrowed(text))))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(IfText(Some(Cow::Owned(text.to_owned()))))
            }
            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
                Ok(IfText(None))
            }
            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
                Ok(IfText(None))
            }
            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
                Ok(IfText(None))
            }
            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
                Ok(IfText(None))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(IfText(None))
            }
            fn visit_seq<S: de::SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(IfText(None))
            }
            fn visit_map<M: de::MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(IfText(None))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
