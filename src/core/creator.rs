//! The creator tenant: who creates or runs the connection, and how we know.
//!
//! Invariant: sources that are present agree, or there is no creator at all but an error; a
//! source that is present and malformed is an error, never "missing".

use std::borrow::Cow;

use thiserror::Error;

use super::tenant::{TenantId, TenantIdError};
use super::token::verified::Verified;

/// Where a creator tenant was read from; the word stands in records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The creator's own token, verified.
    Bearer,
    /// A tenant fixed in the route's configuration.
    Fixed,
    /// A header sent by a trusted peer.
    Header,
    /// A segment of the path.
    Path,
}

impl Source {
    /// The word used in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Fixed => "fixed",
            Self::Header => "header",
            Self::Path => "path",
        }
    }
}

/// Who creates or runs the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creator {
    /// A tenant, and the first configured source that named it.
    Known(TenantId, Source),
    /// No source is present: a legacy connection without a client tenant id.
    Unknown,
}

impl Creator {
    /// The tenant, where one is known.
    pub const fn tenant(self) -> Option<TenantId> {
        match self {
            Self::Known(tenant, _) => Some(tenant),
            Self::Unknown => None,
        }
    }

    /// The word for the source used in records.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Known(_, source) => source.as_str(),
            Self::Unknown => "none",
        }
    }
}

/// Why no creator can be told. The fault is the caller's.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, strum::EnumCount)]
pub enum CreatorError {
    /// Two sources, or one source twice, name different tenants.
    #[error("the creator tenant is named twice, and differently")]
    Contradiction,
    /// A source is present and is not a tenant id.
    #[error("the creator tenant from the {} {error}", .source_.as_str())]
    Malformed {
        /// Which source.
        source_: Source,
        /// What it was instead.
        error: TenantIdError,
    },
}

/// What one source says, where it is present.
#[derive(Clone, Debug)]
pub enum Claim<'a> {
    /// The creator's own token, verified.
    Bearer(Verified),
    /// The tenant that the operator fixed.
    Fixed(TenantId),
    /// The text of a header, from a peer that is believed.
    Header(Cow<'a, str>),
    /// The text of a segment.
    Path(&'a str),
}

impl Claim<'_> {
    const fn source(&self) -> Source {
        match self {
            Self::Bearer(_) => Source::Bearer,
            Self::Fixed(_) => Source::Fixed,
            Self::Header(_) => Source::Header,
            Self::Path(_) => Source::Path,
        }
    }

    fn tenant(&self) -> Result<TenantId, TenantIdError> {
        match self {
            Self::Bearer(token) => Ok(token.tenant()),
            Self::Fixed(tenant) => Ok(*tenant),
            Self::Header(text) => TenantId::parse(text),
            Self::Path(text) => TenantId::parse(text),
        }
    }
}

/// Settles on the creator, from what each source that is present says, in the operator's order.
///
/// # Errors
/// [`CreatorError`]; it holds no text of the caller's.
pub fn resolve<'a>(claims: impl IntoIterator<Item = Claim<'a>>) -> Result<Creator, CreatorError> {
    let mut creator = Creator::Unknown;
    for claim in claims {
        let source = claim.source();
        let tenant = claim.tenant().map_err(|error| CreatorError::Malformed {
            source_: source,
            error,
        })?;
        match creator {
            Creator::Unknown => creator = Creator::Known(tenant, source),
            Creator::Known(known, _) if known == tenant => {}
            Creator::Known(..) => return Err(CreatorError::Contradiction),
        }
    }
    Ok(creator)
}

#[cfg(test)]
mod tests {
    use super::super::token::presented::minted::verified;
    use super::*;

    const A: &str = "aaaaaaaa-0000-4000-8000-00000000000a";
    const B: &str = "bbbbbbbb-0000-4000-8000-00000000000b";

    fn fixed(text: &str) -> Claim<'_> {
        Claim::Fixed(TenantId::parse(text).unwrap())
    }

    fn header(text: &str) -> Claim<'_> {
        Claim::Header(Cow::Borrowed(text))
    }

    #[test]
    fn sources_agree_or_are_refused() {
        use Claim::Path;
        let known = |text, source| Ok(Creator::Known(TenantId::parse(text).unwrap(), source));
        let malformed = |source_, error| Err(CreatorError::Malformed { source_, error });
        let contradiction = || Err(CreatorError::Contradiction);
        let table: [(&[Claim<'_>], Result<Creator, CreatorError>); 9] = [
            (&[], Ok(Creator::Unknown)),
            (&[header(A)], known(A, Source::Header)),
            (&[fixed(A), header(A)], known(A, Source::Fixed)),
            (
                &[header("AAAAAAAA-0000-4000-8000-00000000000A"), Path(A)],
                known(A, Source::Header),
            ),
            (&[fixed(A), header(B)], contradiction()),
            (&[header(A), header(B)], contradiction()),
            (
                &[header("")],
                malformed(Source::Header, TenantIdError::Empty),
            ),
            (
                &[fixed(A), Path("*")],
                malformed(Source::Path, TenantIdError::NotAGuid),
            ),
            (
                &[header("common"), fixed(A)],
                malformed(Source::Header, TenantIdError::Alias),
            ),
        ];
        for (claims, expected) in table {
            assert_eq!(resolve(claims.iter().cloned()), expected, "{claims:?}");
        }
    }

    #[test]
    fn a_verified_token_is_a_source_like_the_others() {
        let bearer = || Claim::Bearer(verified(A));
        let known = |source| Ok(Creator::Known(TenantId::parse(A).unwrap(), source));
        assert_eq!(resolve([bearer()]), known(Source::Bearer));
        assert_eq!(resolve([bearer(), header(A)]), known(Source::Bearer));
        assert_eq!(resolve([header(A), bearer()]), known(Source::Header));
        for other in [
            header(B),
            fixed(B),
            Claim::Path(B),
            Claim::Bearer(verified(B)),
        ] {
            assert_eq!(resolve([bearer(), other]), Err(CreatorError::Contradiction));
        }
        let empty = CreatorError::Malformed {
            source_: Source::Header,
            error: TenantIdError::Empty,
        };
        assert_eq!(resolve([bearer(), header("")]), Err(empty));
    }

    #[test]
    fn words_for_records() {
        let sources = [Source::Bearer, Source::Fixed, Source::Header, Source::Path];
        let creators = sources.map(|source| Creator::Known(TenantId::parse(A).unwrap(), source));
        let words = creators.map(Creator::source);
        assert_eq!(words, ["bearer", "fixed", "header", "path"]);
        assert_eq!(Creator::Unknown.source(), "none");
        assert_eq!(
            creators[0].tenant().map(|tenant| tenant.to_string()),
            Some(A.to_owned())
        );
        assert_eq!(Creator::Unknown.tenant(), None);
    }
}
