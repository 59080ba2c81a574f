//! Signing in as people do: page by page, until the application has its tokens and the log says how it went.

use crate::admin_fixture::{BASE, GRAPH, SECRET, TENANT};
use crate::sign_in_fixture::{
    ADA, ADA_NAME, ALEX, ALEX_NAME, DAEMON, GATEWAY, NATIVE, PAT_NAME, PAYROLL, Visitor, WEB, claims, mfa_to_register,
    phishing_resistant_for, platform, policy, redeem_web, refresh_web, require_mfa, sign_ins, token,
};
use http::Method;
use model::Timestamp;
use serde_json::json;
use std::time::Duration;
use testkit::Authenticator;

#[tokio::test]
async fn a_password_and_a_code_make_tokens_that_say_who_it_is() {
    let platform = platform(&[require_mfa()]).await;
    let mut alex = Visitor::new(&platform);
    let page = alex.sign_in(WEB, ALEX_NAME).await;
    // Held until a second factor, and told which policy asks.
    assert_eq!((page.kind(), page.status.as_u16()), ("totp", 200));
    assert_eq!(page.policies(), ["00000000-0000-0000-0000-0000000000e1"]);
    let page = alex.totp(&page).await;
    assert!(page.location().starts_with("https://client.localhost/callback?code="), "{}", page.location());
    assert_eq!(page.answer("state").unwrap(), "the state");
    assert_eq!(page.answer("iss").unwrap(), format!("{BASE}/{TENANT}/v2.0"));

    let (status, tokens) = redeem_web(&platform, &page.answer("code").unwrap()).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["scope"], "email offline_access openid profile User.Read");
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!(access["aud"], GRAPH);
    assert_eq!(access["iss"], format!("{BASE}/{TENANT}/v2.0"));
    assert_eq!(access["oid"], ALEX);
    assert_eq!(access["sub"], ALEX);
    assert_eq!(access["azp"], WEB);
    assert_eq!(access["azpacr"], "1");
    assert_eq!(access["scp"], "User.Read email openid profile");
    assert_eq!(access["amr"], json!(["mfa", "otp", "pwd"]));
    assert_eq!(access["ver"], "2.0");
    let life = access["exp"].as_i64().unwrap() - access["iat"].as_i64().unwrap();
    assert!((3600..=5400).contains(&life));
    let id = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!((&id["aud"], &id["nonce"]), (&json!(WEB), &json!("the-nonce")));
    assert_eq!((&id["sid"], &id["preferred_username"]), (&access["sid"], &json!(ALEX_NAME)));
    let info = claims(&format!("x.{}.x", tokens["client_info"].as_str().unwrap()));
    assert_eq!(info, json!({"uid": ALEX, "utid": TENANT}));

    // The token is good for Graph, and each attempt is in the log, with each policy's result.
    let log = sign_ins(&platform).await;
    assert_eq!(log.len(), 2);
    assert_eq!(log[0].status.error_code, 0);
    assert_eq!(log[0].unique_token_identifier.as_deref(), access["uti"].as_str());
    assert_eq!(log[0].applied_conditional_access_policies[0].result, "success");
    assert_eq!(log[0].conditional_access_status, "success");
    assert_eq!(log[0].ip_address, "203.0.113.7");
    assert_eq!((log[0].client_app_used.as_str(), log[0].device_detail.operating_system.as_str()), ("Browser", "Linux"));
    assert_eq!(log[1].status.error_code, 50_076);
    assert_eq!(log[1].applied_conditional_access_policies[0].result, "failure");
    assert_eq!(log[0].correlation_id, log[1].correlation_id);
    // The decision can be replayed: the stored request gives the stored answer.
    let (request, decision) = store::sign_in::evidence(&platform.state.store, &log[0].id).await.unwrap().unwrap();
    let request = serde_json::from_str(&request).unwrap();
    let again = policy::decide(&platform.state.snapshot().policies, &request, log[0].created_date_time);
    assert_eq!(serde_json::to_string(&again).unwrap(), decision);
}

