//! What attackers try against sign-in, and what it says. `docs/threats.md` names these tests.

use crate::admin_fixture::{BASE, Platform, SECRET, TENANT};
use crate::sign_in_fixture::{
    ADA_NAME, ALEX, ALEX_NAME, CALLBACK, CHALLENGE, DAEMON, NATIVE, PASSWORD, PAT_NAME, Page, Visitor, WEB, claims, options,
    platform, redeem_web, refresh_web, require_mfa, sign_ins, token,
};
use model::{Kind, Object, UserId};
use policy::request::{Method as Used, MethodUse};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use testkit::Authenticator;

/// Kinds of page, each reached as a person would.
async fn pages(platform: &Platform) -> Vec<Page> {
    let mut alex = Visitor::new(platform);
    let account = alex.authorize(WEB, "").await;
    let password = alex.submit(account.form("/signin/account").with("username", ALEX_NAME)).await;
    let totp = alex.submit(password.form("/signin/password").with("password", PASSWORD)).await;
    let mut pat = Visitor::new(platform);
    let refused = pat.sign_in(WEB, PAT_NAME).await;
    let passkey = pat.submit(refused.choice("register-passkey")).await;
    let register = pat.submit(refused.choice("register-totp")).await;
    let sign_out = pat.get(&format!("/{TENANT}/oauth2/v2.0/logout")).await;
    let error = pat.get(&format!("/{TENANT}/oauth2/v2.0/authorize?client_id=nobody&redirect_uri=x")).await;
    let signed_out = Visitor::new(platform).get(&format!("/{TENANT}/oauth2/v2.0/logout")).await;
    vec![account, password, totp, refused, passkey, register, sign_out, error, signed_out]
}

#[tokio::test]
async fn no_page_can_be_framed_scripted_cached_or_sent_elsewhere() {
    let platform = platform(&[require_mfa()]).await;
    let pages = pages(&platform).await;
    let kinds: BTreeSet<&str> = pages.iter().map(Page::kind).collect();
    assert_eq!(kinds.len(), pages.len(), "{kinds:?}");
    for page in &pages {
        let header = |name: &str| page.headers.get(name).unwrap_or_else(|| panic!("{name} on {}", page.kind())).to_str().unwrap();
        let policy = header("content-security-policy");
        for directive in
            ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "script-src 'self'", "form-action 'self'"]
        {
            assert!(policy.contains(directive), "{directive} on {}", page.kind());
        }
        assert!(!policy.contains("unsafe"));
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert!(!page.body.contains("style=") && !page.body.contains(" on") || !page.body.contains("onclick"));
        // Every script is ours, or data that is not run.
        for script in page.body.split("<script").skip(1) {
            assert!(script.starts_with(" src=\"/static/") || script.starts_with(" type=\"application/json\""), "{script}");
        }
    }
}

