//! What a browser needs of an HTML page to follow it: its kind, its forms, the elements that have an `id`, the policies
//! that it names. Tokenized as the HTML standard says (html5gum), without building a tree and without running scripts.

use html5gum::emitters::default::{DefaultEmitter, StartTag, Token};
use html5gum::{HtmlString, Tokenizer};
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use std::collections::BTreeMap;
use url::Url;

/// One answer, as the person before the browser has it.
#[derive(Clone, Debug)]
pub struct Page {
    pub url: Url,
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The answer's bytes, HTML or not.
    pub body: Vec<u8>,
    /// `<body data-page>`.
    pub kind: String,
    pub title: String,
    pub forms: Vec<Form>,
    /// Text of every element with an `id`.
    pub elements: BTreeMap<String, String>,
    /// `<li data-policy="ID">name</li>`: id and name.
    pub policies: Vec<(String, String)>,
    /// Text outside scripts and styles, white space collapsed.
    pub text: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    pub action: String,
    /// Lower case; `get` unless the form says otherwise.
    pub method: String,
    /// What would be submitted if nobody typed anything: name and value.
    pub fields: Vec<(String, String)>,
}

impl Form {
    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

impl Page {
    pub(crate) fn read(url: Url, status: StatusCode, headers: HeaderMap, body: Vec<u8>) -> Self {
        let is_html = headers
            .get(http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("text/html"));
        let reader = if is_html { Reader::over(&body) } else { Reader::default() };
        Self {
            url,
            status,
            headers,
            body,
            kind: reader.kind,
            title: collapse(&reader.title),
            forms: reader.forms,
            elements: reader.elements,
            policies: reader.policies,
            text: collapse(&reader.text),
        }
    }

    /// The first form whose action ends in `suffix` and that holds every one of `fields` (name and value).
    pub fn form(&self, suffix: &str, fields: &[(&str, &str)]) -> Option<&Form> {
        let path = |form: &Form| form.action.split(['?', '#']).next().unwrap_or_default().to_owned();
        self.forms
            .iter()
            .find(|form| path(form).ends_with(suffix) && fields.iter().all(|(name, value)| form.value(name) == Some(value)))
    }

    /// Text of the element with this `id`.
    pub fn element(&self, id: &str) -> Option<&str> {
        self.elements.get(id).map(String::as_str)
    }

    /// The JSON in `<script type="application/json" id=…>`.
    pub fn json_element(&self, id: &str) -> Option<Value> {
        serde_json::from_str(self.element(id)?).ok()
    }

