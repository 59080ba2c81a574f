//! An OpenID Connect issuer, Graph and Shared Signals transmitter, as small as the gateway needs them, over real HTTP.
//! It can be told to answer wrongly.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use protocol::secevent::{SecurityEventToken, StreamConfiguration, SubjectId, VerificationRequest, event_type};
use runtime::Clock;
use runtime::client::{Body, Client, full};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub(crate) const TENANT: &str = "11111111-1111-1111-1111-111111111111";
pub(crate) const GATEWAY: &str = "99999999-9999-9999-9999-999999999999";
pub(crate) const SECRET: &str = "a client secret";

/// What the issuer does wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// A claim of the ID token is another.
    IdToken(&'static str, Value),
    /// A claim of the access token is another.
    AccessToken(&'static str, Value),
    /// The ID token's header and signature are replaced.
    Unsigned,
    SignedWithPublicKey,
    /// A member of the callback is another, or gone.
    Callback(&'static str, Option<&'static str>),
    /// The person is refused.
    Denied(&'static str),
    /// Verification requests are taken and never answered.
    Mute,
}

pub(crate) struct Issuer {
    pub(crate) base: String,
    pub(crate) clock: Clock,
    pub(crate) client: Client,
    key: EncodingKey,
    public: Value,
    public_pem: Vec<u8>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    applications: Vec<Value>,
    person: Person,
    codes: BTreeMap<String, BTreeMap<String, String>>,
    stream: Option<StreamConfiguration>,
    faults: Vec<Fault>,
    legacy: Option<Value>,
    legacy_asked: Vec<Value>,
    pushed: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) user: String,
    pub(crate) session: String,
    pub(crate) extra: BTreeMap<String, Value>,
}

impl Default for Person {
    fn default() -> Self {
        Self { user: "alex".to_owned(), session: "session-1".to_owned(), extra: BTreeMap::new() }
    }
}

impl Issuer {
    pub(crate) fn new(base: String, clock: Clock, client: Client) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let private = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
        let public = pair.public_key();
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = json!({
            "kty": "RSA", "kid": "key-1", "use": "sig", "alg": "RS256",
            "n": number(public.modulus().big_endian_without_leading_zero()),
            "e": number(public.exponent().big_endian_without_leading_zero()),
        });
        Self {
            base,
            clock,
            client,
            key: EncodingKey::from_rsa_der(&pkcs1(private.as_ref())),
            public: jwk,
            public_pem: public.as_ref().to_vec(),
            state: Mutex::default(),
        }
    }

    pub(crate) fn issuer(&self) -> String {
        format!("{}/{TENANT}/v2.0", self.base)
    }

    pub(crate) fn publish(&self, name: &str, external: &str, internal: &str, tags: &[&str]) {
        let application = json!({
            "id": format!("object-{name}"), "appId": name, "displayName": name, "tags": tags,
            "onPremisesPublishing": {"externalUrl": external, "internalUrl": internal}
        });
        let mut state = self.state.lock().unwrap();
        state.applications.retain(|known| known["appId"] != name);
        state.applications.push(application);
    }

    pub(crate) fn withdraw(&self, name: &str) {
        self.state.lock().unwrap().applications.retain(|known| known["appId"] != name);
    }

    pub(crate) fn set_person(&self, person: Person) {
        self.state.lock().unwrap().person = person;
    }

    pub(crate) fn set_faults(&self, faults: Vec<Fault>) {
        self.state.lock().unwrap().faults = faults;
    }

    pub(crate) fn set_legacy(&self, answer: Value) {
        self.state.lock().unwrap().legacy = Some(answer);
    }

    pub(crate) fn legacy_asked(&self) -> Vec<Value> {
        self.state.lock().unwrap().legacy_asked.clone()
    }

    pub(crate) fn sign(&self, typ: &str, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::RS256);
        header.typ = Some(typ.to_owned());
        header.kid = Some("key-1".to_owned());
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }

    /// An access token for `application`, issued now.
    pub(crate) fn access_token(&self, application: &str, change: &[(&str, Value)]) -> String {
        let person = self.state.lock().unwrap().person.clone();
        let now = self.clock.now().seconds();
        let mut claims = json!({
            "iss": self.issuer(), "aud": application, "iat": now, "nbf": now, "exp": now + 3600, "oid": person.user,
            "sub": person.user, "tid": TENANT, "sid": person.session, "uti": runtime::random::guid(), "azp": GATEWAY,
            "ver": "2.0", "name": "Alex", "preferred_username": "alex@woodgrove.example",
        });
        for (name, value) in person.extra.iter().map(|(name, value)| (name.as_str(), value)) {
            claims[name] = value.clone();
        }
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        self.sign("JWT", &claims)
    }

    /// The claims of an event about `subject`, now.
    pub(crate) fn event(&self, subject: SubjectId, event: &str, claims: Value) -> SecurityEventToken {
        let stream = self.state.lock().unwrap().stream.clone().expect("a stream");
        SecurityEventToken {
            iss: self.issuer(),
            jti: runtime::random::guid(),
            iat: self.clock.now().seconds(),
            aud: stream.aud,
            txn: None,
            sub_id: subject,
            events: BTreeMap::from([(event.to_owned(), claims)]),
        }
    }

    /// Pushes one event about a user; the receiver's status.
    pub(crate) async fn push_user(&self, user: &str, event: &str) -> StatusCode {
        let token =
            self.event(SubjectId::user(&self.issuer(), user), event, json!({"event_timestamp": self.clock.now().seconds()}));
        self.push(&token).await
    }

    pub(crate) async fn push(&self, token: &SecurityEventToken) -> StatusCode {
        let text = self.sign("secevent+jwt", &serde_json::to_value(token).unwrap());
        self.push_text(text, None).await.status()
    }

    pub(crate) async fn push_text(&self, text: String, authorization: Option<&str>) -> Response<Bytes> {
        let delivery = self.state.lock().unwrap().stream.clone().and_then(|stream| stream.delivery).expect("a stream");
        let request = Request::post(&delivery.endpoint_url)
            .header(CONTENT_TYPE, "application/secevent+jwt")
            .header(AUTHORIZATION, authorization.unwrap_or(delivery.authorization_header.as_deref().unwrap_or_default()))
            .body(Bytes::from(text))
            .unwrap();
        self.state.lock().unwrap().pushed += 1;
        self.client.send(request).await.unwrap()
    }

    /// The heartbeat: a verification event without a state.
    pub(crate) async fn heartbeat(&self) -> StatusCode {
        let id = self.state.lock().unwrap().stream.clone().expect("a stream").stream_id;
        self.push(&self.event(SubjectId::Opaque { id }, event_type::VERIFICATION, json!({}))).await
    }

    pub(crate) fn forget_stream(&self) {
        self.state.lock().unwrap().stream = None;
    }

    pub(crate) fn public_key_bytes(&self) -> &[u8] {
        &self.public_pem
    }

    pub(crate) async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let form: BTreeMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
        let query: BTreeMap<String, String> =
            form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let path = head.uri.path().strip_prefix(&format!("/{TENANT}")).unwrap_or(head.uri.path());
        match (head.method.as_str(), path) {
            ("GET", "/v2.0/.well-known/openid-configuration") => self.discovery(),
            ("GET", "/discovery/v2.0/keys") => answer(200, &json!({"keys": [self.public]})),
            ("GET", "/oauth2/v2.0/authorize") => self.authorize(query),
            ("POST", "/oauth2/v2.0/token") => self.token(&form),
            ("POST", "/gateway/basic") => self.basic(&body),
            ("GET", "/beta/applications") => answer(200, &json!({"value": self.state.lock().unwrap().applications})),
            ("GET", path) if path == format!("/.well-known/ssf-configuration/{TENANT}/v2.0") => self.metadata(),
            ("POST", "/ssf/streams") => self.create_stream(&body),
            ("GET", "/ssf/streams") => answer(200, &json!(self.state.lock().unwrap().stream.iter().collect::<Vec<_>>())),
            ("DELETE", "/ssf/streams") => {
                self.state.lock().unwrap().stream = None;
                answer(204, &Value::Null)
            }
            ("POST", "/ssf/verify") => self.verify(&body),
            _ => answer(404, &json!({"error": "not_found"})),
        }
    }

    fn discovery(&self) -> Response<Body> {
        let base = format!("{}/{TENANT}", self.base);
        answer(
            200,
            &json!({
                "issuer": self.issuer(),
                "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
                "token_endpoint": format!("{base}/oauth2/v2.0/token"),
                "jwks_uri": format!("{base}/discovery/v2.0/keys"),
                "end_session_endpoint": format!("{base}/oauth2/v2.0/logout"),
                "authorization_response_iss_parameter_supported": true,
            }),
        )
    }

    fn authorize(&self, mut query: BTreeMap<String, String>) -> Response<Body> {
        let mut state = self.state.lock().unwrap();
        let redirect = query["redirect_uri"].clone();
        let code = runtime::random::token();
        let mut back = BTreeMap::from([
            ("code".to_owned(), code.clone()),
            ("state".to_owned(), query["state"].clone()),
            ("iss".to_owned(), self.issuer()),
        ]);
        for fault in &state.faults {
            match fault {
                Fault::Callback(name, Some(value)) => drop(back.insert((*name).to_owned(), (*value).to_owned())),
                Fault::Callback(name, None) => drop(back.remove(*name)),
                Fault::Denied(text) => {
                    back.remove("code");
                    back.insert("error".to_owned(), "access_denied".to_owned());
                    back.insert("error_description".to_owned(), (*text).to_owned());
                }
                Fault::IdToken(..) | Fault::AccessToken(..) | Fault::Unsigned | Fault::SignedWithPublicKey | Fault::Mute => {}
            }
        }
        query.insert("user".to_owned(), state.person.user.clone());
        state.codes.insert(code, query);
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(back).finish();
        Response::builder().status(302).header(LOCATION, format!("{redirect}?{query}")).body(full(Bytes::new())).unwrap()
    }

    fn token(&self, form: &BTreeMap<String, String>) -> Response<Body> {
        assert_eq!((form["client_id"].as_str(), form["client_secret"].as_str()), (GATEWAY, SECRET));
        if form["grant_type"] == "client_credentials" {
            return answer(200, &json!({"access_token": "app-only", "token_type": "Bearer", "expires_in": 3600}));
        }
        let (asked, faults, person) = {
            let mut state = self.state.lock().unwrap();
            let Some(asked) = state.codes.remove(&form["code"]) else {
                return answer(400, &json!({"error": "invalid_grant", "error_description": "AADSTS54005: used"}));
            };
            (asked, state.faults.clone(), state.person.clone())
        };
        assert_eq!(runtime::hash::sha256_base64url(form["code_verifier"].as_bytes()), asked["code_challenge"], "PKCE");
        assert_eq!(form["redirect_uri"], asked["redirect_uri"]);
        let application = asked["scope"].split(' ').find_map(|scope| scope.strip_suffix("/.default")).expect("an application");
        let now = self.clock.now().seconds();
        let mut id = json!({
            "iss": self.issuer(), "aud": GATEWAY, "iat": now, "nbf": now, "exp": now + 3600, "oid": person.user, "sub": person.user,
            "tid": TENANT, "sid": person.session, "nonce": asked["nonce"], "ver": "2.0",
        });
        let mut change = Vec::new();
        for fault in &faults {
            match fault {
                Fault::IdToken(name, value) => id[*name] = value.clone(),
                Fault::AccessToken(name, value) => change.push((*name, value.clone())),
                Fault::Unsigned | Fault::SignedWithPublicKey | Fault::Callback(..) | Fault::Denied(_) | Fault::Mute => {}
            }
        }
        let mut id_token = self.sign("JWT", &id);
        if faults.contains(&Fault::Unsigned) {
            let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT","kid":"key-1"}"#);
            id_token = format!("{header}.{}.", URL_SAFE_NO_PAD.encode(id.to_string()));
        }
        if faults.contains(&Fault::SignedWithPublicKey) {
            let mut header = Header::new(Algorithm::HS256);
            header.kid = Some("key-1".to_owned());
            id_token = jsonwebtoken::encode(&header, &id, &EncodingKey::from_secret(self.public_key_bytes())).unwrap();
        }
        let access_token = self.access_token(application, &change);
        answer(200, &json!({"id_token": id_token, "access_token": access_token, "token_type": "Bearer", "expires_in": 3600}))
    }

    fn basic(&self, body: &[u8]) -> Response<Body> {
        let mut state = self.state.lock().unwrap();
        state.legacy_asked.push(serde_json::from_slice(body).unwrap());
        match &state.legacy {
            Some(legacy) => answer(200, legacy),
            None => answer(500, &json!({})),
        }
    }

    fn metadata(&self) -> Response<Body> {
        let base = &self.base;
        answer(
            200,
            &json!({
                "spec_version": "1_0", "issuer": self.issuer(), "jwks_uri": format!("{base}/{TENANT}/discovery/v2.0/keys"),
                "delivery_methods_supported": ["urn:ietf:rfc:8935"], "configuration_endpoint": format!("{base}/ssf/streams"),
                "status_endpoint": format!("{base}/ssf/status"), "verification_endpoint": format!("{base}/ssf/verify"),
                "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"}], "default_subjects": "ALL",
            }),
        )
    }

    fn create_stream(&self, body: &[u8]) -> Response<Body> {
        let mut stream: StreamConfiguration = serde_json::from_slice(body).unwrap();
        stream.stream_id = runtime::random::guid();
        stream.iss = self.issuer();
        stream.aud = format!("aud-of-{}", stream.stream_id);
        stream.events_delivered = stream.events_requested.clone();
        self.state.lock().unwrap().stream = Some(stream.clone());
        answer(201, &serde_json::to_value(stream).unwrap())
    }

    fn verify(self: &Arc<Self>, body: &[u8]) -> Response<Body> {
        let asked: VerificationRequest = serde_json::from_slice(body).unwrap();
        let (known, mute) = {
            let state = self.state.lock().unwrap();
            let known = state.stream.as_ref().is_some_and(|stream| stream.stream_id == asked.stream_id);
            (known, state.faults.contains(&Fault::Mute))
        };
        if !known {
            return answer(404, &json!({}));
        }
        if !mute {
            let issuer = self.clone();
            tokio::spawn(async move {
                let subject = SubjectId::Opaque { id: asked.stream_id };
                let token = issuer.event(subject, event_type::VERIFICATION, json!({"state": asked.state}));
                issuer.push(&token).await;
            });
        }
        answer(204, &Value::Null)
    }
}

/// The RSAPrivateKey inside a PKCS #8 envelope: the last OCTET STRING, whose header takes four bytes for keys this long.
fn pkcs1(pkcs8: &[u8]) -> Vec<u8> {
    let start = pkcs8.windows(2).skip(1).position(|pair| pair == [0x04, 0x82]).unwrap() + 1;
    pkcs8[start + 4..].to_vec()
}

fn answer(status: u16, value: &Value) -> Response<Body> {
    let body = if value.is_null() { Bytes::new() } else { Bytes::from(value.to_string()) };
    Response::builder().status(status).header(CONTENT_TYPE, "application/json").body(full(body)).unwrap()
}
