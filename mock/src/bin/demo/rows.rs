//! The documented rows of token routes: policies, who creates the connection, who signs in, and
//! what must happen.

use tidegate_mock::tenants::{CONTOSO, FABRIKAM, NORTHWIND, PERSONAL};

use crate::policies::Policy;

/// Policies, and the exchanges to make under them.
pub(crate) struct Situation<R> {
    /// The policies in words.
    pub(crate) policies: &'static str,
    /// One document per tenant that has one.
    pub(crate) documents: Vec<Policy>,
    /// The exchanges.
    pub(crate) rows: Vec<R>,
}

/// One exchange and its documented outcome.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    /// The tenant in `x-ms-client-tenant-id`; a legacy connection has none.
    pub(crate) creator: Option<&'static str>,
    /// Who signs in, and where.
    pub(crate) sign_in: SignIn,
    /// What must happen.
    pub(crate) expected: Expected,
}

/// Who signs in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignIn {
    /// The Azure-DevOps-like service, which has no tenants of its own.
    AzureDevOps,
    /// A guest whose home is Fabrikam, signed in to Contoso.
    Guest,
    /// A user of this tenant.
    User(&'static str),
}

/// A documented outcome.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The client gets its tokens.
    Allow,
    /// The client gets the refusal, and the record names exactly these sides: tenant and direction.
    Block(Sides),
    /// The client gets the tokens of a provider that is not Entra, and the log has one warning.
    PassNonEntra,
}

/// The sides that block: tenant and direction.
pub(crate) type Sides = &'static [(&'static str, &'static str)];

pub(crate) const CONTOSO_OUT: Sides = &[(CONTOSO, "outbound")];
pub(crate) const CONTOSO_IN: Sides = &[(CONTOSO, "inbound")];
pub(crate) const BOTH_SIDES: Sides = &[(CONTOSO, "outbound"), (FABRIKAM, "inbound")];
const FABRIKAM_IN: Sides = &[(FABRIKAM, "inbound")];

/// Every row of the documented table, and the two that its rules add: the guest, and the other
/// direction of the personal account.
pub(crate) fn documented() -> Vec<Situation<Row>> {
    let mut all = same_tenant_and_off();
    all.extend(one_side_on());
    all.extend(both_sides_on());
    all.extend(special_accounts());
    all
}

fn same_tenant_and_off() -> Vec<Situation<Row>> {
    vec![
        Situation {
            policies: "any (both On, empty lists)",
            documents: vec![Policy::on(CONTOSO), Policy::on(FABRIKAM)],
            rows: vec![
                row(CONTOSO, CONTOSO, Expected::Allow),
                row(FABRIKAM, FABRIKAM, Expected::Allow),
                Row {
                    creator: Some(CONTOSO),
                    sign_in: SignIn::Guest,
                    expected: Expected::Allow,
                },
            ],
        },
        Situation {
            policies: "both Off",
            documents: vec![Policy::off(CONTOSO), Policy::off(FABRIKAM)],
            rows: vec![
                row(CONTOSO, FABRIKAM, Expected::Allow),
                row(FABRIKAM, CONTOSO, Expected::Allow),
            ],
        },
    ]
}