#[tokio::test]
async fn a_form_is_accepted_only_from_the_browser_that_got_it() {
    let platform = platform(&[]).await;
    // The attacker begins a sign-in and makes the victim's browser submit it (login CSRF).
    let mut attacker = Visitor::new(&platform);
    let page = attacker.authorize(WEB, "").await;
    let theirs = attacker.submit(page.form("/signin/account").with("username", ADA_NAME)).await;
    let form = theirs.form("/signin/password").with("password", PASSWORD);
    let mut victim = Visitor::new(&platform);
    let refused = victim.submit(form.clone()).await;
    assert_eq!((refused.kind(), refused.status.as_u16()), ("error", 400));
    assert_eq!(refused.element("error-code").unwrap(), "165000");
    assert!(!victim.cookies.contains_key("__Host-session"));
    // Not with a browser cookie of the victim's own either.
    victim.authorize(WEB, "").await;
    assert_eq!(victim.submit(form.clone()).await.kind(), "error");
    // Nor with two cookies of that name, one of them tossed in.
    let mut tossed = Visitor::new(&platform);
    let value = attacker.cookies["__Host-browser"].clone();
    tossed.cookies.insert("__Host-browser".to_owned(), format!("{value}; __Host-browser={value}"));
    assert_eq!(tossed.submit(form.clone()).await.kind(), "error");
    // A token that is bent, of another kind, or old.
    let sealed = form.fields["flow"].clone();
    let bent = format!("{}A", &sealed[..sealed.len() - 1]);
    for flow in ["", "x", &bent] {
        assert_eq!(attacker.submit(form.clone().with("flow", flow)).await.kind(), "error", "{flow}");
    }
    platform.clock.advance(Duration::from_secs(1801));
    let expired = attacker.submit(form.clone()).await;
    assert_eq!(expired.element("error-code").unwrap(), "50089");
    // Signing out needs the same.
    let page = victim.authorize(WEB, "").await;
    let page = victim.password(page, ALEX_NAME, PASSWORD).await;
    assert!(page.answer("code").is_some());
    let confirm = victim.get(&format!("/{TENANT}/oauth2/v2.0/logout?post_logout_redirect_uri=https://evil.example/")).await;
    assert_eq!(confirm.kind(), "sign-out");
    let form = confirm.form("/logout");
    assert_eq!(Visitor::new(&platform).submit(form.clone()).await.kind(), "error");
    assert!(victim.authorize(WEB, "prompt=none").await.answer("code").is_some(), "still signed in");
    let page = victim.submit(form).await;
    assert_eq!((page.kind(), page.status.as_u16()), ("signed-out", 200));
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_registered() {
    let platform = platform(&[]).await;
    let mut alex = Visitor::new(&platform);
    for redirect in [
        "https://evil.example/callback",
        "https://client.localhost/callback/..%2F..%2Fevil",
        "https://client.localhost/callback%3Fx=1",
        "https://client.localhost:444/callback",
        "https://client.localhost@evil.example/callback",
        "//evil.example",
        "javascript:alert(1)",
        "http://localhost:1234",
        "",
    ] {
        let address = format!(
            "/{TENANT}/oauth2/v2.0/authorize?client_id={WEB}&response_type=code&scope=openid&redirect_uri={redirect}&state=s"
        );
        let page = alex.get(&address).await;
        assert_eq!((page.kind(), page.status.as_u16()), ("error", 400), "{redirect}");
        assert!(page.headers.get("location").is_none());
        let silent = alex.get(&format!("{address}&prompt=none")).await;
        assert!(silent.headers.get("location").is_none());
    }
    // What is wrong with the rest goes to the registered address, with state and issuer.
    let page = alex
        .get(&format!(
            "/{TENANT}/oauth2/v2.0/authorize?client_id={WEB}&response_type=token&scope=openid&redirect_uri={CALLBACK}&state=s"
        ))
        .await;
    assert_eq!(page.answer("error").unwrap(), "unsupported_response_type");
    assert_eq!(page.answer("iss").unwrap(), format!("{BASE}/{TENANT}/v2.0"));
    // Nor after signing out.
    for query in [
        "post_logout_redirect_uri=https://evil.example/",
        &format!("client_id={WEB}&post_logout_redirect_uri=https://evil.example/"),
    ] {
        let page = alex.get(&format!("/{TENANT}/oauth2/v2.0/logout?{query}")).await;
        assert_eq!(page.kind(), "signed-out");
    }
}

#[tokio::test]
async fn what_is_typed_is_never_markup() {
    let platform = platform(&[]).await;
    let mut alex = Visitor::new(&platform);
    let evil = "\"><script>alert(1)</script>";
    let page = alex.authorize(WEB, "").await;
    let page = alex.submit(page.form("/signin/account").with("username", evil)).await;
    assert_eq!(page.kind(), "password");
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
    let hint: String = form_urlencoded::byte_serialize(evil.as_bytes()).collect();
    assert!(!alex.authorize(WEB, &format!("login_hint={hint}")).await.body.contains("<script>alert"));
    let page = alex.get(&format!("/{TENANT}/oauth2/v2.0/authorize?client_id={hint}&redirect_uri={hint}")).await;
    assert!(!page.body.contains("<script>alert"));
    let page = alex.authorize(WEB, &format!("response_mode=form_post&x={hint}&max_age={hint}")).await;
    assert!(!page.body.contains("<script>alert"));
}

/// A page without what differs from one moment to the next.
fn shape(page: &Page, name: &str) -> (u16, String, Vec<String>) {
    let mut body = page.body.replace(name, "NAME");
    for form in ["/signin/password", "/signin/passkey", "/signin/other"] {
        body = body.replace(&page.form(form).fields["flow"], "FLOW");
    }
    let challenge = options(page)["publicKey"]["challenge"].as_str().unwrap().to_owned();
    body = body.replace(&challenge, "CHALLENGE");
    let headers = page.headers.keys().map(|name| name.as_str().to_owned()).collect();
    (page.status.as_u16(), body, headers)
}

#[tokio::test]
async fn a_page_never_tells_whether_an_account_exists() {
    let platform = platform(&[require_mfa()]).await;
    let mut shapes = Vec::new();
    for name in [ALEX_NAME, PAT_NAME, "nobody@woodgrove.example"] {
        let mut visitor = Visitor::new(&platform);
        let page = visitor.authorize(WEB, "").await;
        let page = visitor.submit(page.form("/signin/account").with("username", name)).await;
        let asked = shape(&page, name);
        let wrong = visitor.submit(page.form("/signin/password").with("password", "wrong password")).await;
        assert_eq!(wrong.status.as_u16(), 401);
        assert!(!visitor.cookies.contains_key("__Host-session"));
        let refused = shape(&wrong, name);
        // Locked alike, too.
        let mut last = wrong;
        for _ in 0..10 {
            last = visitor.submit(last.form("/signin/password").with("password", "wrong password")).await;
        }
        assert_eq!(last.status.as_u16(), 429);
        shapes.push((asked, refused, shape(&last, name)));
    }
    assert_eq!(shapes[0], shapes[1]);
    assert_eq!(shapes[0], shapes[2]);
    // The log knows.
    let codes: BTreeSet<u32> = sign_ins(&platform).await.iter().map(|entry| entry.status.error_code).collect();
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), [50_034, 50_053, 50_126]);
}

