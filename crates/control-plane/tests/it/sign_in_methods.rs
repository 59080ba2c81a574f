//! A person's methods: what it takes to change them, who else may remove one; and guessing, which keeps nobody out.

use crate::admin_fixture::{EVERY_SCOPE, Platform, TENANT};
use crate::sign_in_fixture::{
    ADA, ADA_NAME, ALEX, ALEX_NAME, PASSWORD, PAT_NAME, Page, Visitor, WEB, platform, redeem_web, refresh_web, require_mfa,
    sign_ins,
};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::Authenticator;

fn security_info() -> String {
    format!("/{TENANT}/mysecurityinfo")
}

async fn administrator(platform: &Platform, scopes: &str) -> String {
    let session = platform.session(ADA).await;
    platform.sign(&platform.claims(json!({"azp": WEB, "oid": ADA, "sub": ADA, "sid": session, "scp": scopes})))
}

async fn session(platform: &Platform, visitor: &Visitor<'_>) -> Option<store::session::Session> {
    let id = visitor.cookies.get("__Host-session")?.split_once('.')?.0.to_owned();
    store::session::get(&platform.state.store, &model::SessionId::new(&id)).await.unwrap()
}

#[tokio::test]
async fn a_code_after_the_session_ended_begins_no_session() {
    let platform = platform(&[require_mfa()]).await;
    let mut alex = Visitor::new(&platform);
    let page = alex.sign_in(WEB, ALEX_NAME).await;
    assert_eq!(page.kind(), "totp");
    let session = session(&platform, &alex).await.unwrap();
    // The session ends when the request has already seen it stand: in the transaction that its own waits for.
    let mut ending = platform.state.store.begin().await.unwrap();
    store::session::revoke(&mut ending, &session.id, platform.clock.now()).await.unwrap();
    let code = alex.code();
    let cookies = alex.cookies.clone();
    let posting = alex.submit(page.form("/signin/totp").with("otp", &code));
    let ending = async {
        // Until the request waits for the writer, or has been answered without it.
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        ending.commit().await.unwrap();
    };
    let (answer, ()) = futures_util::future::join(posting, ending).await;
    assert!(answer.kind() != "totp" && answer.headers.get("location").is_none(), "{} {}", answer.status, answer.body);
    assert_eq!(alex.cookies.get("__Host-session"), cookies.get("__Host-session"), "no other session");
    assert_eq!(alex.authorize(WEB, "prompt=none").await.answer("error").unwrap(), "login_required");
}

#[tokio::test]
async fn changing_methods_needs_a_proof_of_the_last_ten_minutes() {
    let platform = platform(&[require_mfa()]).await;
    let mut alex = Visitor::new(&platform);
    let page = alex.sign_in(WEB, ALEX_NAME).await;
    assert!(alex.totp(&page).await.answer("code").is_some());
    let page = alex.get(&security_info()).await;
    assert_eq!(page.kind(), "security-info", "{}", page.body);
    // Ten minutes later the session still signs in, but neither page nor a form of before changes anything.
    platform.clock.advance(Duration::from_secs(601));
    assert!(alex.authorize(WEB, "prompt=none").await.answer("code").is_some());
    assert_eq!(alex.submit(page.choice("add-passkey")).await.kind(), "totp");
    let again = alex.get(&security_info()).await;
    assert_eq!(again.kind(), "totp");
    let done = alex.totp(&again).await;
    assert_eq!(done.location(), security_info());
    let page = alex.get(&security_info()).await;
    let page = alex.submit(page.choice("add-passkey")).await;
    assert_eq!(page.kind(), "register-passkey");
    // Not even the answer to a page that was shown in time.
    platform.clock.advance(Duration::from_secs(601));
    let late = alex.register_passkey(&page, &mut Authenticator::new()).await;
    assert_eq!(late.kind(), "totp", "{}", late.body);
    let kept = store::credential::of_user(&platform.state.store, &model::UserId::new(ALEX)).await.unwrap();
    assert_eq!(kept.len(), 2);
}

