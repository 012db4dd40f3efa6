//! The rows of connection routes: who creates the connection, who signs in, and what must happen.
//! Here the tokens are in the request, so that what is withheld is the request.

pub(crate) mod judge;
pub(crate) mod play;
pub(crate) mod send;

use tidegate_mock::tenants::{CONTOSO, FABRIKAM, PERSONAL};

use crate::policies::Policy;
use crate::rows::{BOTH_SIDES, CONTOSO_IN, CONTOSO_OUT, Sides, Situation};

/// What the creator's bearer token is for.
pub(crate) const PLATFORM: &str = "api://platform";

/// What the sign-in token is for.
pub(crate) const CONNECTOR: &str = "api://connector";

/// One request for a connection and its documented outcome.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    /// Who creates the connection.
    pub(crate) creator: Creator,
    /// The token of the account that signed in.
    pub(crate) sign_in: SignIn,
    /// What must happen.
    pub(crate) expected: Expected,
}

/// Who creates the connection, and how that is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Creator {
    /// A bearer token of this tenant.
    Bearer(&'static str),
    /// A browser that a sign-in sent back with a form, to a route that serves this tenant alone.
    Browser(&'static str),
    /// A bearer token of this tenant that is meant for something else.
    OtherAudience(&'static str),
}

/// The token of the account that signed in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignIn {
    /// One of Azure DevOps' own, on a route that declares its provider so.
    AzureDevOps,
    /// One of this tenant whose signature was tampered with.
    BrokenSignature(&'static str),
    /// None.
    None,
    /// One of this tenant.
    User(&'static str),
}

/// A documented outcome.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The service gets the request, and the client its answer.
    Allow,
    /// The client gets a block, and the record names exactly these sides.
    Block(Sides),
    /// As allowed, and the log has one warning.
    PassNonEntra,
    /// The client gets a refusal.
    Refuse(Refusal),
}

/// A refusal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// What the client is told.
    pub(crate) code: &'static str,
    /// What the record says.
    pub(crate) reason: &'static str,
}

const NOT_FOR_US: Expected = Expected::Refuse(Refusal {
    status: 401,
    code: "InvalidAuthenticationToken",
    reason: "token_audience",
});
const TAMPERED: Expected = Expected::Refuse(Refusal {
    status: 401,
    code: "InvalidSignInToken",
    reason: "token_signature",
});
const NOBODY: Expected = Expected::Refuse(Refusal {
    status: 400,
    code: "MissingSignInToken",
    reason: "sign_in_missing",
});

/// Every row to play.
pub(crate) fn documented() -> Vec<Situation<Case>> {
    let mut all = policies();
    all.extend(tokens());
    all.extend(others());
    all
}

fn policies() -> Vec<Situation<Case>> {
    vec![
        Situation {
            policies: "both On, neither lists the other",
            documents: vec![Policy::on(CONTOSO), Policy::on(FABRIKAM)],
            rows: vec![
                case(CONTOSO, CONTOSO, Expected::Allow),
                case(CONTOSO, FABRIKAM, Expected::Block(BOTH_SIDES)),
            ],
        },
        Situation {
            policies: "both Off",
            documents: vec![Policy::off(CONTOSO), Policy::off(FABRIKAM)],
            rows: vec![
                case(CONTOSO, FABRIKAM, Expected::Allow),
                case(FABRIKAM, CONTOSO, Expected::Allow),
            ],
        },
        Situation {
            policies: "Contoso On",
            documents: vec![Policy::on(CONTOSO), Policy::off(FABRIKAM)],
            rows: vec![
                case(CONTOSO, FABRIKAM, Expected::Block(CONTOSO_OUT)),
                case(FABRIKAM, CONTOSO, Expected::Block(CONTOSO_IN)),
                case(PERSONAL, CONTOSO, Expected::Block(CONTOSO_IN)),
            ],
        },
        Situation {
            policies: "Contoso On, Fabrikam outbound",
            documents: vec![
                Policy::on(CONTOSO).outbound(FABRIKAM),
                Policy::off(FABRIKAM),
            ],
            rows: vec![
                case(CONTOSO, FABRIKAM, Expected::Allow),
                case(FABRIKAM, CONTOSO, Expected::Block(CONTOSO_IN)),
            ],
        },
    ]
}

/// Nobody is asked about policies before the tokens are verified: both are Off.
fn tokens() -> Vec<Situation<Case>> {
    vec![Situation {
        policies: "both Off",
        documents: vec![Policy::off(CONTOSO), Policy::off(FABRIKAM)],
        rows: vec![
            Case {
                creator: Creator::Bearer(CONTOSO),
                sign_in: SignIn::BrokenSignature(FABRIKAM),
                expected: TAMPERED,
            },
            Case {
                creator: Creator::OtherAudience(CONTOSO),
                sign_in: SignIn::User(FABRIKAM),
                expected: NOT_FOR_US,
            },
            Case {
                creator: Creator::Bearer(CONTOSO),
                sign_in: SignIn::None,
                expected: NOBODY,
            },
        ],
    }]
}

fn others() -> Vec<Situation<Case>> {
    let browser = |sign_in, expected| Case {
        creator: Creator::Browser(CONTOSO),
        sign_in: SignIn::User(sign_in),
        expected,
    };
    vec![
        Situation {
            policies: "Contoso On",
            documents: vec![Policy::on(CONTOSO), Policy::off(FABRIKAM)],
            rows: vec![
                browser(FABRIKAM, Expected::Block(CONTOSO_OUT)),
                browser(CONTOSO, Expected::Allow),
            ],
        },
        Situation {
            policies: "Contoso On (provider is not Entra)",
            documents: vec![Policy::on(CONTOSO), Policy::off(FABRIKAM)],
            rows: vec![Case {
                creator: Creator::Bearer(CONTOSO),
                sign_in: SignIn::AzureDevOps,
                expected: Expected::PassNonEntra,
            }],
        },
    ]
}

fn case(creator: &'static str, sign_in: &'static str, expected: Expected) -> Case {
    Case {
        creator: Creator::Bearer(creator),
        sign_in: SignIn::User(sign_in),
        expected,
    }
}

impl Case {
    /// The creator tenant that a record must name: none that is not verified.
    pub(crate) fn creator_tenant(&self) -> Option<&'static str> {
        match self.creator {
            Creator::Bearer(tenant) | Creator::Browser(tenant) => Some(tenant),
            Creator::OtherAudience(_) => None,
        }
    }

    /// The sign-in tenant that the service is told.
    pub(crate) fn sign_in_tenant(&self) -> Option<&'static str> {
        match self.sign_in {
            SignIn::User(tenant) => Some(tenant),
            SignIn::AzureDevOps | SignIn::BrokenSignature(_) | SignIn::None => None,
        }
    }

    /// Whether a person waits for a page.
    pub(crate) fn is_browser(&self) -> bool {
        matches!(self.creator, Creator::Browser(_))
    }
}

impl Expected {
    /// Whether the service must see the request.
    pub(crate) fn forwards(self) -> bool {
        match self {
            Self::Allow | Self::PassNonEntra => true,
            Self::Block(_) | Self::Refuse(_) => false,
        }
    }

    /// `decision` of the record.
    pub(crate) fn decision(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block(_) => "block",
            Self::PassNonEntra => "pass_non_entra",
            Self::Refuse(_) => "error",
        }
    }
}
