//! Certificates, keys and authorities as PEM files hold them.
//!
//! Invariant: a file is read once and whole; what is judged is what was read. A file that is no
//! regular one, or larger than any certificate, is not read at all.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Largest file that is read. The authorities of a whole system take about 300 KiB.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Which bytes files held, without holding them.
pub(super) type Print = [u8; 32];

/// What some files held at one moment.
pub(super) struct Texts(Vec<(PathBuf, Result<Vec<u8>, String>)>);

impl Texts {
    /// Reads the files now.
    pub(super) fn read<'p>(files: impl IntoIterator<Item = &'p Path>) -> Self {
        let read = |file: &'p Path| (file.to_owned(), bytes(file));
        Self(files.into_iter().map(read).collect())
    }

    /// The same for a single command, whose user may hand it pipes.
    pub(super) fn read_once<'p>(files: impl IntoIterator<Item = &'p Path>) -> Self {
        let read = |file: &'p Path| {
            let bytes = fs::read(file).map_err(|error| error.to_string());
            (file.to_owned(), bytes)
        };
        Self(files.into_iter().map(read).collect())
    }

    /// Tells these texts from others.
    pub(super) fn print(&self) -> Print {
        let mut context = Context::new(&SHA256);
        for (_, text) in &self.0 {
            let (kind, bytes) = match text {
                Ok(bytes) => (1, bytes.as_slice()),
                Err(error) => (0, error.as_bytes()),
            };
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            context.update(&[kind]);
            context.update(&length.to_be_bytes());
            context.update(bytes);
        }
        let mut print = [0; 32];
        for (to, from) in print.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        print
    }

    /// A file's chain of certificates, at least one.
    pub(super) fn chain(&self, file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
        let chain = CertificateDer::pem_slice_iter(self.of(file)?)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| at(file, error))?;
        if chain.is_empty() {
            return Err(at(file, "no certificate in it"));
        }
        Ok(chain)
    }

    /// A file's private key.
    pub(super) fn key(&self, file: &Path) -> Result<PrivateKeyDer<'static>, String> {
        PrivateKeyDer::from_pem_slice(self.of(file)?).map_err(|error| at(file, error))
    }

    /// A file's authorities, at least one.
    pub(super) fn authorities(&self, file: &Path) -> Result<RootCertStore, String> {
        let mut store = RootCertStore::empty();
        for certificate in self.chain(file)? {
            store.add(certificate).map_err(|error| at(file, error))?;
        }
        Ok(store)
    }

    fn of(&self, file: &Path) -> Result<&[u8], String> {
        let text = self.0.iter().find(|(known, _)| known == file);
        match text {
            Some((_, Ok(bytes))) => Ok(bytes),
            Some((_, Err(error))) => Err(at(file, error)),
            None => Err(at(file, "not read")),
        }
    }
}

fn at(file: &Path, what: impl Display) -> String {
    format!("{}: {what}", file.display())
}

fn bytes(file: &Path) -> Result<Vec<u8>, String> {
    // Opening a pipe would wait for its other end.
    let about = fs::metadata(file).map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("not a file".to_owned());
    }
    if about.len() > LARGEST {
        return Err(format!("larger than {LARGEST} bytes"));
    }
    fs::read(file).map_err(|error| error.to_string())
}
