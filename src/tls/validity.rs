//! From when until when certificates are good.

use std::fmt;

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::core::policy::UnixSeconds;

/// The time in which every certificate of a chain is good, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from: UnixSeconds,
    pub(super) until: UnixSeconds,
}

impl Validity {
    /// Of a chain; none if a certificate in it cannot be read.
    pub(super) fn of(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let mut whole: Option<Self> = None;
        for certificate in chain {
            let one = Self::of_one(certificate)?;
            let so_far = whole.unwrap_or(one);
            whole = Some(Self {
                from: so_far.from.max(one.from),
                until: so_far.until.min(one.until),
            });
        }
        whole
    }

    /// Of one certificate.
    fn of_one(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let validity = certificate.validity();
        Some(Self {
            from: validity.not_before.timestamp(),
            until: validity.not_after.timestamp(),
        })
    }

    pub(super) const fn holds(self, now: UnixSeconds) -> bool {
        self.from <= now && now <= self.until
    }

    /// The first end after `now` of a certificate in the chain; none if one cannot be read.
    pub(super) fn next_end(chain: &[CertificateDer<'_>], now: UnixSeconds) -> Option<UnixSeconds> {
        let mut next = UnixSeconds::MAX;
        for certificate in chain {
            let until = Self::of_one(certificate)?.until;
            if until >= now {
                next = next.min(until);
            }
        }
        Some(next)
    }
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = |seconds| {
            Timestamp::from_second(seconds)
                .map_or_else(|_| seconds.to_string(), |time| time.to_string())
        };
        write!(f, "{} to {}", written(self.from), written(self.until))
    }
}
