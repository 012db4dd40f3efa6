//! `PPTenantIsolationSettings` of Microsoft365DSC: an exported configuration, or its JSON report.
//!
//! | property | read as |
//! |---|---|
//! | `Enabled` | the opposite of `isDisabled`; required |
//! | `Rules` | the entries: `TenantName` (id, domain or `*`), `Direction` (`Inbound`, `Outbound`, `Both`) |
//! | `RulesToInclude`, `RulesToExclude` | fault, unless empty: they change a list that is elsewhere |
//! | how to sign in, `IsSingleInstance`, `DependsOn` and the like | nothing: they are not the policy |
//! | any other | fault |

mod configuration;
mod report;

use super::{WrittenEntry, fault, written};
use crate::core::tenant::TenantId;
use crate::policies::document::Fault;

pub(super) use configuration::is_configuration;
pub(super) use report::is_report;

/// The resource, and the class of its rules.
const RESOURCE: &str = "PPTenantIsolationSettings";
const RULE: &str = "MSFT_PPTenantRule";

/// Properties about something else than the policy, in lower case.
const BESIDE: &[&str] = &[
    "accesstokens",
    "applicationid",
    "applicationsecret",
    "certificatepassword",
    "certificatepath",
    "certificatethumbprint",
    "credential",
    "dependson",
    "issingleinstance",
    "managedidentity",
    "psdscrunascredential",
    "resourceid",
    "resourceinstancename",
    "resourcename",
    "tenantid",
];

/// A value as either form writes it.
#[derive(Clone, Debug, PartialEq)]
enum Written {
    /// `$True`, `true`.
    Boolean(bool),
    /// A list.
    List(Vec<Written>),
    /// `$null`, `null`.
    Null,
    /// An instance of a class, with its properties.
    Rule(Vec<(String, Written)>),
    /// A text that stands for itself.
    Text(String),
    /// Anything whose value is not in the file.
    Unknown(String),
}

impl Written {
    /// A text in lower case; nothing if it is none.
    fn word(&self) -> String {
        if let Self::Text(text) = self {
            text.to_ascii_lowercase()
        } else {
            String::new()
        }
    }

    fn described(&self) -> String {
        match self {
            Self::Boolean(boolean) => boolean.to_string(),
            Self::List(_) => "a list".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Rule(_) => "an object".to_owned(),
            Self::Text(text) => format!("the text {text:?}"),
            Self::Unknown(what) => format!("{what:?}, whose value is not in the file"),
        }
    }
}

pub(super) fn read(
    text: &str,
    tenant: TenantId,
    remarks: &mut Vec<String>,
) -> Result<String, Vec<Fault>> {
    let json = text.trim_start().starts_with(['{', '[']);
    let resources = if json {
        report::resources(text)
    } else {
        configuration::resources(text)
    };
    let mut resources = resources.map_err(|fault| vec![fault])?.into_iter();
    let (Some(resource), None) = (resources.next(), resources.next()) else {
        let found = format!("not exactly one {RESOURCE}");
        return Err(vec![fault("", &found, "one, since a tenant has one")]);
    };
    let faults = Vec::new();
    let reader = Reader {
        faults,
        texts: json,
    };
    reader.resource(resource, tenant, remarks)
}

struct Reader {
    faults: Vec<Fault>,
    /// Whether texts stand for booleans: the report writes them so. To PowerShell any text that is
    /// not empty is true.
    texts: bool,
}

impl Reader {
    fn resource(
        mut self,
        properties: Vec<(String, Written)>,
        tenant: TenantId,
        remarks: &mut Vec<String>,
    ) -> Result<String, Vec<Fault>> {
        let (mut enabled, mut entries) = (None, None);
        for (name, value) in properties {
            match name.to_ascii_lowercase().as_str() {
                "enabled" => enabled = self.boolean("Enabled", &value),
                "rules" => entries = self.rules(value),
                "rulestoinclude" | "rulestoexclude" => self.empty(&name, &value),
                "ensure" => self.present(&value),
                beside if BESIDE.contains(&beside) => {}
                _ => self.note(&name, &value.described(), "a property of the policy"),
            }
        }
        if enabled.is_none() && self.faults.is_empty() {
            let expected = self.booleans();
            self.note("Enabled", "nothing", expected);
        }
        let Some(enabled) = enabled.filter(|_| self.faults.is_empty()) else {
            return Err(self.faults);
        };
        let entries = entries.unwrap_or_else(|| {
            remarks.push("Rules are not there: taken for none".to_owned());
            Vec::new()
        });
        Ok(written(tenant, !enabled, entries))
    }

