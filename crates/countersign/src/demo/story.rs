//! The guided story: seven steps that a stranger could do by hand, done over the network against the printed addresses.
//! Each looks at what came back and says what it saw; nothing here can look inside the platform.

mod cut;
mod log;

use super::tenant::{ADMIN_PORTAL, Addresses, COMMAND_LINE, LEGACY_MAIL, PAYROLL, Tenant, WEB_CLIENT};
use crate::error::{Problem, chain};
use crate::graph::Graph;
use crate::json::text;
use crate::oauth_client::{OauthClient, OauthError, Tokens};
use crate::output::{self, Format};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode};
use log::Attempts;
use runtime::Clock;
use runtime::client::Client;
use serde::Serialize;
use serde_json::Value;
use std::error::Error;
use std::fmt;
use testkit::Page;
use testkit::browser::{BrowserError, Landed};
use testkit::person::{Person, PersonError};
use url::Url;

pub(super) use cut::CutTimes;

/// Where the story plays, and who is in it.
pub(super) struct Stage<'a> {
    tenant: &'a Tenant,
    tenant_address: String,
    control_plane: Url,
    authorities_pem: &'a [u8],
    client: Client,
    clock: Clock,
    /// With the administrator's token of `demo.json`: reads the log.
    graph: Graph,
    mail_internal: Option<Url>,
    alex: Person,
    ada: Person,
    /// The page that held Alex in step 1.
    held: Option<Page>,
    /// Where the sign-in log stood before the story.
    before: Attempts,
}

/// What one step saw. In `--format json` one line each.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Step {
    step: usize,
    name: &'static str,
    pub(super) ok: bool,
    observed: String,
    ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<CutTimes>,
}

/// A step that did not hold: what was seen instead.
#[derive(Debug)]
enum StepError {
    Seen(String),
    Failed(Box<dyn Error + Send + Sync>),
}

struct Seen {
    observed: String,
    cut: Option<CutTimes>,
}

const NAMES: [&str; 7] = [
    "A password alone",
    "Password and code",
    "An administrator",
    "A legacy client",
    "A report-only policy",
    "The account is disabled",
    "The sign-in log",
];

impl<'a> Stage<'a> {
    pub(super) async fn set(
        tenant: &'a Tenant,
        addresses: &Addresses,
        authorities_pem: &'a [u8],
        graph: Graph,
        clock: &Clock,
    ) -> Result<Self, Problem> {
        let client = Client::new(Some(authorities_pem)).map_err(|error| Problem::caused_by("the story's client", &error))?;
        let before = Attempts::read(&graph).await.map_err(|error| Problem::new(error.to_string()))?;
        Ok(Self {
            tenant_address: format!("{}{}", addresses.control_plane, tenant.id),
            control_plane: addresses.control_plane.clone(),
            mail_internal: addresses.internal(LEGACY_MAIL).cloned(),
            alex: Person::new(tenant.account("alex")?.for_person(), client.clone(), clock),
            ada: Person::new(tenant.account("ada")?.for_person(), client.clone(), clock),
            held: None,
            tenant,
            authorities_pem,
            client,
            clock: clock.clone(),
            graph,
            before,
        })
    }

    /// Plays all seven, telling each as it ends. Whether all held.
    pub(super) async fn play(&mut self, format: Format) -> bool {
        let mut all_held = true;
        for (index, name) in NAMES.into_iter().enumerate() {
            let begun = self.clock.monotonic();
            let seen = match index {
                0 => self.password_alone().await,
                1 => self.password_and_code().await,
                2 => self.administrator().await,
                3 => self.legacy_client().await,
                4 => self.report_only().await,
                5 => self.disabled().await,
                _ => self.sign_in_log().await,
            };
            let ms = milliseconds(self.clock.monotonic().saturating_sub(begun));
            let (ok, observed, cut) = match seen {
                Ok(Seen { observed, cut }) => (true, observed, cut),
                Err(error) => (false, error.to_string(), None),
            };
            all_held &= ok;
            Step { step: index + 1, name, ok, observed, ms, cut }.tell(format);
        }
        if let Err(error) = self.enable_again().await {
            tracing::warn!(%error, "the story's account stays disabled");
        }
        all_held
    }

    /// 1. Held until a second factor, and told which policy asks.
    async fn password_alone(&mut self) -> Result<Seen, StepError> {
        let page = self.alex.go(&self.address(PAYROLL)?, "totp").await?;
        let policy = self.named(&page, "CA001")?;
        expect(&page, "totp")?;
        self.held = Some(page);
        saw(format!("held before {PAYROLL}: “{policy}” asks for a second factor"))
    }

