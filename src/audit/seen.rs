//! What a record says of the tokens that were decided about.

use crate::core::isolation::Presented;
use crate::core::token::EntraToken;
use crate::core::token::reply::Tokens;

/// The tokens that were decided about.
pub enum Seen {
    /// A request's: verified, or none of Entra's.
    Presented(Presented),
    /// A reply's: the TLS connection vouches for them.
    Replied(Tokens),
}

impl Seen {
    /// The most telling kind of token.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Presented(Presented::Nobody) => "none",
            Self::Presented(Presented::NotEntra(kind)) => kind.as_str(),
            Self::Presented(Presented::Verified(_)) => "entra",
            Self::Replied(tokens) => tokens.kind(),
        }
    }

    /// The first Entra token.
    pub(super) fn token(&self) -> Option<&EntraToken> {
        match self {
            Self::Presented(Presented::Verified(token)) => Some(token.token()),
            Self::Presented(Presented::Nobody | Presented::NotEntra(_)) => None,
            Self::Replied(tokens) => tokens.entra.as_ref(),
        }
    }

    /// What vouches for it.
    pub(super) const fn verified(&self) -> &'static str {
        match self {
            Self::Presented(_) => "signature",
            Self::Replied(_) => "tls",
        }
    }
}
