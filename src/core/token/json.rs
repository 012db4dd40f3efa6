//! JSON read without doubt: objects whose members are named once.
//!
//! Invariant: what two parsers could read differently is an error. serde_json alone takes the
//! last of two equal members, an array for a struct, and skips over broken strings it ignores.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess};
use serde_json::value::RawValue;

/// Reads a text that is one JSON object and nothing else.
pub(super) fn object<'a, V: de::Visitor<'a>>(text: &'a str, visitor: V) -> Option<V::Value> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = reader.deserialize_map(visitor).ok()?;
    reader.end().ok()?;
    Some(value)
}

/// The members of an object that go by these names, each as it is written. None unless the text is
/// one object in which no member is named twice, compared without case, and none of the wanted
/// ones is spelled in another case.
pub(super) fn members<'a, const N: usize>(
    text: &'a str,
    wanted: &[&str; N],
) -> Option<[Option<&'a RawValue>; N]> {
    object(text, Members(wanted))
}

/// A member's value as a string.
pub(super) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let Text(text) = serde_json::from_str(value.get()).ok()?;
    Some(text)
}

/// A member's value as a whole number, written as one.
pub(super) fn whole(value: &RawValue) -> Option<i64> {
    serde_json::from_str(value.get()).ok()
}

struct Members<'w, const N: usize>(&'w [&'w str; N]);

impl<'de, const N: usize> de::Visitor<'de> for Members<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let (mut names, mut found) = (Names::default(), [None; N]);
        while let Some(Text(name)) = map.next_key()? {
            let mut places = self.0.iter().zip(&mut found);
            if let Some((_, found)) = places.find(|(wanted, _)| **wanted == name) {
                *found = Some(map.next_value()?);
                names.insert(name)?;
                continue;
            }
            let name = folded(name);
            if self.0.iter().any(|it| it.eq_ignore_ascii_case(&name)) {
                return Err(de::Error::custom("a member in another case"));
            }
            map.next_value::<IgnoredAny>()?;
            names.insert(name)?;
        }
        Ok(found)
    }
}

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