    /// 2. Let in; the application sees who it is through a signed assertion.
    async fn password_and_code(&mut self) -> Result<Seen, StepError> {
        let held = self.held.take().ok_or_else(|| StepError::Seen("nobody was held in step 1".to_owned()))?;
        let page = self.alex.answer(held, "").await?;
        expect(&page, "application")?;
        let who = self.who_am_i(PAYROLL).await?;
        let name = text(&who, "/userPrincipalName");
        if name != self.alex.account().user_principal_name || who.get("verified") != Some(&Value::Bool(true)) {
            return Err(StepError::Seen(format!("{PAYROLL} takes the person for `{name}`")));
        }
        saw(format!("let in; {PAYROLL} checked the gateway’s signature and greets {name}"))
    }

    /// 3. Refused with password and TOTP, let in with a passkey.
    async fn administrator(&mut self) -> Result<Seen, StepError> {
        let own = format!("{}/mysecurityinfo", self.tenant_address);
        let page = self.ada.go(&own, "security-info").await?;
        expect(&page, "security-info")?;
        let portal = self.address(ADMIN_PORTAL)?;
        let refused = self.ada.go(&portal, "refused").await?;
        expect(&refused, "refused")?;
        let policy = self.named(&refused, "CA003")?;
        let offered = self.ada.browser.submit(&refused, "/signin/method", &[("method", "register-passkey")]).await?;
        let mut page = self.ada.answer(offered, "").await?;
        if page.kind != "application" {
            page = self.ada.go(&portal, "").await?;
        }
        expect(&page, "application")?;
        saw(format!("password and code refused: “{policy}”; with a passkey let in to {ADMIN_PORTAL}"))
    }

    /// 4. HTTP Basic that the application itself would accept, refused by the legacy policy.
    async fn legacy_client(&mut self) -> Result<Seen, StepError> {
        let lee = self.tenant.account("lee")?;
        let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", lee.user_principal_name, lee.password)));
        let external = join(&self.address(LEGACY_MAIL)?, "mail")?;
        let internal = self.mail_internal.as_ref().ok_or_else(|| StepError::Seen(format!("{LEGACY_MAIL} is not running")))?;
        let internal = join(internal.as_str(), "mail")?;
        let refused = self.ask(&external, &basic).await?;
        let direct = self.ask(&internal, &basic).await?;
        if refused.is_success() || !direct.is_success() {
            return Err(StepError::Seen(format!("{refused} through the gateway, {direct} at the application itself")));
        }
        let attempts = self.attempts().await?;
        let attempt =
            attempts.of(&lee.user_principal_name).next().ok_or_else(|| StepError::Seen("nothing in the sign-in log".into()))?;
        let policy = attempt.policy_with("CA002", "failure")?;
        saw(format!("{} at the gateway: “{policy}”; the application itself would have let the password in", refused.as_u16()))
    }

    /// 5. The sign-in of step 2 went through, and the log says what report-only would have done.
    async fn report_only(&mut self) -> Result<Seen, StepError> {
        let attempts = self.attempts().await?;
        let name = self.alex.account().user_principal_name.clone();
        let attempt = attempts.of(&name).find(|attempt| attempt.resource() == PAYROLL && attempt.error_code() == 0);
        let attempt =
            attempt.ok_or_else(|| StepError::Seen(format!("no successful sign-in of {name} to {PAYROLL} in the log")))?;
        let policy = attempt.policy_with("CA004", "reportOnlyFailure")?;
        saw(format!("step 2 went through, and the log says “{policy}” would have blocked it"))
    }

