//! The OpenAPI document of each listener.

use std::collections::HashSet;

use serde_json::Value;

use super::super::platform::ProblemCode;
use super::super::{API, AdminToken, HttpSettings, Surface};
use super::client::Client;
use super::failing_stores::StoreFault;

async fn document(surface: Surface) -> Value {
    let settings = HttpSettings { admin_token: AdminToken::new("s3cret".into()), ..HttpSettings::default() };
    Client::on(StoreFault::Fenced, settings, surface).get("/openapi.json").await.json()
}

#[tokio::test]
async fn a_listener_describes_exactly_its_endpoints() {
    for surface in [Surface::Everything, Surface::Shopping, Surface::Operations] {
        let document = document(surface).await;
        let paths = document["paths"].as_object().unwrap();
        let methods = |item: &Value| item.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let described: HashSet<(String, String)> = paths
            .iter()
            .flat_map(|(path, item)| methods(item).into_iter().map(|method| (method.to_uppercase(), path.clone())))
            .collect();
        let offered = API.endpoints_on(surface, true).into_iter();
        let offered: HashSet<_> =
            offered.map(|endpoint| (endpoint.method.to_string(), endpoint.path.to_owned())).collect();
        assert_eq!(described, offered, "{surface:?}");
        assert!(paths.contains_key("/docs") && paths.contains_key("/openapi.json"));
    }
}

#[tokio::test]
async fn ids_of_operations_are_unique() {
    let document = document(Surface::Everything).await;
    let items = document["paths"].as_object().unwrap().values();
    let ids: Vec<&str> = items
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), API.endpoints.len());
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
}

#[tokio::test]
async fn every_tag_of_an_operation_is_listed() {
    let document = document(Surface::Everything).await;
    let listed: HashSet<&Value> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let items = document["paths"].as_object().unwrap().values();
    let used: HashSet<&Value> =
        items.flat_map(|item| item.as_object().unwrap().values()).map(|operation| &operation["tags"][0]).collect();
    assert_eq!(listed, used);
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    for surface in [Surface::Everything, Surface::Shopping, Surface::Operations] {
        let document = document(surface).await;
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 50);
        for reference in found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{surface:?}: {reference}");
        }
    }
}

#[tokio::test]
async fn a_sale_that_is_not_open_yet_is_documented_as_unavailable() {
    let document = document(Surface::Everything).await;
    for path in ["/sales/active", "/items/{id}"] {
        let responses = &document["paths"][path]["get"]["responses"];
        assert_eq!(responses["503"]["$ref"], "#/components/responses/unavailable", "{path}");
        assert_eq!(responses["404"].is_null(), path == "/sales/active");
    }
    assert!(document["components"]["responses"]["unavailable"]["headers"]["Retry-After"].is_object());
}

#[test]
fn the_wiki_lists_every_endpoint_and_every_problem() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/wiki/API.md")).unwrap();
    for endpoint in API.endpoints {
        let name = format!("`{} {}`", endpoint.method, endpoint.path);
        assert!(page.lines().any(|line| line.starts_with("| ") && line.contains(&name)), "no row for {name}");
    }
    for code in ProblemCode::ALL {
        let row = format!("| `{}` | {} |", code.word(), code.status().as_u16());
        assert!(page.contains(&row), "no row {row}");
    }
}
