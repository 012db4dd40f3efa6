//! Files that the configuration names: they are looked at before anything starts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::section::Section;
use super::value::{self, Wrong};
use crate::secret;

/// What a PEM file holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pem {
    /// At least one certificate.
    Certificates,
    /// A private key.
    Key,
}

impl Pem {
    const fn expected(self) -> &'static str {
        match self {
            Self::Certificates => "a readable PEM file with at least one certificate",
            Self::Key => "a readable PEM file with a private key",
        }
    }

    fn is_in(self, bytes: &[u8]) -> bool {
        match self {
            Self::Certificates => {
                let mut certificates = CertificateDer::pem_slice_iter(bytes).peekable();
                certificates.peek().is_some() && certificates.all(|found| found.is_ok())
            }
            Self::Key => PrivateKeyDer::from_pem_slice(bytes).is_ok(),
        }
    }
}

/// The path of a PEM file, if the key is there; a file that does not hold `pem` is a problem.
pub(super) fn pem(section: &Section<'_>, key: &str, pem: Pem) -> Option<PathBuf> {
    let path = path(section, key, pem.expected())?;
    let fault = match fs::read(&path) {
        Ok(bytes) if pem.is_in(&bytes) => None,
        Ok(_) => Some("which is not one".to_owned()),
        Err(error) => Some(why(&error)),
    };
    report(section, key, &path, fault, pem.expected());
    Some(path)
}

/// The path of a file that holds a bearer token, if the key is there. What it holds is not quoted.
pub(super) fn secret(section: &Section<'_>, key: &str) -> Option<PathBuf> {
    const EXPECTED: &str = "a readable file with a token of 32 to 1024 printable ASCII characters \
                            without spaces, and nothing else";
    let path = path(section, key, EXPECTED)?;
    let fault = match secret::read(&path) {
        Ok(_) => None,
        Err(secret::Unusable::Content) => Some("which is not one".to_owned()),
        Err(secret::Unusable::Unreadable(error)) => Some(why(&error)),
    };
    report(section, key, &path, fault, EXPECTED);
    Some(path)
}

/// The path of a directory that can be listed.
pub(super) fn directory(section: &Section<'_>, key: &str, default: &str) -> PathBuf {
    let expected = "a readable directory";
    let path = path(section, key, expected).unwrap_or_else(|| section.resolve(default));
    let fault = fs::read_dir(&path).err().map(|error| why(&error));
    report(section, key, &path, fault, expected);
    path
}

/// The path of a file that is, or could be, written to.
pub(super) fn output(section: &Section<'_>, key: &str, path: &str, expected: &str) -> PathBuf {
    let path = section.resolve(path);
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let fault = match parent.map_or_else(|| fs::metadata("."), fs::metadata) {
        _ if path.is_dir() => Some("which is a directory".to_owned()),
        Ok(parent) if parent.is_dir() => None,
        Ok(_) => Some("which is not in a directory".to_owned()),
        Err(_) => Some("whose directory does not exist".to_owned()),
    };
    report(section, key, &path, fault, expected);
    path
}

pub(super) fn path(section: &Section<'_>, key: &str, expected: &str) -> Option<PathBuf> {
    section.read(key, |value| {
        value::parsed(value, expected, |text| {
            (!text.is_empty()).then(|| section.resolve(text))
        })
    })
}

pub(super) fn report(
    section: &Section<'_>,
    key: &str,
    path: &Path,
    fault: Option<String>,
    expected: &str,
) {
    if let Some(fault) = fault {
        let found = format!("{:?}, {fault}", path.display().to_string());
        section.wrong(key, Wrong::new(found, expected));
    }
}

/// An I/O error, told to a person.
pub(super) fn why(error: &io::Error) -> String {
    let kind = error.kind();
    if kind == io::ErrorKind::NotFound {
        "which does not exist".to_owned()
    } else if kind == io::ErrorKind::PermissionDenied {
        "which may not be read".to_owned()
    } else {
        format!("which cannot be read ({error})")
    }
}
