//! The document, as a strict reader understands it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// One possible answer of an operation: method, path, status, and the code of a problem or nothing.
pub type Case = (String, String, u16, String);

pub struct Document(pub Value);

impl Document {
    /// Returns every method of every path.
    pub fn operations(&self) -> Vec<(String, String)> {
        let paths = self.0["paths"].as_object().expect("there are paths");
        let methods = |item: &Value| item.as_object().expect("a path has methods").keys().cloned().collect::<Vec<_>>();
        let operations =
            paths.iter().flat_map(|(path, item)| methods(item).into_iter().map(move |m| (m, path.clone())));
        operations.map(|(method, path)| (method.to_uppercase(), path)).collect()
    }

    pub fn operation(&self, method: &str, pattern: &str) -> &Value {
        &self.0["paths"][pattern][method.to_lowercase()]
    }

    /// Returns the pattern of a path: the matching one with the fewest variable parts.
    pub fn pattern_of(&self, path: &str) -> Option<&str> {
        let parts: Vec<&str> = path.split('/').collect();
        let is_of = |pattern: &str| {
            let pattern: Vec<&str> = pattern.split('/').collect();
            pattern.len() == parts.len() && pattern.iter().zip(&parts).all(|(a, b)| a.starts_with('{') || a == b)
        };
        let patterns = self.0["paths"].as_object()?.keys().map(String::as_str);
        patterns.filter(|pattern| is_of(pattern)).min_by_key(|pattern| pattern.matches('{').count())
    }

    /// Returns the response of this status, if it is documented.
    pub fn response(&self, method: &str, pattern: &str, status: u16) -> Option<&Value> {
        self.operation(method, pattern)["responses"].get(status.to_string()).map(|response| self.resolved(response))
    }

    /// Returns every documented answer.
    pub fn cases(&self) -> BTreeSet<Case> {
        let mut cases = BTreeSet::new();
        for (method, pattern) in self.operations() {
            for (status, response) in self.operation(&method, &pattern)["responses"].as_object().expect("responses") {
                let status: u16 = status.parse().expect("a status is a number");
                let content = self.resolved(response)["content"].as_object().cloned().unwrap_or_default();
                let mut codes = BTreeSet::new();
                if content.is_empty() {
                    codes.insert(String::new());
                }
                for (media_type, content) in &content {
                    match media_type.as_str() {
                        "application/problem+json" => codes.extend(codes_of(&content["schema"])),
                        _ => drop(codes.insert(String::new())),
                    }
                }
                cases.extend(codes.into_iter().map(|code| (method.clone(), pattern.clone(), status, code)));
            }
        }
        cases
    }

    /// Returns the names of the parameters in the query and in headers.
    pub fn parameters(&self, method: &str, pattern: &str) -> BTreeSet<String> {
        let listed = self.operation(method, pattern)["parameters"].as_array().into_iter().flatten();
        let listed = listed.map(|parameter| self.resolved(parameter)).filter(|parameter| parameter["in"] != "path");
        listed.map(|parameter| parameter["name"].as_str().expect("a name").to_lowercase()).collect()
    }

    /// Returns the query that Swagger UI fills in: parameters with an example or a default, also in their schema.
    pub fn prefilled_query(&self, method: &str, pattern: &str) -> String {
        let listed = self.operation(method, pattern)["parameters"].as_array().into_iter().flatten();
        let listed = listed.map(|parameter| self.resolved(parameter)).filter(|parameter| parameter["in"] == "query");
        let is_prefilled = |value: &Value| {
            let value = self.resolved(value);
            ["example", "examples", "default"].iter().any(|field| value.get(field).is_some())
        };
        let prefilled = listed.filter(|parameter| is_prefilled(parameter) || is_prefilled(&parameter["schema"]));
        prefilled.map(|parameter| parameter["name"].as_str().expect("a name")).collect::<Vec<_>>().join("&")
    }

