//! The creator tenant: who creates or runs the connection, and how we know.
//!
//! Invariant: sources that are present agree, or there is no creator at all but an error; a
//! source that is present and malformed is an error, never "missing".

use thiserror::Error;

use super::tenant::{TenantId, TenantIdError};

/// Where a creator tenant was read from; the word stands in records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
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
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
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

/// Settles on the creator, from what each configured source says, in the operator's order.
/// A source that is not present yields nothing; one that is present yields its text.
///
/// # Errors
/// [`CreatorError`]; it holds no text of the caller's.
pub fn resolve<'a>(
    claims: impl IntoIterator<Item = (Source, &'a str)>,
) -> Result<Creator, CreatorError> {
    let mut creator = Creator::Unknown;
    for (source, text) in claims {
        let tenant = TenantId::parse(text).map_err(|error| CreatorError::Malformed {
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
    use super::*;

    const A: &str = "aaaaaaaa-0000-4000-8000-00000000000a";
    const B: &str = "bbbbbbbb-0000-4000-8000-00000000000b";

    type Claim<'a> = (Source, &'a str);

    #[test]
    fn sources_agree_or_are_refused() {
        use Source::{Fixed, Header, Path};
        let known = |text, source| Ok(Creator::Known(TenantId::parse(text).unwrap(), source));
        let malformed = |source_, error| Err(CreatorError::Malformed { source_, error });
        let table: [(&[Claim<'_>], Result<Creator, CreatorError>); 9] = [
            (&[], Ok(Creator::Unknown)),
            (&[(Header, A)], known(A, Header)),
            (&[(Fixed, A), (Header, A)], known(A, Fixed)),
            (
                &[(Header, "AAAAAAAA-0000-4000-8000-00000000000A"), (Path, A)],
                known(A, Header),
            ),
            (&[(Fixed, A), (Header, B)], Err(CreatorError::Contradiction)),
            (
                &[(Header, A), (Header, B)],
                Err(CreatorError::Contradiction),
            ),
            (&[(Header, "")], malformed(Header, TenantIdError::Empty)),
            (
                &[(Fixed, A), (Path, "*")],
                malformed(Path, TenantIdError::NotAGuid),
            ),
            (
                &[(Header, "common"), (Fixed, A)],
                malformed(Header, TenantIdError::Alias),
            ),
        ];
        for (claims, expected) in table {
            assert_eq!(resolve(claims.iter().copied()), expected, "{claims:?}");
        }
    }

    #[test]
    fn words_for_records() {
        let creators = [Source::Fixed, Source::Header, Source::Path]
            .map(|source| Creator::Known(TenantId::parse(A).unwrap(), source));
        let words = creators.map(Creator::source);
        assert_eq!(words, ["fixed", "header", "path"]);
        assert_eq!(Creator::Unknown.source(), "none");
        assert_eq!(
            creators[0].tenant().map(|tenant| tenant.to_string()),
            Some(A.to_owned())
        );
        assert_eq!(Creator::Unknown.tenant(), None);
    }
}
