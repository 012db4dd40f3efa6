//! Plays the rows of token routes: puts policies in place, waits until they act, makes the
//! exchanges and judges each.

use std::time::{Duration, Instant};

use serde_json::Value;
use tidegate_mock::jwt;
use tidegate_mock::tenants::{NORTHWIND, PERSONAL};

use crate::Failure;
use crate::client::Answer;
use crate::connections;
use crate::policies::{PROBE, Policy};
use crate::rows::{Expected, Row, Sides, SignIn, Situation};
use crate::stage::Stage;

/// How long a policy may take to act before the row is judged as it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(5);

/// A row with its outcome.
pub(crate) struct Played {
    pub(crate) policies: &'static str,
    pub(crate) row: Row,
    pub(crate) answer: Answer,
    pub(crate) record: Value,
    /// What is not as documented; empty if all is.
    pub(crate) problems: Vec<String>,
}

/// All that was played.
#[derive(Default)]
pub(crate) struct Performance {
    pub(crate) rows: Vec<Played>,
    pub(crate) connections: Vec<connections::play::Played>,
    /// How many requests the connection service must have seen.
    pub(crate) forwarded: u64,
    /// The correlation id of every exchange, those of the probe included.
    pub(crate) exchanges: Vec<String>,
    /// The longest time from writing a policy to its first effect.
    pub(crate) slowest_change: Duration,
    probe_on: bool,
}

impl Performance {
    /// Plays every situation.
    pub(crate) async fn play(
        &mut self,
        stage: &Stage,
        situations: &[Situation<Row>],
    ) -> Result<(), Failure> {
        for situation in situations {
            self.apply(stage, &situation.documents).await?;
            for row in &situation.rows {
                let once = async || self.once(stage, situation.policies, *row).await;
                let played = steady(once, |played| played.problems.is_empty()).await?;
                self.rows.push(played);
            }
        }
        Ok(())
    }

