//! Whom the tokens of a request sign in.

use super::super::super::token::presented::minted::verified;
use super::*;

fn sign_in(tokens: Vec<Presented>) -> Result<Option<SignIn>, Disagreement> {
    let presented = Presented::agreeing(tokens)?;
    Ok(presented.as_ref().map(Presented::sign_in))
}

#[test]
fn tokens_agree_on_one_tenant_or_are_refused() {
    let of = |id| Presented::Verified(verified(id));
    let (opaque, foreign) = (
        || Presented::NotEntra(NotEntra::Opaque),
        || Presented::NotEntra(NotEntra::ForeignIssuer),
    );
    let contoso = || Ok(Some(SignIn::Entra(tenant(CONTOSO))));
    let table = [
        (vec![], Ok(None)),
        (vec![Presented::Nobody], Ok(Some(SignIn::NoToken))),
        (vec![of(CONTOSO)], contoso()),
        (vec![of(CONTOSO), of(CONTOSO)], contoso()),
        (vec![of(CONTOSO), of(FABRIKAM)], Err(Disagreement)),
        (
            vec![of(CONTOSO), of(CONTOSO), of(FABRIKAM)],
            Err(Disagreement),
        ),
        (vec![opaque()], Ok(Some(SignIn::NotEntra))),
        (vec![opaque(), foreign()], Ok(Some(SignIn::NotEntra))),
        (vec![of(CONTOSO), opaque()], Err(Disagreement)),
        (vec![opaque(), of(CONTOSO)], Err(Disagreement)),
        (vec![Presented::Nobody, of(CONTOSO)], Err(Disagreement)),
    ];
    for (tokens, expected) in table {
        let shown = format!("{tokens:?}");
        assert_eq!(sign_in(tokens), expected, "{shown}");
    }
}

#[test]
fn what_is_presented_is_decided_like_what_is_replied() {
    let policies = Snapshot::default();
    let decided = |presented: &Presented, provider| {
        let terms = Terms { provider, ..TERMS };
        let creator = Some(tenant(CONTOSO));
        let decision = decide(creator, &presented.sign_in(), &policies, terms, NOW);
        (decision.verdict.as_str(), decision.reason.as_str())
    };
    let (pass, block) = (OnNotEntra::Pass, OnNotEntra::Block);
    let token = Presented::Verified(verified(CONTOSO));
    let opaque = Presented::NotEntra(NotEntra::Opaque);
    assert_eq!(decided(&token, Provider::Entra), ("allow", "same_tenant"));
    assert_eq!(
        decided(&token, Provider::Other(block)),
        ("allow", "same_tenant")
    );
    assert_eq!(
        decided(&Presented::Nobody, Provider::Entra),
        ("allow", "no_token")
    );
    assert_eq!(
        decided(&opaque, Provider::Other(pass)),
        ("pass_non_entra", "non_entra")
    );
    assert_eq!(
        decided(&opaque, Provider::Other(block)),
        ("block", "non_entra")
    );
    assert_eq!(decided(&opaque, Provider::Entra), ("block", "non_entra"));
}
