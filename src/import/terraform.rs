//! A Terraform state with `powerplatform_tenant_isolation_policy`: the file (version 4), or what
//! `terraform show -json` prints of it.
//!
//! Invariant: of several policies in one state only the asked tenant's is read; the others, and
//! whatever else stands beside an attribute that is known, are told as remarks.

use serde_json::{Map, Value};

use super::json::{self, described};
use super::{WrittenEntry, fault, written};
use crate::core::tenant::TenantId;
use crate::policies::document::Fault;

const TYPE: &str = "powerplatform_tenant_isolation_policy";

/// Attributes that are read, and one that is about Terraform itself.
const ATTRIBUTES: &[&str] = &["id", "is_disabled", "allowed_tenants", "timeouts"];

const ENTRY: &[&str] = &["tenant_id", "inbound", "outbound"];

/// Whether it looks like a state.
pub(super) fn is_state(value: &Value) -> bool {
    ["terraform_version", "format_version", "lineage"]
        .iter()
        .any(|name| value.get(name).is_some())
}

pub(super) fn read(
    text: &str,
    tenant: TenantId,
    remarks: &mut Vec<String>,
) -> Result<String, Vec<Fault>> {
    let state = json::parse(text).map_err(|fault| vec![fault])?;
    let instances = instances(&state, remarks).map_err(|fault| vec![fault])?;
    let is_asked = |found: &&Instance<'_>| {
        let id = found.attributes.get("id").and_then(Value::as_str);
        id.and_then(|id| TenantId::parse(id).ok()) == Some(tenant)
    };
    let asked: Vec<_> = instances.iter().filter(is_asked).collect();
    let instance = match asked.as_slice() {
        [one] => *one,
        several => return Err(vec![not_one(several.len(), &instances, tenant)]),
    };
    let others = instances.iter().filter(|found| !is_asked(found));
    remarks.extend(others.map(|found| {
        let id = found
            .attributes
            .get("id")
            .map_or_else(String::new, described);
        format!("{}: another tenant's policy, not read: {id}", found.address)
    }));
    Reader::default().instance(instance, tenant, remarks)
}

fn not_one(number: usize, instances: &[Instance<'_>], tenant: TenantId) -> Fault {
    let ids = instances.iter().map(|found| {
        let id = found.attributes.get("id");
        id.map_or_else(|| "no id".to_owned(), described)
    });
    let found = match (number, instances) {
        (0, []) => format!("no {TYPE}"),
        (0, _) => format!(
            "policies of other tenants: {}",
            ids.collect::<Vec<_>>().join(", ")
        ),
        _ => format!("{number} policies of {tenant}"),
    };
    fault(
        "resources",
        &found,
        &format!("one {TYPE} with the id {tenant}"),
    )
}

/// One policy in a state.
struct Instance<'v> {
    address: String,
    attributes: &'v Map<String, Value>,
}

fn instances<'v>(state: &'v Value, remarks: &mut Vec<String>) -> Result<Vec<Instance<'v>>, Fault> {
    if state.get("format_version").is_some() {
        let root = state.pointer("/values/root_module");
        let mut found = Vec::new();
        // A state without anything in it has no values.
        root.map_or(Ok(()), |root| shown(root, &mut found))?;
        return Ok(found);
    }
    match state.get("version") {
        Some(version) if version.as_u64() == Some(4) => {}
        other => {
            let found = other.map_or_else(|| "nothing".to_owned(), described);
            return Err(fault(
                "version",
                &found,
                "4, as Terraform 0.12 and later write it",
            ));
        }
    }
    let resources = array(state.get("resources"), "resources")?;
    let mut found = Vec::new();
    for (index, resource) in resources.iter().enumerate().filter(|(_, r)| is_policy(r)) {
        let key = format!("resources[{index}].instances");
        let text = |name: &str| {
            resource
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let address = match text("module") {
            "" => format!("{TYPE}.{}", text("name")),
            module => format!("{module}.{TYPE}.{}", text("name")),
        };
        for (number, instance) in array(resource.get("instances"), &key)?.iter().enumerate() {
            if instance.get("deposed").is_some() {
                remarks.push(format!("{address}: a deposed instance, not read"));
                continue;
            }
            if let Some(status) = instance.get("status").and_then(Value::as_str) {
                remarks.push(format!("{address}: Terraform marks it {status}"));
            }
            let key = format!("{key}[{number}].attributes");
            let attributes = object(instance.get("attributes"), &key)?;
            let address = address.clone();
            found.push(Instance {
                address,
                attributes,
            });
        }
    }
    Ok(found)
}