    fn rules(&mut self, value: Written) -> Option<Vec<WrittenEntry>> {
        let rules = match value {
            Written::List(rules) => rules,
            Written::Null => Vec::new(),
            rule @ Written::Rule(_) => vec![rule],
            Written::Boolean(_) | Written::Text(_) | Written::Unknown(_) => {
                self.note("Rules", &value.described(), "a list");
                return None;
            }
        };
        let read = |(index, rule)| self.rule(&format!("Rules[{index}]"), rule);
        Some(rules.into_iter().enumerate().filter_map(read).collect())
    }

    fn rule(&mut self, key: &str, value: Written) -> Option<WrittenEntry> {
        let Written::Rule(properties) = value else {
            self.note(key, &value.described(), &format!("a {RULE}"));
            return None;
        };
        let (mut tenant, mut direction) = (None, None);
        for (name, value) in properties {
            let key = format!("{key}.{name}");
            match name.to_ascii_lowercase().as_str() {
                "tenantname" => tenant = Some(self.tenant(&key, &value)),
                "direction" => direction = Some(self.direction(&key, &value)),
                "ciminstance" => {}
                _ => self.note(&key, &value.described(), "TenantName or Direction"),
            }
        }
        for (name, is_there) in [
            ("TenantName", tenant.is_some()),
            ("Direction", direction.is_some()),
        ] {
            if !is_there {
                self.note(&format!("{key}.{name}"), "nothing", "both of a rule");
            }
        }
        let (inbound, outbound) = direction??;
        Some(WrittenEntry::new(tenant??, inbound, outbound))
    }

    fn tenant(&mut self, key: &str, value: &Written) -> Option<String> {
        if let Written::Text(text) = &value
            && is_subject(text)
        {
            return Some(text.clone());
        }
        self.note(key, &value.described(), "a tenant id, a domain or `*`");
        None
    }

    fn direction(&mut self, key: &str, value: &Written) -> Option<(bool, bool)> {
        match value.word().as_str() {
            "both" => Some((true, true)),
            "inbound" => Some((true, false)),
            "outbound" => Some((false, true)),
            _ => {
                self.note(key, &value.described(), "Inbound, Outbound or Both");
                None
            }
        }
    }

    fn boolean(&mut self, key: &str, value: &Written) -> Option<bool> {
        if let Written::Boolean(boolean) = value {
            return Some(*boolean);
        }
        match value.word().as_str() {
            "true" if self.texts => Some(true),
            "false" if self.texts => Some(false),
            _ => {
                let expected = self.booleans();
                self.note(key, &value.described(), expected);
                None
            }
        }
    }

    const fn booleans(&self) -> &'static str {
        if self.texts {
            "true or false"
        } else {
            "$True or $False"
        }
    }

    fn empty(&mut self, key: &str, value: &Written) {
        if !matches!(value, Written::Null) && *value != Written::List(Vec::new()) {
            self.note(key, &value.described(), "Rules, which say the whole list");
        }
    }

    fn present(&mut self, value: &Written) {
        if !matches!(value, Written::Text(text) if text.eq_ignore_ascii_case("present")) {
            self.note("Ensure", &value.described(), "Present");
        }
    }

    fn note(&mut self, key: &str, found: &str, expected: &str) {
        self.faults.push(fault(key, found, expected));
    }
}

/// Whether a text can name a tenant by itself; what a domain must be is told when it is resolved.
fn is_subject(text: &str) -> bool {
    text == "*" || TenantId::parse(text).is_ok() || text.contains('.')
}
