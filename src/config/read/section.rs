//! Reading a TOML table key by key, noting every problem instead of stopping at the first.
//!
//! Invariant: a key that is read is in the section's list of known keys, and a key in the file
//! that is not in that list is reported. A value that was replaced by a default because it is
//! wrong always leaves a problem behind, so no configuration is made of it.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::value::{self, Read, Wrong};
use crate::problem::Problem;

/// The problems of one file, as they are found.
#[derive(Debug)]
pub(super) struct Report {
    file: PathBuf,
    problems: RefCell<Vec<Problem>>,
}

impl Report {
    pub(super) fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            problems: RefCell::default(),
        }
    }

    pub(super) fn add(&self, key: impl Into<String>, wrong: Wrong) {
        self.problems.borrow_mut().push(Problem {
            file: self.file.clone(),
            key: key.into(),
            found: wrong.found,
            expected: wrong.expected,
        });
    }

    /// A path as the file means it: relative to the file.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }
}

/// One table of the file, or the lack of it (then every key is absent).
#[derive(Clone, Debug)]
pub(super) struct Section<'a> {
    report: &'a Report,
    table: Option<&'a Table>,
    path: String,
    known: &'static [&'static str],
}

impl<'a> Section<'a> {
    /// Opens a table and reports the keys in it that nobody knows.
    pub(super) fn open(
        report: &'a Report,
        path: String,
        table: Option<&'a Table>,
        known: &'static [&'static str],
    ) -> Self {
        let section = Self {
            report,
            table,
            path,
            known,
        };
        for key in table.into_iter().flat_map(Table::keys) {
            if !known.contains(&key.as_str()) {
                let expected = expected_name(key, known.iter().copied());
                section.wrong(key, Wrong::new("an unknown key", expected));
            }
        }
        section
    }

    /// Reads a key, if it is there and right.
    pub(super) fn read<T>(&self, key: &str, read: impl FnOnce(&'a Value) -> Read<T>) -> Option<T> {
        debug_assert!(self.known.contains(&key), "{key} is read and not known");
        match read(self.table?.get(key)?) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.wrong(key, wrong);
                None
            }
        }
    }

    /// Reads a key; one that is absent has a default.
    pub(super) fn read_or<T>(
        &self,
        key: &str,
        default: T,
        read: impl FnOnce(&'a Value) -> Read<T>,
    ) -> T {
        self.read(key, read).unwrap_or(default)
    }

    /// Reads a key that must be there.
    pub(super) fn require<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Read<T>,
    ) -> Option<T> {
        if !self.has(key) {
            self.wrong(key, Wrong::new("nothing", expected));
        }
        self.read(key, read)
    }

    /// Opens the table under a key; one that is absent or not a table opens empty.
    pub(super) fn section(&self, key: &str, known: &'static [&'static str]) -> Self {
        let table = self.read(key, value::table);
        Self::open(self.report, self.key(key), table, known)
    }

    /// The entries of the table under a key that are tables themselves, by name.
    pub(super) fn named_sections(
        &self,
        key: &str,
        known: &'static [&'static str],
    ) -> Vec<(&'a str, Self)> {
        let path = self.key(key);
        let open = |(name, value): (&'a String, &'a Value)| {
            Some((
                name.as_str(),
                self.element(format!("{path}.{name}"), value, known)?,
            ))
        };
        let table = self.read(key, value::table);
        table.into_iter().flatten().filter_map(open).collect()
    }

    /// The tables of the array under a key.
    pub(super) fn sections(&self, key: &str, known: &'static [&'static str]) -> Vec<Self> {
        let path = self.key(key);
        let open = |(index, value): (usize, &'a Value)| {
            self.element(format!("{path}[{index}]"), value, known)
        };
        let array = self.read(key, value::array);
        array
            .into_iter()
            .flatten()
            .enumerate()
            .filter_map(open)
            .collect()
    }

    fn element(
        &self,
        path: String,
        value: &'a Value,
        known: &'static [&'static str],
    ) -> Option<Self> {
        match value::table(value) {
            Ok(table) => Some(Self::open(self.report, path, Some(table), known)),
            Err(wrong) => {
                self.report.add(path, wrong);
                None
            }
        }
    }

    /// Reads each element of the array under a key; the wrong ones are reported and left out.
    pub(super) fn list<T>(&self, key: &str, read: impl Fn(&'a Value) -> Read<T>) -> Option<Vec<T>> {
        let path = self.key(key);
        let element = |(index, value): (usize, &'a Value)| {
            let report = |wrong| self.report.add(format!("{path}[{index}]"), wrong);
            read(value).map_err(report).ok()
        };
        let array = self.read(key, value::array)?;
        Some(array.iter().enumerate().filter_map(element).collect())
    }

    /// Reads a list of texts, or one text alone.
    pub(super) fn one_or_list<T>(
        &self,
        key: &str,
        read: impl Fn(&'a Value) -> Read<T>,
    ) -> Option<Vec<T>> {
        match self.text(key) {
            Some(_) => self.read(key, read).map(|one| vec![one]),
            None => self.list(key, read),
        }
    }

    /// Notes a problem if the array under a key is there and empty.
    pub(super) fn not_empty(&self, key: &str, expected: &str) {
        let array = self
            .table
            .and_then(|table| table.get(key))
            .and_then(Value::as_array);
        if array.is_some_and(Vec::is_empty) {
            self.wrong(key, Wrong::new("an empty array", expected));
        }
    }

    /// The text under a key, whatever is wrong with it; nothing is reported.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.table?.get(key)?.as_str()
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// The full path of a key of this section; `""` is the section itself.
    pub(super) fn key(&self, key: &str) -> String {
        match (self.path.as_str(), key) {
            ("", key) => key.to_owned(),
            (path, "") => path.to_owned(),
            (path, key) => format!("{path}.{key}"),
        }
    }

    /// Notes a problem at a key of this section; `""` is the section itself.
    pub(super) fn wrong(&self, key: &str, wrong: Wrong) {
        self.report.add(self.key(key), wrong);
    }

    /// A path as the file means it: relative to the file.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.report.resolve(path)
    }
}

/// The known name nearest to a misspelled one, or all of them.
pub(super) fn expected_name<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let name = name.to_lowercase();
    let known: Vec<&str> = known.into_iter().collect();
    let distance = |other: &str| strsim::damerau_levenshtein(&name, other);
    let nearest = known.iter().map(|other| (distance(other), *other)).min();
    match nearest {
        Some((distance, other)) if distance <= 1 + other.len() / 4 => format!("{other:?}"),
        Some(_) => format!("one of: {}", known.join(", ")),
        None => "none".to_owned(),
    }
}