#[tokio::test]
async fn guessing_is_slowed_down_even_with_the_right_password_at_last() {
    let platform = platform(&[]).await;
    let mut attacker = Visitor::new(&platform);
    let page = attacker.authorize(WEB, "").await;
    let mut page = attacker.submit(page.form("/signin/account").with("username", ALEX_NAME)).await;
    for _ in 0..10 {
        page = attacker.submit(page.form("/signin/password").with("password", "a wrong guess")).await;
        assert_eq!(page.status.as_u16(), 401);
    }
    let locked = attacker.submit(page.form("/signin/password").with("password", PASSWORD)).await;
    assert_eq!(locked.status.as_u16(), 429);
    assert!(locked.headers.contains_key("retry-after"));
    // Another name is not locked with it; this one opens again after a minute.
    assert!(Visitor::new(&platform).sign_in(WEB, ADA_NAME).await.answer("code").is_some());
    platform.clock.advance(Duration::from_secs(61));
    assert!(attacker.submit(page.form("/signin/password").with("password", PASSWORD)).await.answer("code").is_some());
}

#[tokio::test]
async fn codes_are_good_once_and_guessing_them_is_slowed_down() {
    let platform = platform(&[require_mfa()]).await;
    let mut alex = Visitor::new(&platform);
    let first = alex.sign_in(WEB, ALEX_NAME).await;
    let code = alex.code();
    assert!(alex.submit(first.form("/signin/totp").with("otp", &code)).await.answer("code").is_some());
    // Over the shoulder: the same code, in the same half minute, with the right password.
    let mut thief = Visitor::new(&platform);
    let page = thief.sign_in(WEB, ALEX_NAME).await;
    let replayed = thief.submit(page.form("/signin/totp").with("otp", &code)).await;
    assert_eq!((replayed.kind(), replayed.status.as_u16()), ("totp", 401));
    let wrong = thief.submit(page.form("/signin/totp").with("otp", "000000")).await;
    assert_eq!(replayed.element("otp-error"), wrong.element("otp-error"), "a used code looks like a wrong one");
    let mut last = wrong;
    for _ in 0..9 {
        last = thief.submit(page.form("/signin/totp").with("otp", "000000")).await;
    }
    assert_eq!(last.status.as_u16(), 429);
    platform.clock.advance(Duration::from_secs(30));
    let fresh = thief.code();
    assert_eq!(thief.submit(page.form("/signin/totp").with("otp", &fresh)).await.status.as_u16(), 429);
    // A code alone signs nobody in, and the page of one person is not good for another browser's session.
    let mut nobody = Visitor::new(&platform);
    let account = nobody.authorize(WEB, "").await;
    let flow = account.form("/signin/account").fields["flow"].clone();
    let mut form = account.form("/signin/account");
    form.action = format!("/{TENANT}/signin/totp");
    let page = nobody.submit(form.with("flow", &flow).with("otp", &fresh)).await;
    assert_eq!(page.kind(), "account");
}