#[tokio::test]
async fn a_session_signs_in_silently_and_a_refresh_is_decided_anew() {
    let platform = platform(&[]).await;
    let mut alex = Visitor::new(&platform);
    let page = alex.sign_in(WEB, ALEX_NAME).await;
    let (_, tokens) = redeem_web(&platform, &page.answer("code").unwrap()).await;
    let first = tokens["refresh_token"].as_str().unwrap().to_owned();
    // Single sign-on, without a page, to another client.
    let silent = alex.authorize(NATIVE, "prompt=none").await;
    assert!(silent.location().starts_with("http://localhost:51234?code="));
    let (status, refreshed) = refresh_web(&platform, &first).await;
    assert_eq!(status, 200, "{refreshed}");
    let second = refreshed["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    assert_eq!(sign_ins(&platform).await[0].sign_in_event_types, ["nonInteractiveUser"]);

    // A policy that comes later counts for tokens and sessions that are there already.
    let report = platform.apply(vec![require_mfa()]).await;
    assert!(!report.is_refused());
    let (status, body) = refresh_web(&platform, &second).await;
    assert_eq!((status, &body["error"]), (400, &json!("interaction_required")));
    assert_eq!(body["error_codes"], json!([50_076]));
    assert_eq!(body["suberror"], "basic_action");
    assert!(body["claims"].as_str().unwrap().contains("00000000-0000-0000-0000-0000000000e1"));
    let silent = alex.authorize(WEB, "prompt=none").await;
    assert_eq!(silent.answer("error").unwrap(), "interaction_required");
    assert!(silent.answer("error_description").unwrap().starts_with("AADSTS50076: "));
    // After the step-up the same refresh token goes on.
    let page = alex.authorize(WEB, "").await;
    assert_eq!(page.kind(), "totp");
    assert!(alex.totp(&page).await.answer("code").is_some());
    assert_eq!(refresh_web(&platform, &second).await.0, 200);
}

#[tokio::test]
async fn an_administrator_needs_a_passkey_where_the_policy_says_so() {
    let platform = platform(&[require_mfa(), phishing_resistant_for(PAYROLL), mfa_to_register()]).await;
    let mut ada = Visitor::new(&platform);
    let mut authenticator = Authenticator::new();
    let page = ada.sign_in(GATEWAY, ADA_NAME).await;
    // Password and code would do for MFA, but not for this: refused, and told what would.
    assert_eq!((page.kind(), page.status.as_u16()), ("refused", 403), "{}", page.body);
    assert_eq!(page.element("error-code").unwrap(), "50079");
    assert!(page.policies().contains(&"00000000-0000-0000-0000-0000000000e3"));
    assert!(page.body.contains("passkey"));
    assert!(page.element("correlation-id").is_some_and(|id| id.len() == 36));
    // To register one she must show the second factor that she has.
    let page = ada.submit(page.choice("register-passkey")).await;
    assert_eq!(page.kind(), "totp", "{}", page.body);
    let page = ada.totp(&page).await;
    assert_eq!(page.kind(), "register-passkey", "{}", page.body);
    let page = ada.register_passkey(&page, &mut authenticator).await;
    // It is registered; now it is asked for.
    assert_eq!(page.kind(), "passkey", "{}", page.body);
    let page = ada.passkey(&page, &mut authenticator).await;
    let code = page.answer("code").unwrap();
    let redirect = "https://payroll.localhost:8444/.auth/callback";
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", GATEWAY),
        ("client_secret", SECRET),
        ("code", &code),
        ("redirect_uri", redirect),
        ("code_verifier", crate::sign_in_fixture::VERIFIER),
    ];
    let (status, tokens) = token(&platform, &form).await;
    assert_eq!(status, 200, "{tokens}");
    assert!(tokens["refresh_token"].is_null());
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!((&access["aud"], &access["oid"]), (&json!(PAYROLL), &json!(ADA)));
    assert!(access["wids"].is_null(), "directory roles are for Graph");
    assert!(access["amr"].as_array().unwrap().contains(&json!("fido")));
    // Another browser, without a name or password: the passkey alone says who it is, and is enough.
    let mut elsewhere = Visitor::new(&platform);
    let page = elsewhere.authorize(GATEWAY, "").await;
    let page = elsewhere.passkey(&page, &mut authenticator).await;
    assert!(page.answer("code").is_some());
    assert_eq!(platform.activities().await.iter().filter(|it| *it == "User registered security info").count(), 1);
}