/// The policies of a module, and of the modules in it.
fn shown<'v>(module: &'v Value, found: &mut Vec<Instance<'v>>) -> Result<(), Fault> {
    let some = |name: &str| {
        module
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    for resource in some("resources").filter(|resource| is_policy(resource)) {
        let address = resource.get("address").and_then(Value::as_str);
        let address = address.unwrap_or(TYPE).to_owned();
        let attributes = object(resource.get("values"), &format!("{address}.values"))?;
        found.push(Instance {
            address,
            attributes,
        });
    }
    some("child_modules").try_for_each(|module| shown(module, found))
}

fn is_policy(resource: &Value) -> bool {
    let is = |name: &str, word: &str| resource.get(name).and_then(Value::as_str) == Some(word);
    is("type", TYPE) && is("mode", "managed")
}

#[derive(Default)]
struct Reader {
    faults: Vec<Fault>,
}

impl Reader {
    fn instance(
        mut self,
        instance: &Instance<'_>,
        tenant: TenantId,
        remarks: &mut Vec<String>,
    ) -> Result<String, Vec<Fault>> {
        let Instance {
            address,
            attributes,
        } = instance;
        remarks.extend(unknown(attributes, ATTRIBUTES, address));
        let is_disabled = self.boolean(attributes, "is_disabled", address);
        let key = format!("{address}.allowed_tenants");
        let list = match attributes.get("allowed_tenants") {
            // Terraform keeps an empty set so.
            Some(Value::Null) => Ok(&[][..]),
            list => array(list, &key),
        };
        let list = list
            .map_err(|fault| self.faults.push(fault))
            .unwrap_or_default();
        let mut entries = Vec::new();
        for (index, entry) in list.iter().enumerate() {
            let key = format!("{key}[{index}]");
            match object(Some(entry), &key) {
                Err(fault) => self.faults.push(fault),
                Ok(entry) => {
                    remarks.extend(unknown(entry, ENTRY, &key));
                    entries.extend(self.entry(entry, &key));
                }
            }
        }
        match is_disabled {
            Some(is_disabled) if self.faults.is_empty() => {
                Ok(written(tenant, is_disabled, entries))
            }
            _ => Err(self.faults),
        }
    }

    fn entry(&mut self, entry: &Map<String, Value>, key: &str) -> Option<WrittenEntry> {
        let inbound = self.boolean(entry, "inbound", key);
        let outbound = self.boolean(entry, "outbound", key);
        let id = match entry.get("tenant_id") {
            Some(Value::String(id)) => Some(id.clone()),
            other => {
                let found = other.map_or_else(|| "nothing".to_owned(), described);
                let key = format!("{key}.tenant_id");
                self.faults.push(fault(&key, &found, "a tenant id or `*`"));
                None
            }
        };
        Some(WrittenEntry::new(id?, inbound?, outbound?))
    }

    fn boolean(&mut self, object: &Map<String, Value>, name: &str, key: &str) -> Option<bool> {
        let value = object.get(name);
        let boolean = value.and_then(Value::as_bool);
        if boolean.is_none() {
            let found = value.map_or_else(|| "nothing".to_owned(), described);
            let key = format!("{key}.{name}");
            self.faults.push(fault(&key, &found, "true or false"));
        }
        boolean
    }
}

/// Attributes that nobody here knows and that say something.
fn unknown<'v>(
    object: &'v Map<String, Value>,
    known: &'v [&str],
    key: &str,
) -> impl Iterator<Item = String> + use<'v> {
    let key = key.to_owned();
    object
        .iter()
        .filter(|(name, value)| !known.contains(&name.as_str()) && !value.is_null())
        .map(move |(name, value)| {
            format!(
                "{key}.{name}: not known here, not read: {}",
                described(value)
            )
        })
}

fn array<'v>(value: Option<&'v Value>, key: &str) -> Result<&'v [Value], Fault> {
    match value {
        Some(Value::Array(list)) => Ok(list),
        other => {
            let found = other.map_or_else(|| "nothing".to_owned(), described);
            Err(fault(key, &found, "a list"))
        }
    }
}

fn object<'v>(value: Option<&'v Value>, key: &str) -> Result<&'v Map<String, Value>, Fault> {
    match value {
        Some(Value::Object(object)) => Ok(object),
        other => {
            let found = other.map_or_else(|| "nothing".to_owned(), described);
            Err(fault(key, &found, "an object"))
        }
    }
}
