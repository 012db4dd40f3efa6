//! The text that stands where a pointer points.
//!
//! Invariant: the body is one JSON object whose members are named once, at any depth and compared
//! without case; and on the way to the place every name is spelled as the pointer spells it. So a
//! service that folds case, or takes the first of two members, finds the same text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use thiserror::Error;

use super::super::json::{Names, Text, folded};
use super::Pointer;

/// Why a place in a body cannot be read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Misread {
    /// The body is not one JSON object, read without doubt.
    #[error("the body is not one unambiguous JSON object")]
    Body,
    /// What stands there is no text, or its name is spelled in another case.
    #[error("what stands there is no text, or is spelled otherwise")]
    Place,
}

/// Reads the text under a pointer; none where nothing stands there.
///
/// # Errors
/// [`Misread`].
pub fn text_at<'b>(body: &'b [u8], pointer: &Pointer) -> Result<Option<Cow<'b, str>>, Misread> {
    let text = std::str::from_utf8(body).map_err(|_| Misread::Body)?;
    let mut found = Found::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    Walk {
        found: &mut found,
        way: Some(pointer.segments()),
        outermost: true,
    }
    .deserialize(&mut reader)
    .and_then(|()| reader.end())
    .map_err(|_| Misread::Body)?;
    if found.doubtful {
        return Err(Misread::Place);
    }
    Ok(found.text)
}

#[derive(Default)]
struct Found<'b> {
    text: Option<Cow<'b, str>>,
    doubtful: bool,
}

/// Walks one value. `way` leads from it to the place; none off the way.
struct Walk<'w, 'b, 'p> {
    found: &'w mut Found<'b>,
    way: Option<&'p [String]>,
    outermost: bool,
}

impl<'p> Walk<'_, '_, 'p> {
    /// The way on from a member, if it leads there.
    fn through(&mut self, name: &str) -> Option<&'p [String]> {
        let (next, rest) = self.way?.split_first()?;
        if next == name {
            return Some(rest);
        }
        let (next, name) = (folded(Cow::Borrowed(next)), folded(Cow::Borrowed(name)));
        self.found.doubtful |= next.eq_ignore_ascii_case(&name);
        None
    }

    /// The way on from an element (RFC 6901 section 4: no leading zeros).
    fn through_element(&self, index: usize) -> Option<&'p [String]> {
        let (next, rest) = self.way?.split_first()?;
        (*next == index.to_string()).then_some(rest)
    }

    fn is_there(&self) -> bool {
        self.way.is_some_and(<[String]>::is_empty)
    }

    /// A value that is no text.
    fn no_text(&mut self) {
        self.found.doubtful |= self.is_there();
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, 'de, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.outermost {
            deserializer.deserialize_map(self)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_, 'de, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut map: M) -> Result<(), M::Error> {
        self.no_text();
        let mut names = Names::default();
        while let Some(Text(name)) = map.next_key()? {
            if name.contains(|c: char| c.is_control()) {
                return Err(de::Error::custom("a control character in a name"));
            }
            let way = self.through(&name);
            map.next_value_seed(Walk {
                found: &mut *self.found,
                way,
                outermost: false,
            })?;
            names.insert(name)?;
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(mut self, mut seq: S) -> Result<(), S::Error> {
        self.no_text();
        let mut index = 0;
        while let Some(()) = seq.next_element_seed(Walk {
            way: self.through_element(index),
            found: &mut *self.found,
            outermost: false,
        })? {
            index += 1;
        }
        Ok(())
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<(), E> {
        if self.is_there() {
            self.found.text = Some(Cow::Borrowed(text));
        }
        Ok(())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        if self.is_there() {
            self.found.text = Some(Cow::Owned(text.to_owned()));
        }
        Ok(())
    }

    fn visit_bool<E: de::Error>(mut self, _: bool) -> Result<(), E> {
        self.no_text();
        Ok(())
    }

    fn visit_i64<E: de::Error>(mut self, _: i64) -> Result<(), E> {
        self.no_text();
        Ok(())
    }

    fn visit_u64<E: de::Error>(mut self, _: u64) -> Result<(), E> {
        self.no_text();
        Ok(())
    }

    fn visit_f64<E: de::Error>(mut self, _: f64) -> Result<(), E> {
        self.no_text();
        Ok(())
    }

    fn visit_unit<E: de::Error>(mut self) -> Result<(), E> {
        self.no_text();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
