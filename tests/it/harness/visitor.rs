//! A browser without scripts: it reads pages, follows redirections, keeps cookies and sends forms.

use std::collections::BTreeMap;
use std::time::Duration;

use html5gum::{HtmlString, StartTag, Token, Tokenizer};
use hyper::{HeaderMap, Method};

use super::PATIENCE;
use super::client::{Answer, Client};

pub struct Visitor {
    client: Client,
    pub cookies: BTreeMap<String, String>,
}

/// A page, with its elements in the order of their start tags.
#[derive(Debug)]
pub struct Page {
    pub path: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub elements: Vec<Element>,
}

#[derive(Debug)]
pub struct Element {
    pub name: String,
    pub attributes: BTreeMap<String, String>,
    /// The text after the start tag, up to the next tag.
    pub text: String,
}

impl Visitor {
    pub fn new(client: &Client) -> Self {
        Visitor { client: client.clone(), cookies: BTreeMap::new() }
    }

    /// Another window of the same browser.
    pub fn of(client: &Client, cookies: &BTreeMap<String, String>) -> Self {
        Visitor { client: client.clone(), cookies: cookies.clone() }
    }

    /// Returns the value of the header with all cookies.
    pub fn cookie_line(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// Opens a page, and waits for it while the shop is busy.
    pub async fn open(&mut self, path: &str) -> Page {
        self.send(Method::GET, path, "").await
    }

    /// Sends a form with these fields in place of or besides those that it has.
    pub async fn submit(&mut self, page: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
        let body = page.form(action, fields);
        self.send(Method::POST, action, &body).await
    }

    async fn send(&mut self, method: Method, path: &str, body: &str) -> Page {
        let (mut method, mut path, mut body) = (method, path.to_owned(), body.to_owned());
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let answer = self.send_once(method.clone(), &path, &body).await;
            match answer.status.as_u16() {
                303 => {
                    path = answer.header("location").expect("a place").to_owned();
                    (method, body) = (Method::GET, String::new());
                }
                503 if tokio::time::Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(50)).await,
                status => return Page::read(&path, status, answer),
            }
        }
    }

    /// Sends one request as a browser does, and keeps the cookies of the answer.
    pub async fn send_once(&mut self, method: Method, path: &str, body: &str) -> Answer {
        let mut request = self.client.request(method.clone(), path).header("accept", "text/html,*/*;q=0.8");
        if !self.cookies.is_empty() {
            request = request.header("cookie", self.cookie_line());
        }
        if method == Method::POST {
            let form = "application/x-www-form-urlencoded";
            request = request.header("content-type", form).header("origin", self.client.base());
        }
        let answer = self.client.send(request, body).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().expect("a cookie is text");
            assert!(cookie.contains("; HttpOnly; SameSite="), "{cookie}");
            let (name, value) = cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("a pair");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }
}

impl Page {
    fn read(path: &str, status: u16, answer: Answer) -> Self {
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}: {answer:?}");
        let mut elements: Vec<Element> = Vec::new();
        for Ok(token) in Tokenizer::new(&answer.body[..]) {
            match token {
                Token::StartTag(tag) => elements.push(Element::new(tag)),
                Token::String(part) => {
                    if let Some(last) = elements.last_mut() {
                        last.text.push_str(&text(&part.value));
                    }
                }
                Token::Error(error) => panic!("{path} is no HTML: {error:?}"),
                Token::EndTag(_) | Token::Comment(_) | Token::Doctype(_) => {}
            }
        }
        Page { path: path.to_owned(), status, headers: answer.headers, elements }
    }

    /// Returns the elements of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.elements.iter().filter(move |element| element.name == name)
    }

    /// Returns the text of the first element of this name.
    pub fn text_of(&self, name: &str) -> &str {
        let found = self.elements.iter().find(|element| element.name == name);
        found.map_or("", |element| element.text.trim())
    }

    /// Returns all text.
    pub fn text(&self) -> String {
        self.elements.iter().map(|element| element.text.trim()).collect::<Vec<_>>().join(" ")
    }

    /// Returns true if the page has a form with this target.
    pub fn has_form(&self, action: &str) -> bool {
        self.all("form").any(|form| form.get("action") == action)
    }

    fn form(&self, action: &str, fields: &[(&str, &str)]) -> String {
        let start = self.elements.iter().position(|element| element.name == "form" && element.get("action") == action);
        let start = start.unwrap_or_else(|| panic!("{} has no form for {action}", self.path));
        let end = self.elements[start + 1..].iter().position(|element| element.name == "form");
        let end = end.map_or(self.elements.len(), |length| start + 1 + length);
        let hidden = self.elements[start..end].iter().filter(|element| element.get("type") == "hidden");
        let mut form = form_urlencoded::Serializer::new(String::new());
        hidden.for_each(|field| _ = form.append_pair(field.get("name"), field.get("value")));
        form.extend_pairs(fields).finish()
    }
}

impl Element {
    fn new(tag: StartTag<()>) -> Self {
        let attributes = tag.attributes.iter().map(|(name, value)| (text(name), text(&value.value))).collect();
        Element { name: text(&tag.name), attributes, text: String::new() }
    }

    /// Returns an attribute; empty if it is missing.
    pub fn get(&self, attribute: &str) -> &str {
        self.attributes.get(attribute).map_or("", String::as_str)
    }
}

fn text(bytes: &HtmlString) -> String {
    String::from_utf8(bytes.0.clone()).expect("a page is UTF-8")
}
