//! What `Get-PowerAppTenantIsolationPolicy | ConvertTo-Json` prints.
//!
//! | as PowerShell may write it | read as |
//! |---|---|
//! | names in another case (`Properties`, `IsDisabled`) | the names of the document |
//! | the inner object alone, without `properties` | the same |
//! | a list of one policy | the policy |
//! | `{"value": […], "Count": n}` for a list (Windows PowerShell) | the list |
//! | one object, or null, for a list of entries | a list of one, or none |
//! | text like `@{inbound=True}` or `System.Object[]` | fault: `ConvertTo-Json` cut it off; `-Depth 10` |
//! | no `isDisabled` | isolation On, and a remark |

use serde_json::{Map, Value};

use super::json::{self, described, member};
use super::{fault, pretty};
use crate::core::tenant::TenantId;
use crate::policies::document::Fault;

const ROOT: &[&str] = &["properties"];
const PROPERTIES: &[&str] = &[
    "tenantId",
    "isDisabled",
    "allowedTenants",
    "connectionsWithoutClientTenant",
    "reportOnly",
];
const ENTRY: &[&str] = &[
    "tenantId",
    "direction",
    "tenantName",
    "tenantDisplayName",
    "tenantDomain",
    "note",
    "expiresOn",
];
const DIRECTION: &[&str] = &["inbound", "outbound"];

/// Whether it looks like a policy in PowerShell's words.
pub(super) fn is_policy(value: &Value) -> bool {
    match value {
        Value::Object(object) => {
            ["properties", "isDisabled", "allowedTenants", "StatusCode"]
                .iter()
                .any(|name| member(object, name).is_some())
                || list(value).is_some_and(|list| list.iter().any(is_policy))
        }
        Value::Array(list) => list.iter().any(is_policy),
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => false,
    }
}

pub(super) fn read(
    text: &str,
    tenant: TenantId,
    remarks: &mut Vec<String>,
) -> Result<String, Vec<Fault>> {
    let value = json::parse(text).map_err(|fault| vec![fault])?;
    let mut reader = Reader {
        faults: Vec::new(),
        remarks,
        tenant,
    };
    let document = reader.root(value);
    match document {
        Some(document) if reader.faults.is_empty() => Ok(pretty(&document)),
        _ => Err(reader.faults),
    }
}

struct Reader<'r> {
    faults: Vec<Fault>,
    remarks: &'r mut Vec<String>,
    tenant: TenantId,
}

impl Reader<'_> {
    fn root(&mut self, value: Value) -> Option<Value> {
        let value = match list(&value) {
            None => value,
            Some([one]) => one.clone(),
            Some(several) => {
                let found = format!("{} policies", several.len());
                return self.refuse("", &found, "one policy");
            }
        };
        let Value::Object(root) = value else {
            return self.refuse("", &described(&value), "a policy");
        };
        if member(&root, "properties").is_none() {
            if member(&root, "StatusCode").is_some() || member(&root, "Error").is_some() {
                return self.refuse("", "an error that PowerShell was answered", "a policy");
            }
            let properties = self.properties(Value::Object(root))?;
            return Some(Value::Object(Map::from_iter([(
                "properties".to_owned(),
                properties,
            )])));
        }
        let mut root = self.renamed("", root, ROOT);
        let properties = root.remove("properties")?;
        let properties = self.properties(properties)?;
        root.insert("properties".to_owned(), properties);
        Some(Value::Object(root))
    }

    fn properties(&mut self, value: Value) -> Option<Value> {
        const KEY: &str = "properties";
        let object = self.object(KEY, value)?;
        let mut properties = self.renamed(KEY, object, PROPERTIES);
        let is_null = |name: &str| properties.get(name).is_none_or(Value::is_null);
        if is_null("isDisabled") {
            let remark = "properties.isDisabled is not there: isolation is taken for On";
            self.remarks.push(remark.to_owned());
            properties.insert("isDisabled".to_owned(), Value::Bool(false));
        }
        if properties.get("tenantId").is_none_or(Value::is_null) {
            let remark = format!(
                "properties.tenantId is not there: taken for {}",
                self.tenant
            );
            self.remarks.push(remark);
            properties.insert("tenantId".to_owned(), self.tenant.to_string().into());
        }
        let entries = properties.remove("allowedTenants").unwrap_or_default();
        let entries = self.entries(entries)?;
        properties.insert("allowedTenants".to_owned(), entries);
        Some(Value::Object(properties))
    }

    fn entries(&mut self, value: Value) -> Option<Value> {
        const KEY: &str = "properties.allowedTenants";
        let entries = match list(&value) {
            Some(list) => list.to_vec(),
            None => match value {
                Value::Null => Vec::new(),
                Value::Object(_) => vec![value],
                Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                    return self.cut_off(KEY, &value, "a list");
                }
            },
        };
        let read = |(index, entry)| self.entry(&format!("{KEY}[{index}]"), entry);
        // Faulty entries drop out of the list; their faults refuse the document.
        Some(entries.into_iter().enumerate().filter_map(read).collect())
    }

    fn entry(&mut self, key: &str, value: Value) -> Option<Value> {
        let object = self.object(key, value)?;
        let mut entry = self.renamed(key, object, ENTRY);
        let key = format!("{key}.direction");
        let Some(direction) = entry.remove("direction") else {
            return self.refuse(&key, "nothing", "an object");
        };
        let direction = self.object(&key, direction)?;
        let direction = self.renamed(&key, direction, DIRECTION);
        entry.insert("direction".to_owned(), Value::Object(direction));
        Some(Value::Object(entry))
    }

    /// The members under the document's names; others keep theirs.
    fn renamed(
        &mut self,
        key: &str,
        object: Map<String, Value>,
        names: &[&str],
    ) -> Map<String, Value> {
        let mut renamed = Map::new();
        for (name, value) in object {
            let known = names.iter().find(|known| known.eq_ignore_ascii_case(&name));
            if known.is_none() && is_cut_off(&value) {
                let path = format!("{key}.{name}");
                self.cut_off::<()>(path.trim_start_matches('.'), &value, "the value itself");
            }
            renamed.insert(known.map_or(name, |known| (*known).to_owned()), value);
        }
        renamed
    }

    fn object(&mut self, key: &str, value: Value) -> Option<Map<String, Value>> {
        if let Value::Object(object) = value {
            return Some(object);
        }
        self.cut_off(key, &value, "an object")
    }

    fn cut_off<T>(&mut self, key: &str, value: &Value, expected: &str) -> Option<T> {
        let expected = if is_cut_off(value) || value == "" {
            "the value itself; ConvertTo-Json cut it off, `-Depth 10` keeps it"
        } else {
            expected
        };
        self.refuse(key, &described(value), expected)
    }

    fn refuse<T>(&mut self, key: &str, found: &str, expected: &str) -> Option<T> {
        self.faults.push(fault(key, found, expected));
        None
    }
}

/// The elements of a list, also of one as Windows PowerShell wraps it.
fn list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(list) => Some(list),
        Value::Object(object) if object.len() == 2 => {
            let list = member(object, "value")?.as_array()?;
            let count = member(object, "Count")?.as_u64()?;
            (u64::try_from(list.len()).ok() == Some(count)).then_some(list)
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::Object(_) | Value::String(_) => {
            None
        }
    }
}

/// Whether it is what `ConvertTo-Json` leaves of a value that lies too deep.
fn is_cut_off(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.starts_with("@{") || text.starts_with("System."))
}