#[tokio::test]
async fn a_session_fixed_beforehand_is_worth_nothing() {
    let platform = platform(&[require_mfa()]).await;
    let mut attacker = Visitor::new(&platform);
    let page = attacker.sign_in(WEB, PAT_NAME).await;
    assert_eq!(page.kind(), "refused");
    let fixed = attacker.cookies["__Host-session"].clone();
    // The victim's browser has the attacker's cookie when its person signs in.
    let mut victim = Visitor::new(&platform);
    victim.cookies.insert("__Host-session".to_owned(), fixed.clone());
    let page = victim.authorize(WEB, "login_hint=alex@woodgrove.example").await;
    assert_eq!(page.kind(), "password");
    let page = victim.submit(page.form("/signin/password").with("password", PASSWORD)).await;
    let after_password = victim.cookies["__Host-session"].clone();
    let page = victim.totp(&page).await;
    assert!(page.answer("code").is_some());
    let after_code = victim.cookies["__Host-session"].clone();
    // A new session for another person, and a new secret at each step.
    let (id, secret) = after_password.split_once('.').map(|(id, secret)| (id.to_owned(), secret.to_owned())).unwrap();
    assert_ne!(fixed.split_once('.').unwrap().0, id);
    assert_eq!(after_code.split_once('.').unwrap().0, id);
    assert_ne!(after_code.split_once('.').unwrap().1, secret);
    for old in [fixed, after_password, format!("{id}."), format!("{id}.{}", "A".repeat(43))] {
        let mut thief = Visitor::new(&platform);
        thief.cookies.insert("__Host-session".to_owned(), old);
        assert_eq!(thief.authorize(WEB, "prompt=none").await.answer("error").unwrap(), "login_required");
    }
}