#[tokio::test]
async fn the_first_second_factor_is_added_once_on_the_strength_of_the_password() {
    let platform = platform(&[]).await;
    let mut browsers = [Visitor::new(&platform), Visitor::new(&platform)];
    let mut pages = Vec::new();
    for browser in &mut browsers {
        assert!(browser.sign_in(WEB, PAT_NAME).await.answer("code").is_some());
        let page = browser.get(&security_info()).await;
        pages.push(browser.submit(page.choice("add-passkey")).await);
    }
    let [mut owner, mut thief] = browsers;
    assert_eq!(owner.register_passkey(&pages[0], &mut Authenticator::new()).await.location(), security_info());
    let refused = thief.register_passkey(&pages[1], &mut Authenticator::new()).await;
    assert_eq!(refused.kind(), "passkey", "{}", refused.body);
}

#[tokio::test]
async fn an_administrator_removes_a_planted_method_and_what_it_let_in() {
    let platform = platform(&[require_mfa()]).await;
    let mut thief = Visitor::new(&platform);
    let page = thief.sign_in(WEB, ALEX_NAME).await;
    let code = thief.totp(&page).await.answer("code").unwrap();
    let (_, tokens) = redeem_web(&platform, &code).await;
    let page = thief.get(&security_info()).await;
    let page = thief.submit(page.choice("add-passkey")).await;
    thief.register_passkey(&page, &mut Authenticator::new()).await;
    let token = administrator(&platform, EVERY_SCOPE).await;
    let base = format!("/v1.0/users/{ALEX_NAME}/authentication");
    let kinds = |answer: &Value| -> Vec<String> {
        let kind = |value: &Value| value["@odata.type"].as_str().unwrap().rsplit('.').next().unwrap().to_owned();
        answer["value"].as_array().unwrap().iter().map(kind).collect()
    };
    let all = platform.get(&format!("{base}/methods"), &token).await.expect(200).json();
    let mut found = kinds(&all);
    found.sort();
    assert_eq!(found, ["fido2AuthenticationMethod", "passwordAuthenticationMethod", "softwareOathAuthenticationMethod"]);
    assert!(all.to_string().contains("28c10230-6103-485e-b985-444c60001490"));
    let passkeys = platform.get(&format!("{base}/fido2Methods"), &token).await.expect(200).json();
    assert_eq!(kinds(&passkeys), ["fido2AuthenticationMethod"]);
    let totps = platform.get(&format!("{base}/softwareOathMethods"), &token).await.expect(200).json();
    let (passkey, totp) = (passkeys["value"][0]["id"].as_str().unwrap(), totps["value"][0]["id"].as_str().unwrap());
    // Only under its own kind, only somebody's own, and not by a reader.
    platform.delete(&format!("{base}/softwareOathMethods/{passkey}"), &token).await.expect(404);
    platform.delete(&format!("/v1.0/users/{ADA_NAME}/authentication/fido2Methods/{passkey}"), &token).await.expect(404);
    let reader = administrator(&platform, "UserAuthenticationMethod.Read.All").await;
    platform.delete(&format!("{base}/fido2Methods/{passkey}"), &reader).await.expect(403);
    let before = platform.last_event().await;
    platform.delete(&format!("{base}/fido2Methods/{passkey}"), &token).await.expect(204);
    let events = platform.events_after(before).await;
    assert_eq!(events.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), ["credential-change", "session-revoked"]);
    assert!(platform.activities().await.contains(&"Admin deleted security info".to_owned()));
    assert_eq!(refresh_web(&platform, tokens["refresh_token"].as_str().unwrap()).await.1["error_codes"], json!([50_173]));
    assert_eq!(thief.authorize(WEB, "prompt=none").await.answer("error").unwrap(), "login_required");
    platform.delete(&format!("{base}/softwareOathMethods/{totp}"), &token).await.expect(204);
    assert_eq!(
        kinds(&platform.get(&format!("{base}/methods"), &token).await.expect(200).json()),
        ["passwordAuthenticationMethod"]
    );
}

async fn guess(visitor: &mut Visitor<'_>, name: &str, times: usize) -> Page {
    let page = visitor.authorize(WEB, "").await;
    let mut page = visitor.submit(page.form("/signin/account").with("username", name)).await;
    for _ in 0..times {
        page = visitor.submit(page.form("/signin/password").with("password", "a wrong guess")).await;
    }
    page
}