    /// Follows a reference.
    pub fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => {
                let place = reference.strip_prefix('#').expect("nothing refers to elsewhere");
                self.0.pointer(place).unwrap_or_else(|| panic!("{reference} leads nowhere"))
            }
            None => value,
        }
    }

    /// Fails unless the instance matches the schema and has no other fields.
    #[track_caller]
    pub fn check(&self, schema: &Value, instance: &Value, what: &str) {
        let closed = self.closed(schema, false);
        let validator = jsonschema::options().should_validate_formats(true).build(&closed).expect("a schema is right");
        let errors: Vec<String> =
            validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{what} is not as documented: {errors:#?}\n{instance:#}");
    }

    /// Returns the schema with references resolved and other fields forbidden.
    fn closed(&self, schema: &Value, is_part: bool) -> Value {
        let Some(members) = self.resolved(schema).as_object() else { return schema.clone() };
        let mut closed = Map::new();
        for (name, member) in members {
            let member = match (name.as_str(), member) {
                ("properties", Value::Object(properties)) => {
                    properties.iter().map(|(name, schema)| (name.clone(), self.closed(schema, false))).collect()
                }
                ("allOf", Value::Array(parts)) => parts.iter().map(|part| self.closed(part, true)).collect(),
                ("oneOf" | "anyOf", Value::Array(parts)) => parts.iter().map(|part| self.closed(part, false)).collect(),
                ("items", schema) => self.closed(schema, false),
                (_, member) => member.clone(),
            };
            closed.insert(name.clone(), member);
        }
        let names_fields = closed.contains_key("properties") || closed.contains_key("allOf");
        if names_fields && !is_part && !closed.contains_key("additionalProperties") {
            closed.insert("unevaluatedProperties".into(), json!(false));
        }
        Value::Object(closed)
    }

    /// Returns the fields that a schema names: all of them, or those that the instance has.
    pub fn fields(&self, schema: &Value, instance: Option<&Value>) -> BTreeSet<String> {
        let mut fields = BTreeSet::new();
        self.add_fields(schema, instance, "", &mut fields);
        fields
    }

    fn add_fields(&self, schema: &Value, instance: Option<&Value>, owner: &str, fields: &mut BTreeSet<String>) {
        let named = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
        let (schema, owner) = (self.resolved(schema), named.unwrap_or(owner));
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let field = format!("{owner}.{name}");
            match instance.map(|instance| instance.get(name)) {
                Some(None) => continue,
                Some(value) => self.add_fields(schema, value, &field, fields),
                None => self.add_fields(schema, None, &field, fields),
            }
            fields.insert(field);
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.add_fields(part, instance, owner, fields);
        }
        match (schema.get("items"), instance.and_then(Value::as_array)) {
            (Some(items), Some(instances)) => {
                instances.iter().for_each(|instance| self.add_fields(items, Some(instance), owner, fields));
            }
            (Some(items), None) if instance.is_none() => self.add_fields(items, None, owner, fields),
            _ => {}
        }
    }

    /// Returns every example of a body: its place, its schema, and the example itself.
    pub fn examples(&self) -> Vec<(String, &Value, &Value)> {
        let mut examples = Vec::new();
        for (method, pattern) in self.operations() {
            let operation = self.operation(&method, &pattern);
            let answers = operation["responses"].as_object().expect("responses").iter();
            let answers = answers.map(|(status, response)| (status.as_str(), self.resolved(response)));
            for (part, body) in answers.chain([("request", &operation["requestBody"])]) {
                for content in body["content"].as_object().into_iter().flat_map(Map::values) {
                    let several = content["examples"].as_object().into_iter().flat_map(Map::values);
                    let all = content.get("example").into_iter().chain(several.map(|example| &example["value"]));
                    examples
                        .extend(all.map(|example| (format!("{method} {pattern} {part}"), &content["schema"], example)));
                }
            }
        }
        examples
    }
}

/// Returns the codes that the schema of a problem allows.
fn codes_of(schema: &Value) -> Vec<String> {
    let parts = schema["allOf"].as_array().expect("a problem has a part that names its codes");
    let words = parts.iter().find_map(|part| part["properties"]["code"]["enum"].as_array()).expect("codes are listed");
    words.iter().map(|word| word.as_str().expect("a code is a word").to_owned()).collect()
}
