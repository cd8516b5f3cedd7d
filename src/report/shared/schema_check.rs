//! Checks a value against the subset of JSON Schema 2020-12 that `schema/*.json` use: type, const, enum, minimum, required,
//! properties, items, `$ref` within the file. Any other keyword fails the test, so that none is ignored silently.

use serde_json::Value;

/// The violations of the schema, one line each, with their JSON pointers.
pub(crate) fn problems(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, schema, value, "", &mut found);
    found
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    for (keyword, expected) in schema.as_object().expect("a schema is an object") {
        match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" => {}
            "$ref" => {
                let pointer = expected.as_str().and_then(|text| text.strip_prefix('#')).expect("references stay in the file");
                check(root, root.pointer(pointer).expect("the reference exists"), value, at, found);
            }
            "type" if !types(expected).iter().any(|name| has_type(name, value)) => found.push(format!("{at}: not {expected}")),
            "const" if expected != value => found.push(format!("{at}: not {expected}")),
            "enum" if !expected.as_array().unwrap().contains(value) => found.push(format!("{at}: not one of {expected}")),
            "minimum" if value.as_f64().is_some_and(|number| number < expected.as_f64().unwrap()) => {
                found.push(format!("{at}: below {expected}"));
            }
            "required" if value.is_object() => {
                let missing = expected.as_array().unwrap().iter().filter(|key| value.get(key.as_str().unwrap()).is_none());
                found.extend(missing.map(|key| format!("{at}: {key} is missing")));
            }
            "properties" => {
                for (key, inner) in expected.as_object().unwrap() {
                    if let Some(part) = value.get(key) {
                        check(root, inner, part, &format!("{at}/{key}"), found);
                    }
                }
            }
            "items" => {
                for (index, part) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, expected, part, &format!("{at}/{index}"), found);
                }
            }
            "type" | "const" | "enum" | "minimum" | "required" => {}
            other => panic!("{other} is not checked"),
        }
    }
}

fn types(expected: &Value) -> Vec<&str> {
    match expected {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn has_type(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        other => panic!("no such type: {other}"),
    }
}