    /// Puts the policies in place and waits until they act. A row may look right under the policies
    /// before it, so the last document written is a probe's, whose decision differs every time.
    pub(crate) async fn apply(
        &mut self,
        stage: &Stage,
        documents: &[Policy],
    ) -> Result<(), Failure> {
        for policy in documents {
            policy.write(&stage.policies())?;
        }
        self.probe_on = !self.probe_on;
        let probe = if self.probe_on {
            Policy::on(PROBE)
        } else {
            Policy::off(PROBE)
        };
        probe.write(&stage.policies())?;
        let written = Instant::now();
        while written.elapsed() < PATIENCE {
            let answer = self
                .exchange(stage, Some(PROBE), SignIn::User(NORTHWIND))
                .await?;
            if (answer.status == 403) == self.probe_on {
                self.slowest_change = self.slowest_change.max(written.elapsed());
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(format!(
            "a policy written to {} had no effect in {PATIENCE:?}",
            stage.policies().display()
        )
        .into())
    }

    async fn once(
        &mut self,
        stage: &Stage,
        policies: &'static str,
        row: Row,
    ) -> Result<Played, Failure> {
        let warnings = stage.gateway.warnings();
        let answer = self.exchange(stage, row.creator, row.sign_in).await?;
        let record = stage.gateway.record(&answer.correlation_id).await?;
        let mut problems = judge(&row, &answer, &record);
        if row.expected == Expected::PassNonEntra {
            let count = stage.gateway.warnings_after(warnings).await;
            if count != 1 {
                problems.push(format!("{count} warnings instead of one"));
            }
        }
        Ok(Played {
            policies,
            row,
            answer,
            record,
            problems,
        })
    }

    async fn exchange(
        &mut self,
        stage: &Stage,
        creator: Option<&str>,
        sign_in: SignIn,
    ) -> Result<Answer, Failure> {
        let answer = stage
            .client
            .exchange(&stage.gateway, creator, sign_in)
            .await?;
        self.exchanges.push(answer.correlation_id.clone());
        Ok(answer)
    }
}

/// Tries until an outcome is good, then once more to see that it stays so.
pub(crate) async fn steady<T>(
    mut once: impl AsyncFnMut() -> Result<T, Failure>,
    good: impl Fn(&T) -> bool,
) -> Result<T, Failure> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if good(&once().await?) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    once().await
}

/// Everything about an outcome that is not as documented.
fn judge(row: &Row, answer: &Answer, record: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let mut check = |holds: bool, problem: String| {
        if !holds {
            problems.push(problem);
        }
    };
    let (decision, status) = match row.expected {
        Expected::Allow => ("allow", 200),
        Expected::Block(_) => ("block", 403),
        Expected::PassNonEntra => ("pass_non_entra", 200),
    };
    check(
        answer.status == status,
        format!("status {} instead of {status}", answer.status),
    );
    check(
        text(record, "decision") == decision,
        format!("the record says {}", text(record, "decision")),
    );
    check(
        sides(record) == expected_sides(row.expected),
        format!("the record names {:?}", sides(record)),
    );
    let creator = record.get("creator_tenant").and_then(Value::as_str);
    check(
        creator == row.creator,
        format!("the record's creator is {creator:?}"),
    );
    match row.expected {
        Expected::Block(_) => refusal(answer, &mut check),
        Expected::Allow | Expected::PassNonEntra => tokens(row, answer, &mut check),
    }
    problems
}

/// A refusal has the documented shape and words, and no token.
fn refusal(answer: &Answer, check: &mut impl FnMut(bool, String)) {
    let body = &answer.body;
    check(
        text(body, "error") == "access_denied",
        format!("error is {:?}", text(body, "error")),
    );
    check(
        text(body, "suberror") == "blocked_by_tenant_isolation",
        format!("suberror is {:?}", text(body, "suberror")),
    );
    let sentence = text(body, "error_description");
    check(
        sentence.contains("blocked by tenant isolation"),
        format!("error_description is {sentence:?}"),
    );
    check(
        text(body, "correlation_id") == answer.correlation_id,
        "correlation_id is not the client's".to_owned(),
    );
    check(
        !body.to_string().contains("eyJ"),
        "the refusal holds a token".to_owned(),
    );
}

/// What was relayed are tokens of the tenant signed in to.
fn tokens(row: &Row, answer: &Answer, check: &mut impl FnMut(bool, String)) {
    let access = text(&answer.body, "access_token");
    check(!access.is_empty(), "no access token".to_owned());
    let Some(tenant) = row.sign_in.tenant() else {
        return;
    };
    let token = if tenant == PERSONAL {
        text(&answer.body, "id_token")
    } else {
        access
    };
    let tid = jwt::claims(token).and_then(|claims| claims.get("tid")?.as_str().map(str::to_owned));
    check(
        tid.as_deref() == Some(tenant),
        format!("the token is of tenant {tid:?}"),
    );
}

/// The sides that a record says blocked, sorted.
pub(crate) fn sides(record: &Value) -> Vec<(&str, &str)> {
    let list = record.get("blocked_by").and_then(Value::as_array);
    let mut sides: Vec<_> = list
        .into_iter()
        .flatten()
        .map(|side| (text(side, "tenant"), text(side, "direction")))
        .collect();
    sides.sort_unstable();
    sides
}

/// Sides in the order of [`sides`].
pub(crate) fn sorted(sides: Sides) -> Vec<(&'static str, &'static str)> {
    let mut sides = sides.to_vec();
    sides.sort_unstable();
    sides
}

fn expected_sides(expected: Expected) -> Vec<(&'static str, &'static str)> {
    match expected {
        Expected::Block(sides) => sorted(sides),
        Expected::Allow | Expected::PassNonEntra => Vec::new(),
    }
}

/// A text member, or nothing.
pub(crate) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests;