#[tokio::test]
async fn an_authorization_code_is_good_once_for_whom_it_was_made() {
    let platform = platform(&[]).await;
    let mut alex = Visitor::new(&platform);
    let code = alex.sign_in(WEB, ALEX_NAME).await.answer("code").unwrap();
    let form = |client: &'static str, secret: Option<&'static str>, redirect: &'static str, verifier: Option<&'static str>| {
        let mut form = vec![("grant_type", "authorization_code"), ("client_id", client), ("redirect_uri", redirect)];
        form.extend(secret.map(|secret| ("client_secret", secret)));
        form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        form
    };
    let verifier = Some(crate::sign_in_fixture::VERIFIER);
    let other_verifier = Some("xBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    for (form, number) in [
        (form(DAEMON, Some(SECRET), CALLBACK, verifier), 70_000),
        (form(NATIVE, None, CALLBACK, verifier), 70_000),
        (form(WEB, None, CALLBACK, verifier), 7_000_218),
        (form(WEB, Some("guess"), CALLBACK, verifier), 7_000_215),
        (form(WEB, Some(SECRET), "https://client.localhost/other", verifier), 50_011),
        (form(WEB, Some(SECRET), CALLBACK, None), 900_144),
        (form(WEB, Some(SECRET), CALLBACK, other_verifier), 501_481),
        (form(WEB, Some(SECRET), CALLBACK, Some(CHALLENGE)), 501_481),
    ] {
        let mut form = form;
        form.push(("code", &code));
        let (status, body) = token(&platform, &form).await;
        assert_eq!((status / 100, &body["error_codes"]), (4, &json!([number])), "{form:?}");
    }
    // None of that spoiled it. Once it is used, a second use revokes everything that it led to.
    let (status, tokens) = redeem_web(&platform, &code).await;
    assert_eq!(status, 200);
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(platform.get("/v1.0/me", access).await.status.as_u16(), 200);
    let before = platform.last_event().await;
    let (status, body) = redeem_web(&platform, &code).await;
    assert_eq!((status, &body["error"], &body["error_codes"]), (400, &json!("invalid_grant"), &json!([54_005])));
    assert_eq!(platform.events_after(before).await[0].0, "session-revoked");
    assert_eq!(refresh_web(&platform, tokens["refresh_token"].as_str().unwrap()).await.1["error_codes"], json!([50_173]));
    assert_eq!(platform.get("/v1.0/me", access).await.status.as_u16(), 401);
    assert_eq!(platform.activities().await.last().unwrap(), "Revoke session");
    for guess in ["", "x", &runtime::random::token()] {
        assert_eq!(redeem_web(&platform, guess).await.0, 400);
    }
}

#[tokio::test]
async fn a_downgrade_of_pkce_is_refused() {
    let platform = platform(&[]).await;
    let mut alex = Visitor::new(&platform);
    let ask = |client: &str, redirect: &str, extra: &str| {
        format!(
            "/{TENANT}/oauth2/v2.0/authorize?client_id={client}&response_type=code&redirect_uri={redirect}&scope=openid&{extra}"
        )
    };
    let plain = format!("code_challenge={CHALLENGE}&code_challenge_method=plain");
    let unsaid = format!("code_challenge={CHALLENGE}");
    for extra in ["", &plain, &unsaid] {
        let page = alex.get(&ask(NATIVE, "http://localhost:5000", extra)).await;
        assert_eq!(page.answer("error").unwrap(), "invalid_request", "{extra}");
    }
    let page = alex.get(&ask(WEB, CALLBACK, &plain)).await;
    assert_eq!(page.answer("error").unwrap(), "invalid_request");
    // The challenge was taken out on the way: the client's verifier shows it.
    let page = alex.get(&ask(WEB, CALLBACK, "")).await;
    let code = alex.password(page, ALEX_NAME, PASSWORD).await.answer("code").unwrap();
    assert_eq!(redeem_web(&platform, &code).await.1["error_codes"], json!([501_481]));
}