#[tokio::test]
async fn somebody_without_a_second_factor_registers_one_unless_a_policy_keeps_them_from_it() {
    let platform = platform(&[require_mfa()]).await;
    let mut pat = Visitor::new(&platform);
    let page = pat.sign_in(WEB, PAT_NAME).await;
    assert_eq!(page.kind(), "refused");
    assert!(page.offers("register-totp") && page.offers("register-passkey"));
    let page = pat.submit(page.choice("register-totp")).await;
    assert_eq!(page.kind(), "register-totp");
    let secret = page.element("totp-secret").unwrap();
    assert!(page.body.contains("otpauth://totp/Woodgrove"));
    // A wrong code keeps the secret, a right one goes on, and is used up with that.
    let page = pat.submit(page.form("/signin/register-totp").with("otp", "000000")).await;
    assert_eq!((page.kind(), page.status.as_u16()), ("register-totp", 400));
    assert_eq!(page.element("totp-secret").unwrap(), secret);
    let code = testkit::totp::code(&secret, platform.clock.now()).unwrap();
    let page = pat.submit(page.form("/signin/register-totp").with("otp", &code)).await;
    assert!(page.answer("code").is_some());
    let mut again = Visitor::new(&platform);
    let page = again.sign_in(WEB, PAT_NAME).await;
    assert_eq!(page.kind(), "totp");
    let page = again.submit(page.form("/signin/totp").with("otp", &code)).await;
    assert_eq!((page.kind(), page.status.as_u16()), ("totp", 401));

    let platform = crate::sign_in_fixture::platform(&[require_mfa(), mfa_to_register()]).await;
    let mut pat = Visitor::new(&platform);
    let page = pat.sign_in(WEB, PAT_NAME).await;
    assert_eq!(page.kind(), "refused");
    assert!(!page.offers("register-totp") && !page.offers("register-passkey"), "{}", page.body);
    // Back to the application, which hears why.
    let page = pat.submit(page.form("/signin/cancel")).await;
    assert_eq!(page.answer("error").unwrap(), "interaction_required");
}

#[tokio::test]
async fn a_report_only_policy_is_in_the_log_and_nowhere_else() {
    let mut block = policy("e4", "CA004: report only", json!({"operator": "OR", "builtInControls": ["block"]}));
    block["state"] = json!("enabledForReportingButNotEnforced");
    let platform = platform(&[block]).await;
    let page = Visitor::new(&platform).sign_in(WEB, ALEX_NAME).await;
    assert!(page.answer("code").is_some());
    let log = sign_ins(&platform).await;
    assert_eq!(log[0].applied_conditional_access_policies[0].result, "reportOnlyFailure");
    assert_eq!(log[0].conditional_access_status, "notApplied");
}

#[tokio::test]
async fn a_block_names_the_policy_and_nothing_satisfies_it() {
    let platform =
        platform(&[require_mfa(), policy("e2", "CA002: closed", json!({"operator": "OR", "builtInControls": ["block"]}))]).await;
    let mut alex = Visitor::new(&platform);
    let page = alex.sign_in(WEB, ALEX_NAME).await;
    assert_eq!((page.kind(), page.status.as_u16()), ("refused", 403));
    assert_eq!(page.policies(), ["00000000-0000-0000-0000-0000000000e2"]);
    assert_eq!(page.element("error-code").unwrap(), "53003");
    let page = alex.submit(page.form("/signin/cancel")).await;
    assert_eq!(page.answer("error").unwrap(), "access_denied");
    assert_eq!(page.answer("state").unwrap(), "the state");
}

