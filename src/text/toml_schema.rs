//! A TOML file against the JSON Schema of what it should be: every key that does not exist and every value of a wrong
//! type, each with line and column.
//!
//! serde would stop at the first of them. What a schema cannot say, such as a value out of range, is left to whoever
//! takes the values.

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::escape::quoted;
use super::toml::TomlFaults;

/// Compares a table with a schema as `schemars` writes it.
pub(crate) fn vet(table: &DeTable<'_>, schema: &Value, faults: &mut TomlFaults<'_>) {
    let none = Map::new();
    let definitions = schema.get("$defs").and_then(Value::as_object).unwrap_or(&none);
    Vetting { definitions }.table(table, schema, "the file", faults);
}

struct Vetting<'s> {
    definitions: &'s Map<String, Value>,
}

impl<'s> Vetting<'s> {
    /// The schema that a reference leads to, of a value that is not null.
    fn resolve(&self, mut schema: &'s Value) -> &'s Value {
        loop {
            let named = schema.get("$ref").and_then(Value::as_str);
            if let Some(there) = named.and_then(|name| self.definitions.get(name.rsplit('/').next()?)) {
                schema = there;
                continue;
            }
            let of = ["anyOf", "allOf"].iter().find_map(|key| schema.get(key)?.as_array());
            let real: Vec<&Value> =
                of.into_iter().flatten().filter(|one| one.get("type") != Some(&"null".into())).collect();
            match real.as_slice() {
                [one] => schema = one,
                _ => return schema,
            }
        }
    }

    fn table(&self, table: &DeTable<'_>, schema: &'s Value, what: &str, faults: &mut TomlFaults<'_>) {
        let schema = self.resolve(schema);
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            match properties.get(name) {
                Some(schema) => self.value(key, value, schema, faults),
                None if is_closed => {
                    let known: Vec<&str> = properties.keys().map(String::as_str).collect();
                    faults.unknown_key(key, what, &known);
                }
                None => {}
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for name in required.filter(|name| !table.iter().any(|(key, _)| key.get_ref().as_ref() == *name)) {
            let at = table.iter().map(|(key, _)| key.span().start).min().unwrap_or(0);
            faults.fault(at, format!("{what} lacks the key {}", quoted(name)));
        }
    }

    fn value(
        &self,
        key: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'_>>,
        schema: &'s Value,
        faults: &mut TomlFaults<'_>,
    ) {
        let name = key.get_ref().as_ref();
        let schema = self.resolve(schema);
        if let DeValue::Table(table) = value.get_ref()
            && schema.get("properties").is_some()
        {
            return self.table(table, schema, &format!("[{name}]"), faults);
        }
        if let Some(names) = self.names(schema) {
            let given = value.get_ref().as_str();
            if !given.is_some_and(|given| names.contains(&given)) {
                let listed = names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
                faults.fault(value.span().start, format!("{name} must be one of {listed}"));
            }
            return;
        }
        let types = self.types(schema);
        if !types.is_empty() && !types.iter().any(|wanted| is_of_type(value.get_ref(), wanted)) {
            let wanted: Vec<&str> = types.iter().filter(|t| **t != "null").map(|wanted| in_words(wanted)).collect();
            faults.fault(value.span().start, format!("{name} must be {}", wanted.join(" or ")));
            return;
        }
        if let (DeValue::Array(items), Some(schema)) = (value.get_ref(), schema.get("items")) {
            items.iter().for_each(|item| self.value(key, item, schema, faults));
        }
    }

    /// The names of an enumeration; None if it is something else, or is that only among other things.
    fn names(&self, schema: &'s Value) -> Option<Vec<&'s str>> {
        let listed = |schema: &'s Value| match (schema.get("const"), schema.get("enum")) {
            (Some(name), _) => Some(vec![name.as_str()?]),
            (None, Some(names)) => {
                names.as_array()?.iter().filter(|name| !name.is_null()).map(Value::as_str).collect::<Option<Vec<_>>>()
            }
            (None, None) => None,
        };
        match schema.get("oneOf").and_then(Value::as_array) {
            Some(variants) => variants.iter().map(listed).collect::<Option<Vec<_>>>().map(|names| names.concat()),
            None => listed(schema),
        }
    }

    /// The types that a value may have; empty if any will do.
    fn types(&self, schema: &'s Value) -> Vec<&'s str> {
        match schema.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => {
                let of = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(key)?.as_array());
                let types: Vec<Vec<&str>> = of.into_iter().flatten().map(|one| self.types(self.resolve(one))).collect();
                // One that takes anything makes the others moot.
                if types.iter().any(Vec::is_empty) { Vec::new() } else { types.concat() }
            }
        }
    }
}

fn is_of_type(value: &DeValue<'_>, wanted: &str) -> bool {
    match (value, wanted) {
        (DeValue::String(_) | DeValue::Datetime(_), "string")
        | (DeValue::Integer(_), "integer" | "number")
        | (DeValue::Float(_), "number")
        | (DeValue::Boolean(_), "boolean")
        | (DeValue::Array(_), "array")
        | (DeValue::Table(_), "object") => true,
        (DeValue::Float(_), "integer") => false,
        _ => false,
    }
}

fn in_words(wanted: &str) -> &str {
    match wanted {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a table",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use schemars::JsonSchema;

    use super::*;
    use crate::text::TomlText;

    #[derive(JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only its schema is used")]
    struct Sample {
        name: String,
        count: Option<u32>,
        share: Option<f64>,
        paths: Vec<String>,
        mode: Option<Mode>,
        inner: Option<Inner>,
    }

    #[derive(JsonSchema)]
    #[serde(rename_all = "snake_case")]
    #[allow(dead_code, reason = "only its schema is used")]
    enum Mode {
        /// Slowly.
        Slow,
        /// Quickly.
        Fast,
    }

    #[derive(JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only its schema is used")]
    struct Inner {
        deep: bool,
    }

    fn faults(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("job.toml");
        std::fs::write(&path, text).unwrap();
        let read = TomlText::read(Path::new(&path)).unwrap();
        let mut faults = TomlFaults::new(&read);
        let table = faults.table().unwrap();
        vet(&table, &schemars::schema_for!(Sample).to_value(), &mut faults);
        match faults.finish(()) {
            Ok(()) => String::new(),
            Err(e) => e.to_string().replace(&path.display().to_string(), "job.toml"),
        }
    }

    #[test]
    fn every_fault_is_told_at_once() {
        assert_eq!(
            faults("name = \"a\"\ncount = 3\nshare = 1\npaths = [\"x\"]\nmode = \"fast\"\n[inner]\ndeep = true"),
            ""
        );
        let text = "nmae = \"a\"\ncount = \"3\"\npaths = [1, \"x\"]\nmode = \"fastt\"\n[inner]\ndep = true\ndeep = 1\n";
        assert_eq!(
            faults(text),
            "job.toml:1:1: the file has no key \"nmae\"; did you mean \"name\"?\n\
             job.toml:1:1: the file lacks the key \"name\"\n\
             job.toml:2:9: count must be a whole number\n\
             job.toml:3:10: paths must be text\n\
             job.toml:4:8: mode must be one of \"slow\", \"fast\"\n\
             job.toml:6:1: [inner] has no key \"dep\"; did you mean \"deep\"?\n\
             job.toml:7:8: deep must be true or false"
        );
    }
}
