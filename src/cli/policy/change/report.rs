//! What a command changed, or would change.

use std::fmt;

use serde::Serialize;

use crate::cli::output::json;
use crate::cli::policy::changes::{self, Change};
use crate::core::tenant::TenantId;
use crate::policies::document::Document;
use crate::problem::visible;

#[derive(Serialize)]
pub(super) struct Report<'d> {
    tenant: TenantId,
    pub(super) dry_run: bool,
    changes: Vec<Change<'d>>,
    pub(super) remarks: Vec<String>,
    /// Of what was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<&'d str>,
}

impl<'d> Report<'d> {
    pub(super) fn of(
        tenant: TenantId,
        before: Option<&'d Document>,
        after: &'d Document,
        remarks: Vec<String>,
    ) -> Self {
        Self {
            tenant,
            dry_run: false,
            changes: changes::between(before, after),
            remarks,
            version: None,
            etag: None,
        }
    }

    /// Whether nothing changes.
    pub(super) const fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(super) fn text(&self, as_json: bool) -> String {
        if as_json {
            json(self)
        } else {
            self.to_string()
        }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_written = self.version.is_some() || self.etag.is_some();
        let said = match (self.changes.is_empty(), self.dry_run) {
            (true, _) if is_written => "the same in another text",
            (true, _) => "nothing changes",
            (false, true) => "would change",
            (false, false) => "changed",
        };
        writeln!(f, "policy of {}: {said}", self.tenant)?;
        self.changes
            .iter()
            .try_for_each(|change| writeln!(f, "  {change}"))?;
        self.remarks
            .iter()
            .try_for_each(|remark| writeln!(f, "remark: {}", visible(remark)))?;
        if let Some(version) = self.version {
            writeln!(f, "version {version}")?;
        }
        self.etag
            .iter()
            .try_for_each(|etag| writeln!(f, "entity tag {etag}"))
    }
}
