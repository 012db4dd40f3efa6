//! Plays the rows of connection routes.

use serde_json::Value;
use tidegate_mock::Request;

use super::judge::{Outcome, judge};
use super::send::{Received, Sent};
use super::{Case, Expected};
use crate::Failure;
use crate::play::{Performance, steady};
use crate::rows::Situation;
use crate::stage::Stage;

/// A row with its outcome.
pub(crate) struct Played {
    pub(crate) policies: &'static str,
    pub(crate) case: Case,
    pub(crate) received: Received,
    /// The requests that reached the service.
    pub(crate) seen: Vec<Request>,
    pub(crate) record: Value,
    /// What is not as documented; empty if all is.
    pub(crate) problems: Vec<String>,
}

impl Performance {
    /// Plays every situation.
    pub(crate) async fn connect(
        &mut self,
        stage: &Stage,
        situations: &[Situation<Case>],
    ) -> Result<(), Failure> {
        for situation in situations {
            self.apply(stage, &situation.documents).await?;
            for case in &situation.rows {
                let once = async || self.case(stage, situation.policies, *case).await;
                let played = steady(once, |played| played.problems.is_empty()).await?;
                self.connections.push(played);
            }
        }
        Ok(())
    }

    async fn case(
        &mut self,
        stage: &Stage,
        policies: &'static str,
        case: Case,
    ) -> Result<Played, Failure> {
        let sent = Sent::of(&case, &stage.entra.mint())?;
        self.exchanges.push(sent.correlation_id.clone());
        self.forwarded += u64::from(case.expected.forwards());
        let warnings = stage.gateway.warnings();
        let before = stage.service.requests().all().len();
        let received = stage.client.connect(&stage.gateway, &sent).await?;
        let record = stage.gateway.record(&sent.correlation_id).await?;
        let seen = stage.service.requests().all().split_off(before);
        let outcome = Outcome {
            sent: &sent,
            received: &received,
            seen: &seen,
            record: &record,
        };
        let mut problems = judge(&case, &outcome);
        if case.expected == Expected::PassNonEntra {
            let count = stage.gateway.warnings_after(warnings).await;
            if count != 1 {
                problems.push(format!("{count} warnings instead of one"));
            }
        }
        Ok(Played {
            policies,
            case,
            received,
            seen,
            record,
            problems,
        })
    }
}