#[tokio::test]
async fn strangers_do_not_lock_anybody_out() {
    let platform = platform(&[]).await;
    let mut known = Visitor::new(&platform);
    assert!(known.sign_in(WEB, ALEX_NAME).await.answer("code").is_some());
    known.cookies.remove("__Host-session");
    let mut stranger = Visitor::new(&platform);
    let locked = guess(&mut stranger, ALEX_NAME, 11).await;
    assert_eq!((locked.status.as_u16(), locked.headers["retry-after"].to_str().unwrap()), (429, "60"));
    // From elsewhere, and from the same address in a browser that the owner used, the right password gets in.
    let mut elsewhere = Visitor::new(&platform);
    elsewhere.address = "198.51.100.9:4000".parse().unwrap();
    assert!(elsewhere.sign_in(WEB, ALEX_NAME).await.answer("code").is_some());
    assert!(known.sign_in(WEB, ALEX_NAME).await.answer("code").is_some());
    known.cookies.remove("__Host-session");
    // That browser's guesses are counted by themselves; an account that is nobody's is locked alike.
    assert_eq!(guess(&mut known, ALEX_NAME, 11).await.status.as_u16(), 429);
    let nobody = guess(&mut stranger, "nobody@woodgrove.example", 11).await;
    assert_eq!((nobody.status.as_u16(), nobody.headers["retry-after"].to_str().unwrap()), (429, "60"));
    // An hour without a failure, and everything is forgotten.
    platform.clock.advance(Duration::from_secs(3660));
    assert_eq!(guess(&mut stranger, ALEX_NAME, 9).await.status.as_u16(), 401);
}

#[tokio::test]
async fn guesses_from_everywhere_are_slowed_down_together_but_for_known_browsers() {
    let platform = platform(&[]).await;
    let mut known = Visitor::new(&platform);
    assert!(known.sign_in(WEB, ALEX_NAME).await.answer("code").is_some());
    known.cookies.remove("__Host-session");
    for number in 0..20 {
        let mut stranger = Visitor::new(&platform);
        stranger.address = format!("[2001:db8:0:{number}::1]:4000").parse().unwrap();
        assert_eq!(guess(&mut stranger, ALEX_NAME, 5).await.status.as_u16(), 401);
    }
    let mut unknown = Visitor::new(&platform);
    unknown.address = "198.51.100.9:4000".parse().unwrap();
    let page = unknown.authorize(WEB, "").await;
    let page = unknown.password(page, ALEX_NAME, PASSWORD).await;
    assert_eq!((page.status.as_u16(), page.headers["retry-after"].to_str().unwrap()), (429, "60"));
    assert!(known.sign_in(WEB, ALEX_NAME).await.answer("code").is_some());
    platform.clock.advance(Duration::from_secs(60));
    assert!(unknown.submit(page.form("/signin/password").with("password", PASSWORD)).await.answer("code").is_some());
}

#[tokio::test]
async fn a_hint_that_is_no_name_is_dropped() {
    let platform = platform(&[]).await;
    let mut visitor = Visitor::new(&platform);
    assert_eq!(visitor.authorize(WEB, "login_hint=alex%1b%5b2J").await.kind(), "account");
    assert_eq!(visitor.authorize(WEB, &format!("login_hint={}", "a".repeat(300))).await.kind(), "account");
    let page = visitor.authorize(WEB, "login_hint=nobody@woodgrove.example").await;
    assert_eq!(page.kind(), "password");
    visitor.submit(page.form("/signin/password").with("password", "wrong guess")).await;
    assert_eq!(sign_ins(&platform).await[0].user_principal_name, "nobody@woodgrove.example");
}

#[tokio::test]
async fn who_has_the_password_does_not_lock_the_owner_out_of_the_second_step() {
    let platform = platform(&[require_mfa()]).await;
    let mut alex = Visitor::new(&platform);
    let page = alex.sign_in(WEB, ALEX_NAME).await;
    assert!(alex.totp(&page).await.answer("code").is_some());
    alex.cookies.remove("__Host-session");
    platform.clock.advance(Duration::from_secs(30));
    // A new browser for each try brings no new guesses: only a second factor makes a browser known for this.
    let mut last = 0;
    for _ in 0..11 {
        let mut thief = Visitor::new(&platform);
        let page = thief.sign_in(WEB, ALEX_NAME).await;
        last = thief.submit(page.form("/signin/totp").with("otp", "000000")).await.status.as_u16();
    }
    assert_eq!(last, 429);
    let page = alex.sign_in(WEB, ALEX_NAME).await;
    assert!(alex.totp(&page).await.answer("code").is_some());
}