    /// The body, when it is JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// A parameter of the address's query: of a redirect to a client, its `code` or `error`.
    pub fn query(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

#[derive(Default)]
struct Reader {
    kind: String,
    title: String,
    forms: Vec<Form>,
    elements: BTreeMap<String, String>,
    policies: Vec<(String, String)>,
    text: String,
    open: Vec<Capture>,
    in_form: bool,
    /// Depth of script, style, template.
    silent: u32,
}

/// An element whose text is wanted, until its end tag.
struct Capture {
    tag: String,
    depth: u32,
    wanted: Wanted,
    text: String,
}

enum Wanted {
    Id(String),
    Policy(String),
    Title,
}

impl Reader {
    fn over(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let mut emitter = DefaultEmitter::default();
        // Scripts and styles hold no markup: read them as the standard's script and raw-text states do.
        emitter.naively_switch_states(true);
        let mut reader = Self::default();
        for token in Tokenizer::new_with_emitter(text.as_ref(), emitter) {
            match token {
                Ok(Token::StartTag(tag)) => reader.start(&tag),
                Ok(Token::EndTag(tag)) => reader.end(&string(&tag.name)),
                Ok(Token::String(text)) => reader.characters(&string(&text)),
                Ok(Token::Comment(_) | Token::Doctype(_) | Token::Error(_)) => {}
                Err(never) => match never {},
            }
        }
        while let Some(capture) = reader.open.pop() {
            reader.finish(capture);
        }
        reader
    }

    fn start(&mut self, tag: &StartTag<()>) {
        let name = string(&tag.name);
        let attribute = |name: &str| tag.attributes.get(name.as_bytes()).map(|value| string(value));
        let is_void = matches!(
            name.as_str(),
            "area" | "base" | "br" | "col" | "embed" | "hr" | "img" | "input" | "link" | "meta" | "source" | "track" | "wbr"
        );
        if !is_void {
            self.open.iter_mut().filter(|capture| capture.tag == name).for_each(|capture| capture.depth += 1);
            let mut capture = |wanted| self.open.push(Capture { tag: name.clone(), depth: 1, wanted, text: String::new() });
            attribute("id").into_iter().for_each(|id| capture(Wanted::Id(id)));
            attribute("data-policy").into_iter().for_each(|id| capture(Wanted::Policy(id)));
            if name == "title" {
                capture(Wanted::Title);
            }
        }
        match name.as_str() {
            "body" => self.kind = attribute("data-page").unwrap_or_default(),
            "form" => {
                self.in_form = true;
                self.forms.push(Form {
                    action: attribute("action").unwrap_or_default(),
                    method: attribute("method").unwrap_or_else(|| "get".to_owned()).to_ascii_lowercase(),
                    fields: Vec::new(),
                });
            }
            "input" => self.input(attribute("type"), attribute("name"), attribute("value"), attribute("checked").is_some()),
            // A button counts only when pressed; a form with one named button is submitted by pressing it.
            "button" => self.input(Some("button".to_owned()), attribute("name"), attribute("value"), true),
            "script" | "style" | "template" => self.silent += 1,
            _ => {}
        }
    }

    fn input(&mut self, kind: Option<String>, name: Option<String>, value: Option<String>, checked: bool) {
        let (Some(name), true, Some(form)) = (name, self.in_form, self.forms.last_mut()) else { return };
        let counts = !matches!(kind.as_deref(), Some("checkbox" | "radio")) || checked;
        if counts && !name.is_empty() {
            form.fields.push((name, value.unwrap_or_default()));
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "form" => self.in_form = false,
            "script" | "style" | "template" => self.silent = self.silent.saturating_sub(1),
            _ => {}
        }
        self.open.iter_mut().filter(|capture| capture.tag == name).for_each(|capture| capture.depth -= 1);
        let (done, open) = std::mem::take(&mut self.open).into_iter().partition(|capture| capture.depth == 0);
        self.open = open;
        done.into_iter().for_each(|capture| self.finish(capture));
        self.text.push(' ');
    }

    fn characters(&mut self, text: &str) {
        self.open.iter_mut().for_each(|capture| capture.text.push_str(text));
        if self.silent == 0 {
            self.text.push_str(text);
        }
    }

    fn finish(&mut self, capture: Capture) {
        match capture.wanted {
            Wanted::Id(id) => {
                self.elements.insert(id, capture.text.trim().to_owned());
            }
            Wanted::Policy(id) => self.policies.push((id, collapse(&capture.text))),
            Wanted::Title => self.title = capture.text,
        }
    }
}

fn string(text: &HtmlString) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(html: &str) -> Page {
        let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, "text/html; charset=utf-8".parse().unwrap())]);
        Page::read(Url::parse("https://localhost/a?code=1%202").unwrap(), StatusCode::OK, headers, html.as_bytes().to_vec())
    }

    #[test]
    fn a_sign_in_page_is_understood() {
        let page = page(
            r#"<!doctype html><html><head><title>Sign
            in</title><style>form{}</style></head><body data-page="password">
            <p id="message">Wrong <em>pass<span>word</span></em> &amp; more</p>
            <ul><li data-policy="p1">CA001: <b>MFA</b></li><li data-policy="p2">CA002</li></ul>
            <form method="POST" action="/t/signin/password?x=1"><input type="hidden" name="flow" value="a&quot;b">
            <input name="username" value="alex"><input type=checkbox name=no><input type="password" name="password"><button>Go</button></form>
            <form action="/t/signin/method" method="post"><input type=hidden name=flow value=f><button name="method" value="totp">App</button></form>
            <script type="application/json" id="options">{"publicKey":{"a":"<b>"}}</script>
            <template><form action="/hidden"></form></template>"#,
        );
        assert_eq!((page.kind.as_str(), page.title.as_str()), ("password", "Sign in"));
        assert_eq!(page.element("message"), Some("Wrong password & more"));
        assert_eq!(page.policies, [("p1".into(), "CA001: MFA".into()), ("p2".into(), "CA002".into())]);
        let form = page.form("/signin/password", &[]).unwrap();
        assert_eq!(form.method, "post");
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(form.fields, [field("flow", "a\"b"), field("username", "alex"), field("password", "")]);
        assert!(page.form("/signin/method", &[("method", "totp")]).is_some());
        assert!(page.form("/signin/method", &[("method", "passkey")]).is_none());
        assert_eq!(page.json_element("options").unwrap()["publicKey"]["a"], "<b>");
        assert_eq!(page.query("code").as_deref(), Some("1 2"));
        assert!(page.text.contains("Wrong password & more CA001: MFA CA002"), "{}", page.text);
        assert!(!page.text.contains("publicKey"));
    }

    #[test]
    fn broken_markup_is_read_to_its_end() {
        let page = page("<form action=/x><p id=a>one<p id=b>two<input name=c value=d></form><p id=z");
        assert_eq!(page.form("/x", &[]).unwrap().value("c"), Some("d"));
        assert_eq!(page.element("b"), Some("two"));
    }
}