#[tokio::test]
async fn prompts_hints_and_ages_are_honoured() {
    let platform = platform(&[]).await;
    let mut alex = Visitor::new(&platform);
    assert_eq!(alex.authorize(WEB, "prompt=none").await.answer("error").unwrap(), "login_required");
    let page = alex.authorize(WEB, "login_hint=alex@woodgrove.example").await;
    assert_eq!(page.kind(), "password");
    let page = alex.submit(page.form("/signin/password").with("password", crate::sign_in_fixture::PASSWORD)).await;
    assert!(page.answer("code").is_some());
    // Signed in: nothing is asked, unless the client wants it.
    assert!(alex.authorize(WEB, "").await.answer("code").is_some());
    assert_eq!(alex.authorize(WEB, "prompt=login").await.kind(), "password");
    assert!(alex.authorize(WEB, "max_age=60").await.answer("code").is_some());
    platform.clock.advance(Duration::from_secs(61));
    assert_eq!(alex.authorize(WEB, "max_age=60").await.kind(), "password");
    assert!(alex.authorize(WEB, "max_age=3600").await.answer("code").is_some());
    // Another account is hinted at: this session is not taken for it.
    assert_eq!(alex.authorize(WEB, "login_hint=ada@woodgrove.example").await.kind(), "password");
    assert_eq!(
        alex.authorize(WEB, "login_hint=ada@woodgrove.example&prompt=none").await.answer("error").unwrap(),
        "login_required"
    );
    // The choice of an account.
    let page = alex.authorize(WEB, "prompt=select_account").await;
    assert_eq!(page.kind(), "select-account");
    assert!(page.body.contains("alex &#60;b&#62;"), "names are escaped");
    let other = alex.submit(page.form("/signin/other")).await;
    assert_eq!(other.kind(), "account");
    assert!(alex.submit(page.form("/signin/continue")).await.answer("code").is_some());
    // Somebody else signs in with the same browser: the first session is over, and whoever listens is told.
    let before = platform.last_event().await;
    let page = alex.password(other, ADA_NAME, crate::sign_in_fixture::PASSWORD).await;
    assert!(page.answer("code").is_some());
    assert_eq!(platform.events_after(before).await[0].0, "session-revoked");
}

#[tokio::test]
async fn sign_in_frequency_asks_again_and_bounds_the_token() {
    let mut policy = policy("e5", "CA005: every hour", json!(null));
    policy["sessionControls"] = json!({"signInFrequency": {"isEnabled": true, "value": 1, "type": "hours",
        "authenticationType": "primaryAndSecondaryAuthentication", "frequencyInterval": "timeBased"}});
    let platform = platform(&[policy]).await;
    let mut alex = Visitor::new(&platform);
    let page = alex.sign_in(WEB, ALEX_NAME).await;
    let (_, tokens) = redeem_web(&platform, &page.answer("code").unwrap()).await;
    assert!(tokens["expires_in"].as_i64().unwrap() <= 3600);
    platform.clock.advance(Duration::from_secs(1800));
    let page = alex.authorize(WEB, "").await;
    let (_, later) = redeem_web(&platform, &page.answer("code").unwrap()).await;
    assert!(later["expires_in"].as_i64().unwrap() <= 1800, "{later}");
    platform.clock.advance(Duration::from_secs(1801));
    let page = alex.authorize(WEB, "").await;
    assert_eq!(page.kind(), "password", "{}", page.body);
    assert_eq!(page.policies(), ["00000000-0000-0000-0000-0000000000e5"]);
    let (status, body) = refresh_web(&platform, tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!((status, &body["error_codes"]), (400, &json!([70_043])));
    let page = alex.submit(page.form("/signin/password").with("password", crate::sign_in_fixture::PASSWORD)).await;
    assert!(page.answer("code").is_some());
}

#[tokio::test]
async fn form_post_fragment_and_a_public_client() {
    let platform = platform(&[]).await;
    let mut alex = Visitor::new(&platform);
    let page = alex.authorize(WEB, "response_mode=form_post").await;
    let page = alex.password(page, ALEX_NAME, crate::sign_in_fixture::PASSWORD).await;
    assert_eq!(page.kind(), "form-post");
    let form = page.form("/callback");
    assert_eq!(form.action, crate::sign_in_fixture::CALLBACK);
    assert_eq!(form.fields["state"], "the state");
    assert_eq!(redeem_web(&platform, &form.fields["code"]).await.0, 200);
    let page = alex.authorize(WEB, "response_mode=fragment").await;
    assert!(page.location().starts_with("https://client.localhost/callback#code="));

    let page = alex.authorize(NATIVE, "").await;
    let code = page.answer("code").unwrap();
    let form = |extra: &'static [(&'static str, &'static str)]| {
        let mut form =
            vec![("grant_type", "authorization_code"), ("client_id", NATIVE), ("redirect_uri", "http://localhost:51234")];
        form.extend(extra);
        form
    };
    let mut with_secret = form(&[("code_verifier", crate::sign_in_fixture::VERIFIER), ("client_secret", "x")]);
    with_secret.push(("code", &code));
    assert_eq!(token(&platform, &with_secret).await.1["error_codes"], json!([700_025]));
    let mut public = form(&[("code_verifier", crate::sign_in_fixture::VERIFIER)]);
    public.push(("code", &code));
    let (status, tokens) = token(&platform, &public).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(claims(tokens["access_token"].as_str().unwrap())["azpacr"], "0");
    let native = sign_ins(&platform).await.into_iter().find(|entry| entry.app_id.as_str() == NATIVE).unwrap();
    assert_eq!(native.client_app_used, "Mobile Apps and Desktop clients");
}

