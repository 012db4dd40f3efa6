//! The JSON report of a configuration: a list of resources, each an object.

use serde_json::{Map, Value};

use super::{RESOURCE, Written};
use crate::import::json::{self, member};
use crate::policies::document::Fault;

/// Whether it looks like a report with the resource in it.
pub(in crate::import) fn is_report(value: &Value) -> bool {
    objects(value).any(is_resource)
}

/// The resources of a report, each with its properties.
pub(super) fn resources(text: &str) -> Result<Vec<Vec<(String, Written)>>, Fault> {
    let value = json::parse(text)?;
    let found = objects(&value).filter(|object| is_resource(object));
    Ok(found.map(properties).collect())
}

fn objects(value: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    let one = value.as_object();
    let list = value.as_array().into_iter().flatten();
    list.filter_map(Value::as_object).chain(one)
}

fn is_resource(object: &Map<String, Value>) -> bool {
    member(object, "ResourceName")
        .and_then(Value::as_str)
        .is_some_and(|name| name.eq_ignore_ascii_case(RESOURCE))
}

fn properties(object: &Map<String, Value>) -> Vec<(String, Written)> {
    let property = |(name, value): (&String, &Value)| (name.clone(), written(value));
    object.iter().map(property).collect()
}

fn written(value: &Value) -> Written {
    match value {
        Value::Array(list) => Written::List(list.iter().map(written).collect()),
        Value::Bool(boolean) => Written::Boolean(*boolean),
        Value::Null => Written::Null,
        Value::Number(number) => Written::Unknown(number.to_string()),
        Value::Object(object) => Written::Rule(properties(object)),
        Value::String(text) => Written::Text(text.clone()),
    }
}