fn one_side_on() -> Vec<Situation<Row>> {
    vec![
        Situation {
            policies: "Contoso On",
            documents: vec![Policy::on(CONTOSO), Policy::off(FABRIKAM)],
            rows: vec![
                row(CONTOSO, FABRIKAM, Expected::Block(CONTOSO_OUT)),
                row(FABRIKAM, CONTOSO, Expected::Block(CONTOSO_IN)),
            ],
        },
        Situation {
            policies: "Contoso On, Fabrikam in its outbound list",
            documents: vec![
                Policy::on(CONTOSO).outbound(FABRIKAM),
                Policy::off(FABRIKAM),
            ],
            rows: vec![
                row(CONTOSO, FABRIKAM, Expected::Allow),
                row(FABRIKAM, CONTOSO, Expected::Block(CONTOSO_IN)),
            ],
        },
        Situation {
            policies: "Contoso On, Fabrikam in both lists",
            documents: vec![Policy::on(CONTOSO).both(FABRIKAM), Policy::off(FABRIKAM)],
            rows: vec![
                row(CONTOSO, FABRIKAM, Expected::Allow),
                row(FABRIKAM, CONTOSO, Expected::Allow),
            ],
        },
        Situation {
            policies: "Contoso On, * outbound",
            documents: vec![Policy::on(CONTOSO).outbound("*"), Policy::off(FABRIKAM)],
            rows: vec![
                row(CONTOSO, FABRIKAM, Expected::Allow),
                row(CONTOSO, NORTHWIND, Expected::Allow),
                row(FABRIKAM, CONTOSO, Expected::Block(CONTOSO_IN)),
                row(NORTHWIND, CONTOSO, Expected::Block(CONTOSO_IN)),
            ],
        },
    ]
}

fn both_sides_on() -> Vec<Situation<Row>> {
    vec![
        Situation {
            policies: "Contoso On with Fabrikam outbound, Fabrikam On with empty list",
            documents: vec![Policy::on(CONTOSO).outbound(FABRIKAM), Policy::on(FABRIKAM)],
            rows: vec![row(CONTOSO, FABRIKAM, Expected::Block(FABRIKAM_IN))],
        },
        Situation {
            policies: "both On, neither lists the other",
            documents: vec![Policy::on(CONTOSO), Policy::on(FABRIKAM)],
            rows: vec![row(CONTOSO, FABRIKAM, Expected::Block(BOTH_SIDES))],
        },
    ]
}

fn special_accounts() -> Vec<Situation<Row>> {
    vec![
        Situation {
            policies: "Contoso On (personal account)",
            documents: vec![Policy::on(CONTOSO), Policy::off(FABRIKAM)],
            rows: vec![
                row(PERSONAL, CONTOSO, Expected::Block(CONTOSO_IN)),
                row(CONTOSO, PERSONAL, Expected::Block(CONTOSO_OUT)),
            ],
        },
        Situation {
            policies: "Contoso On (legacy connection, default)",
            documents: vec![Policy::on(CONTOSO), Policy::off(FABRIKAM)],
            rows: vec![legacy(Expected::Block(CONTOSO_IN))],
        },
        Situation {
            policies: "Contoso On (legacy connection, choice allow)",
            documents: vec![Policy::on(CONTOSO).allowing_legacy(), Policy::off(FABRIKAM)],
            rows: vec![legacy(Expected::Allow)],
        },
        Situation {
            policies: "Contoso On (provider is not Entra)",
            documents: vec![Policy::on(CONTOSO), Policy::off(FABRIKAM)],
            rows: vec![Row {
                creator: Some(CONTOSO),
                sign_in: SignIn::AzureDevOps,
                expected: Expected::PassNonEntra,
            }],
        },
    ]
}

fn row(creator: &'static str, sign_in: &'static str, expected: Expected) -> Row {
    Row {
        creator: Some(creator),
        sign_in: SignIn::User(sign_in),
        expected,
    }
}

fn legacy(expected: Expected) -> Row {
    Row {
        creator: None,
        sign_in: SignIn::User(CONTOSO),
        expected,
    }
}

impl SignIn {
    /// The tenant whose token the client asks for; none outside Entra.
    pub(crate) fn tenant(self) -> Option<&'static str> {
        match self {
            Self::AzureDevOps => None,
            Self::Guest => Some(CONTOSO),
            Self::User(tenant) => Some(tenant),
        }
    }
}

/// A tenant's name in the table.
pub(crate) fn name(tenant: &str) -> &str {
    match tenant {
        CONTOSO => "Contoso",
        FABRIKAM => "Fabrikam",
        NORTHWIND => "Northwind",
        PERSONAL => "Personal",
        other => other,
    }
}