#[tokio::test]
async fn a_refresh_token_used_twice_revokes_the_family() {
    let platform = platform(&[]).await;
    let mut alex = Visitor::new(&platform);
    let code = alex.sign_in(WEB, ALEX_NAME).await.answer("code").unwrap();
    let (_, tokens) = redeem_web(&platform, &code).await;
    let first = tokens["refresh_token"].as_str().unwrap();
    let second = refresh_web(&platform, first).await.1["refresh_token"].as_str().unwrap().to_owned();
    // Another client cannot use it, nor does it spoil it by trying.
    let others = [("grant_type", "refresh_token"), ("client_id", DAEMON), ("client_secret", SECRET), ("refresh_token", &second)];
    assert_eq!(token(&platform, &others).await.1["error_codes"], json!([70_000]));
    let without = [("grant_type", "refresh_token"), ("client_id", WEB), ("refresh_token", &*second)];
    assert_eq!(token(&platform, &without).await.1["error_codes"], json!([7_000_218]));
    let third = refresh_web(&platform, &second).await.1["refresh_token"].as_str().unwrap().to_owned();
    let before = platform.last_event().await;
    let (status, body) = refresh_web(&platform, first).await;
    assert_eq!((status, &body["error"], &body["error_codes"]), (400, &json!("invalid_grant"), &json!([50_173])));
    // The rightful holder of the newest one is out as well, and so is the browser.
    assert_eq!(refresh_web(&platform, &third).await.1["error_codes"], json!([50_173]));
    assert_eq!(alex.authorize(WEB, "prompt=none").await.answer("error").unwrap(), "login_required");
    assert_eq!(platform.events_after(before).await[0].0, "session-revoked");
    // At the same moment from two sides: one of them at most.
    let code = alex.sign_in(WEB, ALEX_NAME).await.answer("code").unwrap();
    let tokens = redeem_web(&platform, &code).await.1;
    let racing = tokens["refresh_token"].as_str().unwrap();
    let answers = futures_util::future::join_all((0..4).map(|_| refresh_web(&platform, racing))).await;
    assert_eq!(answers.iter().filter(|(status, _)| *status == 200).count(), 1);
}