    /// 7. Each attempt, with each policy's result.
    async fn sign_in_log(&mut self) -> Result<Seen, StepError> {
        let attempts = self.attempts().await?;
        let policies = self.tenant.objects.iter().filter(|object| object.get("grantControls").is_some()).count();
        let (alex, ada, lee) = ("alex", "ada", "lee");
        let expected: [(&str, &str, &[u64]); 6] = [
            (alex, PAYROLL, &[50074, 50076]),
            (alex, PAYROLL, &[0]),
            (ada, ADMIN_PORTAL, &[50072, 50074, 50079, 53003]),
            (ada, ADMIN_PORTAL, &[0]),
            (lee, LEGACY_MAIL, &[53003]),
            (alex, "", &[50057]),
        ];
        for (name, resource, codes) in expected {
            let person = &self.tenant.account(name)?.user_principal_name;
            let fits = |attempt: &log::Attempt<'_>| {
                (resource.is_empty() || attempt.resource() == resource) && codes.contains(&attempt.error_code())
            };
            if !attempts.of(person).any(|attempt| fits(&attempt)) {
                let found: Vec<String> =
                    attempts.of(person).map(|attempt| format!("{} {}", attempt.resource(), attempt.error_code())).collect();
                return Err(StepError::Seen(format!(
                    "no attempt of {person} with {codes:?} {resource}; in the log: {}",
                    found.join(", ")
                )));
            }
        }
        let incomplete = attempts.all().find(|attempt| attempt.was_decided() && attempt.policies() != policies);
        if let Some(attempt) = incomplete {
            return Err(StepError::Seen(format!("an attempt with {} of {policies} policies’ results", attempt.policies())));
        }
        let refused = attempts.all().filter(|attempt| attempt.error_code() != 0).count();
        saw(format!(
            "{} attempts, {refused} of them not let in, each with the results of all {policies} policies",
            attempts.all().count()
        ))
    }

    async fn who_am_i(&mut self, application: &str) -> Result<Value, StepError> {
        let address = join(&self.address(application)?, "api/whoami")?;
        let page = self.alex.browser.fetch(Method::GET, address.as_str(), HeaderMap::new(), Bytes::new()).await?;
        page.json().filter(|_| page.status == StatusCode::OK).ok_or_else(|| unexpected(&page))
    }

    /// As an old mail program asks: Basic, and no cookie.
    async fn ask(&self, address: &Url, basic: &str) -> Result<StatusCode, StepError> {
        let request = Request::get(address.as_str()).header(AUTHORIZATION, basic).header(USER_AGENT, "OldMail/3.1");
        let request = request.body(Bytes::new()).map_err(|error| StepError::Failed(Box::new(error)))?;
        Ok(self.client.send(request).await.map_err(|error| StepError::Failed(Box::new(error)))?.status())
    }

    /// Through a code flow in the person's own browser, which is signed in already.
    async fn tokens(person: &mut Person, client: &Client, oauth: &OauthClient, scope: &str) -> Result<Tokens, StepError> {
        let authorization = oauth.authorize(scope);
        person.browser.stop_at(&oauth.redirect_uri);
        let page = person.go(&authorization.address, "").await?;
        if !page.url.as_str().starts_with(&oauth.redirect_uri) {
            return Err(unexpected(&page));
        }
        Ok(oauth.redeem(client, &authorization, &page).await?)
    }

    fn oauth(&self, application: &str) -> Result<OauthClient, StepError> {
        let application = self.tenant.application(application)?;
        Ok(OauthClient {
            tenant_address: self.tenant_address.clone(),
            client_id: application.client_id.clone(),
            client_secret: application.client_secret.clone(),
            redirect_uri: application.redirect_uris.first().cloned().unwrap_or_default(),
        })
    }

    /// The name of the policy that the page names by its id, and whose name begins so.
    fn named(&self, page: &Page, prefix: &str) -> Result<String, StepError> {
        let has_id = |id: &str| page.policies.iter().any(|(named, _)| named == id);
        let named = self.tenant.objects.iter().filter(|object| has_id(text(object, "/id")));
        let found = named.map(|object| text(object, "/displayName")).find(|name| name.starts_with(prefix));
        found.map(str::to_owned).ok_or_else(|| StepError::Seen(format!("{prefix} is not named; {}", Landed::on(page))))
    }

    /// The sign-in log since the story began, newest first.
    async fn attempts(&self) -> Result<Attempts, StepError> {
        Ok(Attempts::read(&self.graph).await?.since(&self.before))
    }

    fn address(&self, application: &str) -> Result<String, StepError> {
        let url = self.tenant.application(application)?.url.as_ref().map(Url::to_string);
        url.ok_or_else(|| StepError::Seen(format!("{application} is not published")))
    }
}

impl Step {
    fn tell(&self, format: Format) {
        if format.is_json() {
            output::json(self);
            return;
        }
        let mark = if self.ok { "✓" } else { "✗" };
        output::line(format!("  {mark} {}. {}: {}  ({:.0} ms)", self.step, self.name, self.observed, self.ms));
    }
}

fn expect(page: &Page, kind: &str) -> Result<(), StepError> {
    if page.kind == kind { Ok(()) } else { Err(unexpected(page)) }
}

fn unexpected(page: &Page) -> StepError {
    StepError::Seen(format!("came to {}", Landed::on(page)))
}

fn join(base: &str, path: &str) -> Result<Url, StepError> {
    Url::parse(base).and_then(|base| base.join(path)).map_err(|error| StepError::Failed(Box::new(error)))
}

fn saw(observed: String) -> Result<Seen, StepError> {
    Ok(Seen { observed, cut: None })
}

/// To a tenth of a microsecond: more digits would be noise.
fn milliseconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 10_000_000.0).round() / 10_000.0
}

impl fmt::Display for StepError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seen(text) => formatter.write_str(text),
            Self::Failed(error) => formatter.write_str(&chain(error.as_ref())),
        }
    }
}

macro_rules! failed {
    ($($error:ty),+) => {$(
        impl From<$error> for StepError {
            fn from(error: $error) -> Self {
                Self::Failed(Box::new(error))
            }
        }
    )+};
}
failed!(PersonError, BrowserError, OauthError, testkit::streams::StreamError);

impl From<Problem> for StepError {
    fn from(problem: Problem) -> Self {
        Self::Seen(problem.to_string().replace('\n', ";"))
    }
}
