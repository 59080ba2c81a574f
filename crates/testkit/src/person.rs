//! Somebody at a browser: what they know and have, and how they answer the sign-in pages
//! (`crates/control-plane/templates/README.md`).

use crate::browser::{BrowserError, Landed};
use crate::totp::{self, TotpError};
use crate::{Authenticator, Browser, Page};
use runtime::Clock;
use runtime::client::Client;

/// Pages on the way from a request to an end. More is a loop.
const PAGES: usize = 16;

#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    #[error("the browser got stuck")]
    Browser(#[from] BrowserError),
    #[error("the account's TOTP secret is unusable")]
    Totp(#[from] TotpError),
    #[error("{0} asks for what this person does not have")]
    Cannot(Box<Landed>),
    #[error("{0} comes again and again")]
    Loop(Box<Landed>),
}

/// What somebody knows.
#[derive(Clone)]
pub struct Account {
    pub user_principal_name: String,
    pub password: String,
    /// Base32, in their authenticator app.
    pub totp_secret: Option<String>,
}

#[derive(Debug)]
pub struct Person {
    pub browser: Browser,
    account: Account,
    authenticator: Authenticator,
    has_passkey: bool,
    /// A code is good once, and the next one is up to half a minute away.
    code_used: bool,
    clock: Clock,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Account").field("user_principal_name", &self.user_principal_name).finish_non_exhaustive()
    }
}

impl Person {
    pub fn new(account: Account, client: Client, clock: &Clock) -> Self {
        Self {
            browser: Browser::new(client, clock.clone()),
            account,
            authenticator: Authenticator::new(),
            has_passkey: false,
            code_used: false,
            clock: clock.clone(),
        }
    }

    /// Goes to an address and answers what is asked, until a page of kind `until`, or one that asks nothing.
    pub async fn go(&mut self, address: &str, until: &str) -> Result<Page, PersonError> {
        let page = self.browser.open(address).await?;
        self.answer(page, until).await
    }

    /// Answers `page` and those after it, as far as a page of kind `until`, or one that asks nothing.
    pub async fn answer(&mut self, page: Page, until: &str) -> Result<Page, PersonError> {
        let mut page = page;
        for _ in 0..PAGES {
            if page.kind == until {
                return Ok(page);
            }
            page = match page.kind.as_str() {
                "account" => {
                    let name = self.account.user_principal_name.clone();
                    self.browser.submit(&page, "/signin/account", &[("username", &name)]).await?
                }
                "select-account" => self.browser.submit(&page, "/signin/continue", &[]).await?,
                "password" => {
                    let password = self.account.password.clone();
                    self.browser.submit(&page, "/signin/password", &[("password", &password)]).await?
                }
                "method" => {
                    let method = if self.has_passkey { "passkey" } else { "totp" };
                    self.browser.submit(&page, "/signin/method", &[("method", method)]).await?
                }
                "totp" => self.type_code(&page).await?,
                "passkey" => self.browser.sign_with_passkey(&page, &mut self.authenticator).await?,
                "register-passkey" => {
                    let next = self.browser.register_passkey(&page, &mut self.authenticator).await?;
                    self.has_passkey = true;
                    next
                }
                _ => return Ok(page),
            };
            if page.status == http::StatusCode::UNAUTHORIZED && page.element("message").is_some() {
                return Err(PersonError::Cannot(Box::new(Landed::on(&page))));
            }
        }
        Err(PersonError::Loop(Box::new(Landed::on(&page))))
    }

    async fn type_code(&mut self, page: &Page) -> Result<Page, PersonError> {
        let secret = self.account.totp_secret.as_deref().filter(|_| !self.code_used);
        let Some(secret) = secret else { return Err(PersonError::Cannot(Box::new(Landed::on(page)))) };
        let code = totp::code(secret, self.clock.now())?;
        self.code_used = true;
        Ok(self.browser.submit(page, "/signin/totp", &[("otp", &code)]).await?)
    }

    pub fn account(&self) -> &Account {
        &self.account
    }
}