#[tokio::test]
async fn a_disabled_person_gets_nothing_any_more() {
    let platform = platform(&[]).await;
    let mut alex = Visitor::new(&platform);
    let page = alex.sign_in(WEB, ALEX_NAME).await;
    let (_, tokens) = redeem_web(&platform, &page.answer("code").unwrap()).await;
    let unredeemed = alex.authorize(WEB, "").await.answer("code").unwrap();
    let form = alex.authorize(WEB, "prompt=login").await.form("/signin/password").with("password", PASSWORD);
    let admin = platform.application_token_of(DAEMON, &["User.ReadWrite.All"]);
    platform.patch(&format!("/v1.0/users/{ALEX}"), &admin, json!({"accountEnabled": false})).await.expect(204);

    let (status, body) = refresh_web(&platform, tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!((status, &body["error"], &body["error_codes"]), (400, &json!("invalid_grant"), &json!([50_057])));
    assert_eq!(redeem_web(&platform, &unredeemed).await.1["error_codes"], json!([50_057]));
    assert_eq!(platform.get("/v1.0/me", tokens["access_token"].as_str().unwrap()).await.status.as_u16(), 401);
    assert_eq!(alex.authorize(WEB, "prompt=none").await.answer("error").unwrap(), "login_required");
    // Who knows the password hears that the account is disabled; who does not, does not.
    let wrong = alex.submit(form.clone().with("password", "wrong password")).await;
    assert_eq!((wrong.kind(), wrong.status.as_u16()), ("password", 401));
    let right = alex.submit(form).await;
    assert_eq!((right.kind(), right.status.as_u16()), ("error", 403));
    assert_eq!(right.element("error-code").unwrap(), "50057");
    assert_eq!(sign_ins(&platform).await[0].status.error_code, 50_057);
    // Enabled again, the old session and tokens stay dead.
    platform.patch(&format!("/v1.0/users/{ALEX}"), &admin, json!({"accountEnabled": true})).await.expect(204);
    assert_eq!(refresh_web(&platform, tokens["refresh_token"].as_str().unwrap()).await.1["error_codes"], json!([50_173]));
    assert_eq!(platform.get("/v1.0/me", tokens["access_token"].as_str().unwrap()).await.status.as_u16(), 401);
    assert_eq!(alex.authorize(WEB, "prompt=none").await.answer("error").unwrap(), "login_required");
}

#[tokio::test]
async fn a_flood_of_wrong_passwords_does_not_starve_a_refresh() {
    let platform = Platform::with(None, |config| config.password_queue = 4).await;
    assert!(!platform.apply(crate::sign_in_fixture::objects(&[])).await.is_refused());
    let mut alex = Visitor::new(&platform);
    let code = alex.sign_in(WEB, ALEX_NAME).await.answer("code").unwrap();
    let (_, tokens) = redeem_web(&platform, &code).await;
    let mut refresh_token = tokens["refresh_token"].as_str().unwrap().to_owned();
    let form = {
        let mut attacker = Visitor::new(&platform);
        let page = attacker.authorize(WEB, "").await;
        let page = attacker.submit(page.form("/signin/account").with("username", "nobody@woodgrove.example")).await;
        (attacker.cookies.clone(), page.form("/signin/password").with("password", "wrong password"))
    };
    let flood = futures_util::future::join_all((0..40).map(|_| {
        let mut attacker = Visitor::new(&platform);
        attacker.cookies = form.0.clone();
        let form = form.1.clone();
        async move { attacker.submit(form).await.status.as_u16() }
    }));
    let refreshing = async {
        let mut statuses = Vec::new();
        for _ in 0..5 {
            let (status, tokens) = refresh_web(&platform, &refresh_token).await;
            refresh_token = tokens["refresh_token"].as_str().unwrap_or_default().to_owned();
            statuses.push(status);
        }
        statuses
    };
    let (flood, refreshed) = futures_util::future::join(flood, refreshing).await;
    assert_eq!(refreshed, [200; 5]);
    let busy = flood.iter().filter(|status| **status == 429).count();
    assert!(busy >= 20, "{flood:?}");
    assert!(flood.iter().all(|status| [401, 429].contains(status)), "{flood:?}");
}

#[tokio::test]
async fn a_passkey_answer_is_good_once_for_its_challenge_and_its_owner() {
    let platform = platform(&[]).await;
    let mut alex = Visitor::new(&platform);
    let mut authenticator = Authenticator::new();
    let page = alex.get(&format!("/{TENANT}/mysecurityinfo")).await;
    alex.password(page, ALEX_NAME, PASSWORD).await;
    let page = alex.get(&format!("/{TENANT}/mysecurityinfo")).await;
    alex.totp(&page).await;
    let page = alex.get(&format!("/{TENANT}/mysecurityinfo")).await;
    let page = alex.submit(page.choice("add-passkey")).await;
    alex.register_passkey(&page, &mut authenticator).await;

    let mut browser = Visitor::new(&platform);
    let page = browser.authorize(WEB, "").await;
    let origin = BASE.parse().unwrap();
    let answer = authenticator.get(&origin, &options(&page)).unwrap().to_string();
    let form = page.form("/signin/passkey").with("credential", &answer);
    let mut elsewhere = Visitor::new(&platform);
    assert_eq!(elsewhere.submit(form.clone()).await.kind(), "error", "another browser");
    // An answer to another challenge; and the challenge is used up by the attempt.
    let other = browser.authorize(WEB, "").await;
    let mixed = browser.submit(other.form("/signin/passkey").with("credential", &answer)).await;
    assert_eq!((mixed.kind(), mixed.status.as_u16()), ("account", 401));
    assert!(browser.submit(form.clone()).await.answer("code").is_some());
    let again = browser.submit(form).await;
    assert_eq!((again.kind(), again.element("error-code").as_deref()), ("error", Some("50089")));
    // Made for another origin.
    let page = browser.authorize(WEB, "prompt=login").await;
    let elsewhere = "https://localhost:9443".parse().unwrap();
    let phished = authenticator.get(&elsewhere, &options(&page)).unwrap().to_string();
    assert_eq!(browser.submit(page.form("/signin/passkey").with("credential", &phished)).await.status.as_u16(), 401);
    for garbage in ["", "{}", "[]", "x"] {
        let page = browser.authorize(WEB, "prompt=login").await;
        assert_eq!(browser.submit(page.form("/signin/passkey").with("credential", garbage)).await.status.as_u16(), 401);
    }
}

#[tokio::test]
async fn a_stolen_password_is_not_enough_to_add_a_method() {
    let platform = platform(&[]).await;
    let mut thief = Visitor::new(&platform);
    let page = thief.get(&format!("/{TENANT}/mysecurityinfo")).await;
    thief.password(page, ALEX_NAME, PASSWORD).await;
    // No policy asks for it; the account has a second factor, so it is asked for.
    let page = thief.get(&format!("/{TENANT}/mysecurityinfo")).await;
    assert_eq!(page.kind(), "totp");
    let mut form = page.form("/signin/totp");
    form.action = format!("/{TENANT}/mysecurityinfo");
    assert_eq!(thief.submit(form.clone().with("action", "add-passkey")).await.kind(), "totp");
    form.action = format!("/{TENANT}/signin/method");
    assert_eq!(thief.submit(form.clone().with("method", "register-totp")).await.kind(), "totp");
    form.action = format!("/{TENANT}/signin/register-totp");
    assert_eq!(thief.submit(form).await.kind(), "error");
}

#[tokio::test]
async fn bearer_tokens_are_held_against_what_is_true_now() {
    let platform = platform(&[]).await;
    let mut alex = Visitor::new(&platform);
    let code = alex.sign_in(WEB, ALEX_NAME).await.answer("code").unwrap();
    let (_, tokens) = redeem_web(&platform, &code).await;
    let access = tokens["access_token"].as_str().unwrap();
    let server = &platform;
    let me = |token: String| async move { server.get("/v1.0/me", &token).await.status.as_u16() };
    assert_eq!(me(access.to_owned()).await, 200);
    // An ID token is no access token, and a token for another resource is none for Graph.
    assert_eq!(me(tokens["id_token"].as_str().unwrap().to_owned()).await, 401);
    assert_eq!(me(String::new()).await, 401);
    assert_eq!(me(format!("{access}x")).await, 401);
    let mut foreign = claims(access);
    foreign["sid"] = json!(platform.session("00000000-0000-0000-0000-0000000000a1").await.as_str());
    assert_eq!(me(platform.sign(&foreign)).await, 401, "a session of somebody else");
    foreign["sid"] = json!("none");
    assert_eq!(me(platform.sign(&foreign)).await, 401);
    let expired = platform.claims(json!({"exp": platform.clock.now().seconds()}));
    assert_eq!(me(platform.sign(&expired)).await, 401);
    // A permission that was taken away counts no more, though the token names it.
    let daemon = platform.application_token_of(WEB, &["User.Read.All"]);
    assert_eq!(platform.get("/v1.0/users", &daemon).await.status.as_u16(), 403);
    // Sessions valid from now on.
    let mut user = platform.state.snapshot().directory.users[&UserId::new(ALEX)].clone();
    platform.clock.advance(Duration::from_secs(1));
    user.sign_in_sessions_valid_from_date_time = Some(platform.clock.now());
    let mut tx = platform.state.store.begin().await.unwrap();
    store::object::put(&mut tx, &Object::User(user), platform.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    platform.state.reload().await.unwrap();
    assert!(platform.state.snapshot().objects.contains_key(&(Kind::User, ALEX.to_owned())));
    assert_eq!(me(access.to_owned()).await, 401);
}

#[tokio::test]
async fn methods_that_cannot_be_read_count_for_nothing() {
    let platform = platform(&[require_mfa()]).await;
    let mut alex = Visitor::new(&platform);
    let page = alex.sign_in(WEB, ALEX_NAME).await;
    alex.totp(&page).await;
    let id = model::SessionId::new(alex.cookies["__Host-session"].split_once('.').unwrap().0);
    let mut session = store::session::get(&platform.state.store, &id).await.unwrap().unwrap();
    let methods: Vec<MethodUse> = serde_json::from_str(&session.methods).unwrap();
    assert_eq!(methods.iter().map(|used| used.method).collect::<Vec<_>>(), [Used::Password, Used::SoftwareOath]);
    session.methods = r#"["everything"]"#.to_owned();
    let mut tx = platform.state.store.begin().await.unwrap();
    assert!(store::session::update(&mut tx, &session).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(alex.authorize(WEB, "prompt=none").await.answer("error").unwrap(), "interaction_required");
}