#[tokio::test]
async fn an_application_signs_in_for_itself() {
    let platform = platform(&[require_mfa()]).await;
    let scope = "https://graph.microsoft.com/.default";
    let form = [("grant_type", "client_credentials"), ("client_id", DAEMON), ("client_secret", SECRET), ("scope", scope)];
    let (status, tokens) = token(&platform, &form).await;
    assert_eq!(status, 200, "{tokens}");
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!((&access["aud"], &access["idtyp"]), (&json!(GRAPH), &json!("app")));
    assert!(access["roles"].as_array().unwrap().contains(&json!("User.Read.All")));
    assert!(access["scp"].is_null() && tokens["refresh_token"].is_null() && tokens["id_token"].is_null());
    assert_eq!(sign_ins(&platform).await[0].sign_in_event_types, ["servicePrincipal"]);
    assert_eq!(platform.get("/v1.0/users", tokens["access_token"].as_str().unwrap()).await.status.as_u16(), 200);

    let wrong = [("grant_type", "client_credentials"), ("client_id", DAEMON), ("client_secret", "guess"), ("scope", scope)];
    let (status, body) = token(&platform, &wrong).await;
    assert_eq!((status, &body["error"], &body["error_codes"]), (401, &json!("invalid_client"), &json!([7_000_215])));
    for member in ["error_description", "timestamp", "trace_id", "correlation_id", "error_uri"] {
        assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}");
    }
    // A policy for workload identities decides.
    let block = json!({
        "id": "00000000-0000-0000-0000-0000000000e9", "displayName": "No daemons", "state": "enabled",
        "conditions": {"users": {"includeUsers": ["None"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["all"],
            "clientApplications": {"includeServicePrincipals": ["ServicePrincipalsInMyTenant"], "excludeServicePrincipals": []}},
        "grantControls": {"operator": "OR", "builtInControls": ["block"]},
    });
    assert!(!platform.apply(vec![block]).await.is_refused());
    let (status, body) = token(&platform, &form).await;
    assert_eq!((status, &body["error_codes"]), (400, &json!([53_003])));
}

#[tokio::test]
async fn a_person_looks_after_their_own_methods() {
    let platform = platform(&[]).await;
    let mut alex = Visitor::new(&platform);
    let mut authenticator = Authenticator::new();
    let page = alex.get(&format!("/{TENANT}/mysecurityinfo")).await;
    assert_eq!(page.kind(), "account");
    let page = alex.password(page, ALEX_NAME, crate::sign_in_fixture::PASSWORD).await;
    assert_eq!(page.location(), format!("/{TENANT}/mysecurityinfo"));
    // No policy asks for more, but who has a second factor shows it before changing anything.
    let page = alex.get(&format!("/{TENANT}/mysecurityinfo")).await;
    assert_eq!(page.kind(), "totp", "{}", page.body);
    let page = alex.totp(&page).await;
    let page = alex.get(page.location()).await;
    assert_eq!(page.kind(), "security-info");
    assert!(page.body.contains("Authenticator app"));
    let page = alex.submit(page.choice("add-passkey")).await;
    let page = alex.register_passkey(&page, &mut authenticator).await;
    let page = alex.get(page.location()).await;
    assert_eq!(page.body.matches("value=\"remove\"").count(), 2);
    // Removing another's credential does nothing; removing one's own does.
    let form = page.choice("remove");
    let own = form.fields["credential_id"].clone();
    let ada = store::credential::of_user(&platform.state.store, &model::UserId::new(ADA)).await.unwrap();
    let others = ada.iter().find(|row| row.kind == store::credential::CredentialKind::Totp).unwrap();
    alex.submit(form.clone().with("credential_id", &others.id)).await;
    assert!(store::credential::by_id(&platform.state.store, &others.id).await.unwrap().is_some());
    let before = platform.last_event().await;
    alex.submit(form).await;
    assert!(store::credential::by_id(&platform.state.store, &own).await.unwrap().is_none());
    assert_eq!(platform.events_after(before).await, [("credential-change".to_owned(), ALEX.to_owned())]);
    assert_eq!(platform.activities().await.last().unwrap(), "User deleted security info");
}

#[tokio::test]
async fn signing_out_ends_the_session_and_what_hangs_on_it() {
    let platform = platform(&[]).await;
    let mut alex = Visitor::new(&platform);
    let page = alex.sign_in(WEB, ALEX_NAME).await;
    let (_, tokens) = redeem_web(&platform, &page.answer("code").unwrap()).await;
    let before = platform.last_event().await;
    let hint = tokens["id_token"].as_str().unwrap();
    let logout = format!(
        "/{TENANT}/oauth2/v2.0/logout?id_token_hint={hint}&post_logout_redirect_uri=https://client.localhost/callback&state=s"
    );
    let page = alex.get(&logout).await;
    assert_eq!(page.location(), "https://client.localhost/callback?state=s");
    assert_eq!(platform.events_after(before).await[0].0, "session-revoked");
    let (status, body) = refresh_web(&platform, tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!((status, &body["error_codes"], &body["suberror"]), (400, &json!([50_173]), &json!("bad_token")));
    assert_eq!(platform.get("/v1.0/me", tokens["access_token"].as_str().unwrap()).await.status.as_u16(), 401);
    assert_eq!(alex.authorize(WEB, "prompt=none").await.answer("error").unwrap(), "login_required");
    assert_eq!(alex.get(&logout).await.location(), "https://client.localhost/callback?state=s");
}

#[tokio::test]
async fn discovery_and_keys_are_what_clients_need() {
    let platform = platform(&[]).await;
    let mut client = Visitor::new(&platform);
    for tenant in [TENANT, "woodgrove.example", "WOODGROVE.example"] {
        let page = client.get(&format!("/{tenant}/v2.0/.well-known/openid-configuration")).await;
        let document: serde_json::Value = serde_json::from_str(&page.body).unwrap();
        assert_eq!(document["issuer"], format!("{BASE}/{TENANT}/v2.0"));
        assert_eq!(document["authorization_response_iss_parameter_supported"], true);
        let keys = client.get(document["jwks_uri"].as_str().unwrap()).await;
        let keys: serde_json::Value = serde_json::from_str(&keys.body).unwrap();
        assert_eq!(keys["keys"][0]["kty"], "RSA");
    }
    let page = client.get("/other.example/v2.0/.well-known/openid-configuration").await;
    let body: serde_json::Value = serde_json::from_str(&page.body).unwrap();
    assert_eq!((page.status.as_u16(), &body["error_codes"]), (400, &json!([90_002])));
    let page = client.get("/other.example/oauth2/v2.0/authorize?client_id=x").await;
    assert_eq!((page.status.as_u16(), page.kind()), (400, "error"));
    let page = client.send(Method::GET, &format!("/{TENANT}/oauth2/v2.0/token"), None).await;
    assert_eq!(page.status.as_u16(), 405);
    // Where `error_uri` points.
    let page = client.get("/error?code=50076").await;
    assert_eq!((page.status.as_u16(), page.element("error-code").as_deref()), (200, Some("50076")));
    assert_eq!(client.get("/error?code=1").await.status.as_u16(), 404);
}

#[tokio::test]
async fn a_clock_in_the_future_is_no_sign_in_from_the_past() {
    let platform = platform(&[]).await;
    let mut alex = Visitor::new(&platform);
    let page = alex.sign_in(WEB, ALEX_NAME).await;
    let code = page.answer("code").unwrap();
    platform.clock.advance(Duration::from_secs(121));
    assert_eq!(redeem_web(&platform, &code).await.1["error_codes"], json!([70_008]));
    assert!(platform.clock.now() > Timestamp::from_seconds(0));
    // The session ends when it is not used for long.
    platform.clock.advance(Duration::from_secs(25 * 3600));
    assert_eq!(alex.authorize(WEB, "prompt=none").await.answer("error").unwrap(), "login_required");
}
