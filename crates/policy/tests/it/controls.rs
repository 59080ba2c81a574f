//! What policies that apply ask for: Microsoft's examples, and the cases that are easy to get wrong. Each test is a table:
//! what is asked, and the answer.

use crate::fixture::*;
use expect_test::expect;
use policy::request::*;
use policy::{decide, explain};
use std::fmt::Write;

/// concept-conditional-access-report-only, "Policy evaluation results", and the same policies enforced.
#[test]
fn the_report_only_table() {
    let compliant = |request: &mut AccessRequest| request.device = Some(Device { is_compliant: true, ..Device::default() });
    let second_factor = |request: &mut AccessRequest| request.methods.push(used(Method::SoftwareOath));
    let nothing = |_: &mut AccessRequest| {};
    let mut told = String::new();
    for state in ["enabledForReportingButNotEnforced", "enabled"] {
        for (name, grant, change) in [
            (
                "MFA claim already in the token",
                r#"{"operator": "OR", "builtInControls": ["mfa"]}"#,
                second_factor as fn(&mut AccessRequest),
            ),
            ("compliant device", r#"{"operator": "OR", "builtInControls": ["compliantDevice"]}"#, compliant),
            ("block control", r#"{"operator": "OR", "builtInControls": ["block"]}"#, nothing),
            ("device fails compliance", r#"{"operator": "OR", "builtInControls": ["compliantDevice"]}"#, nothing),
            ("would be prompted for MFA", r#"{"operator": "OR", "builtInControls": ["mfa"]}"#, nothing),
            ("would be shown terms of use", r#"{"operator": "OR", "termsOfUse": ["t"]}"#, nothing),
            ("MFA or compliant device, neither", r#"{"operator": "OR", "builtInControls": ["mfa", "compliantDevice"]}"#, nothing),
            (
                "MFA and compliant device, neither",
                r#"{"operator": "AND", "builtInControls": ["mfa", "compliantDevice"]}"#,
                nothing,
            ),
            (
                "MFA and compliant device, device",
                r#"{"operator": "AND", "builtInControls": ["mfa", "compliantDevice"]}"#,
                compliant,
            ),
        ] {
            let tenant = tenant(&[&format!(r#"{{"state": "{state}", "grantControls": {grant}}}"#)]);
            let mut request = request();
            change(&mut request);
            let decision = decide(&tenant, &request, now());
            let result = explain(&tenant, &request, now()).iter().map(result).collect::<String>();
            writeln!(told, "{name:<36} {result:<22} {}", outcome(&decision)).unwrap();
        }
    }
    expect![[r#"
        MFA claim already in the token       ReportOnlySuccess      granted
        compliant device                     ReportOnlySuccess      granted
        block control                        ReportOnlyFailure      granted
        device fails compliance              ReportOnlyFailure      granted
        would be prompted for MFA            ReportOnlyInterrupted  granted
        would be shown terms of use          ReportOnlyInterrupted  granted
        MFA or compliant device, neither     ReportOnlyInterrupted  granted
        MFA and compliant device, neither    ReportOnlyFailure      granted
        MFA and compliant device, device     ReportOnlyInterrupted  granted
        MFA claim already in the token       Success                granted
        compliant device                     Success                granted
        block control                        Failure                blocked
        device fails compliance              Failure                granted-after CompliantDevice [policy]
        would be prompted for MFA            Failure                granted-after Mfa [policy]
        would be shown terms of use          Failure                granted-after terms t [policy]
        MFA or compliant device, neither     Failure                granted-after Mfa or CompliantDevice [policy]
        MFA and compliant device, neither    Failure                granted-after Mfa and CompliantDevice [policy]
        MFA and compliant device, device     Failure                granted-after Mfa [policy]
    "#]]
    .assert_eq(&told);
}

#[test]
fn a_report_only_policy_for_a_user_action_is_not_evaluated() {
    let register = |request: &mut AccessRequest| {
        request.target = Target { user_action: Some(UserAction::RegisterSecurityInfo), ..Target::default() };
    };
    let action =
        r#""conditions": {"applications": {"includeApplications": [], "includeUserActions": ["urn:user:registersecurityinfo"]}}"#;
    check_policies(
        register,
        &[
            ("enforced", &format!(r#"{{{action}, "grantControls": {{"operator": "OR", "builtInControls": ["mfa"]}}}}"#)),
            ("report-only", &format!(r#"{{"state": "enabledForReportingButNotEnforced", {action}}}"#)),
            ("report-only, all resources", r#"{"state": "enabledForReportingButNotEnforced"}"#),
        ],
        &expect![[r#"
            enforced                                     granted-after Mfa [policy] Failure
            report-only                                  granted      ReportOnlyNotApplied [UserActions]
            report-only, all resources                   granted      ReportOnlySuccess
        "#]],
    );
}

/// Legacy protocols answer no challenge: whatever a policy asks, even of a compliant device with MFA in the session.
#[test]
fn legacy_clients_meet_nothing() {
    let legacy = |request: &mut AccessRequest| {
        request.client.app_type = ClientAppType::Other;
        request.methods.push(used(Method::SoftwareOath));
        request.device = Some(Device { is_compliant: true, ..Device::default() });
    };
    check_policies(
        legacy,
        &[
            ("session only", r#"{"sessionControls": {"persistentBrowser": {"mode": "never", "isEnabled": true}}}"#),
            ("no controls", r#"{"grantControls": {"operator": "OR", "builtInControls": []}}"#),
            ("mfa", r#"{"grantControls": {"operator": "OR", "builtInControls": ["mfa"]}}"#),
            ("compliant device", r#"{"grantControls": {"operator": "OR", "builtInControls": ["compliantDevice"]}}"#),
        ],
        &expect![[r#"
            session only                                 granted      Success
            no controls                                  granted      Success
            mfa                                          blocked      Failure
            compliant device                             blocked      Failure
        "#]],
    );
}

#[test]
fn operators_span_all_kinds_of_control() {
    let accepted = |request: &mut AccessRequest| {
        request.fulfilled.terms_of_use.insert("T".to_owned());
        request.methods = vec![used(Method::Password), used(Method::Sms)];
    };
    check_policies(
        accepted,
        &[
            (
                "OR: accepted terms or compliant device",
                r#"{"grantControls": {"operator": "OR", "termsOfUse": ["t"], "builtInControls": ["compliantDevice"]}}"#,
            ),
            (
                "AND: accepted terms and compliant device",
                r#"{"grantControls": {"operator": "and", "termsOfUse": ["t"], "builtInControls": ["compliantDevice"]}}"#,
            ),
            ("OR: other terms only", r#"{"grantControls": {"operator": "OR", "termsOfUse": ["u"]}}"#),
            ("OR: custom factor only", r#"{"grantControls": {"operator": "OR", "customAuthenticationFactors": ["duo"]}}"#),
            (
                "OR: strength or compliant device",
                r#"{"grantControls": {"operator": "OR", "builtInControls": ["compliantDevice"], "authenticationStrength": {"id": "f0000000-0000-0000-0000-000000000002"}}}"#,
            ),
            (
                "OR: unknown control or MFA",
                r#"{"grantControls": {"operator": "OR", "builtInControls": ["compliantNetwork", "mfa"]}}"#,
            ),
            (
                "OR: unknown control or compliant device",
                r#"{"grantControls": {"operator": "OR", "builtInControls": ["compliantNetwork", "compliantDevice"]}}"#,
            ),
            (
                "AND: unknown control and MFA",
                r#"{"grantControls": {"operator": "AND", "builtInControls": ["compliantNetwork", "mfa"]}}"#,
            ),
            ("no operator: MFA, compliant device", r#"{"grantControls": {"builtInControls": ["mfa", "compliantDevice"]}}"#),
            ("block and MFA", r#"{"grantControls": {"operator": "OR", "builtInControls": ["mfa", "block"]}}"#),
            ("unknown member", r#"{"grantControls": {"operator": "OR", "builtInControls": ["mfa"], "promises": ["x"]}}"#),
            (
                "unknown strength",
                r#"{"grantControls": {"operator": "OR", "authenticationStrength": {"id": "f0000000-0000-0000-0000-000000000009"}}}"#,
            ),
            (
                "prompting order",
                r#"{"grantControls": {"operator": "AND", "customAuthenticationFactors": ["duo"], "termsOfUse": ["u"], "builtInControls": ["passwordChange", "compliantApplication", "approvedApplication", "domainJoinedDevice", "compliantDevice", "mfa"]}}"#,
            ),
        ],
        &expect![[r#"
            OR: accepted terms or compliant device       granted      Success
            AND: accepted terms and compliant device     granted-after CompliantDevice [policy] Failure
            OR: other terms only                         granted-after terms u [policy] Failure
            OR: custom factor only                       granted-after custom duo [policy] Failure
            OR: strength or compliant device             granted      Success
            OR: unknown control or MFA                   granted      Success
            OR: unknown control or compliant device      granted-after CompliantDevice [policy] Failure
            AND: unknown control and MFA                 blocked      Failure
            no operator: MFA, compliant device           granted-after CompliantDevice [policy] Failure
            block and MFA                                blocked      Failure
            unknown member                               blocked      Failure
            unknown strength                             blocked      Failure
            prompting order                              granted-after CompliantDevice and DomainJoinedDevice and ApprovedApplication and CompliantApplication and PasswordChange and terms u and custom duo [policy] Failure
        "#]],
    );
}

#[test]
fn strengths_are_sets_of_combinations() {
    let company_key = "2FC0579F-8113-47EA-B116-BB5A8DB9202A";
    let other_key = "ee882879-721c-4913-9775-3dfcce97072a";
    let fido2 = |aaguid: Option<&str>| vec![MethodUse { method: Method::Fido2, at: now(), aaguid: aaguid.map(str::to_owned) }];
    let methods = |methods: &[Method]| methods.iter().map(|method| used(*method)).collect::<Vec<_>>();
    let sessions = [
        ("password", methods(&[Method::Password])),
        ("password and code", methods(&[Method::Password, Method::SoftwareOath])),
        ("password and text", methods(&[Method::Password, Method::Sms])),
        ("code alone", methods(&[Method::SoftwareOath])),
        ("password and mail", methods(&[Method::Password, Method::Email])),
        ("Windows Hello", methods(&[Method::WindowsHelloForBusiness])),
        ("phone sign-in", methods(&[Method::DeviceBasedPush])),
        ("any passkey", fido2(None)),
        ("another passkey", fido2(Some(other_key))),
        ("company passkey", fido2(Some(company_key))),
        ("temporary pass", methods(&[Method::TemporaryAccessPassOneTime])),
        ("federated and text", methods(&[Method::FederatedSingleFactor, Method::Sms])),
        ("federated multifactor", methods(&[Method::FederatedMultiFactor])),
    ];
    let mut told = String::new();
    for (name, grant) in [
        ("mfa", r#""builtInControls": ["mfa"]"#),
        ("multifactor", r#""authenticationStrength": {"id": "00000000-0000-0000-0000-000000000002"}"#),
        ("passwordless", r#""authenticationStrength": {"id": "00000000-0000-0000-0000-000000000003"}"#),
        ("phishing-resistant", r#""authenticationStrength": {"id": "00000000-0000-0000-0000-000000000004"}"#),
        ("company keys", r#""authenticationStrength": {"id": "f0000000-0000-0000-0000-000000000001"}"#),
        ("password and text", r#""authenticationStrength": {"id": "f0000000-0000-0000-0000-000000000002"}"#),
    ] {
        let tenant = tenant(&[&format!(r#"{{"grantControls": {{"operator": "OR", {grant}}}}}"#)]);
        let satisfied = sessions.iter().filter(|(_, methods)| {
            let request = AccessRequest { methods: methods.clone(), ..request() };
            outcome(&decide(&tenant, &request, now())) == "granted"
        });
        let satisfied: Vec<&str> = satisfied.map(|(name, _)| *name).collect();
        writeln!(told, "{name}\n    {}", satisfied.join(", ")).unwrap();
    }
    expect![[r#"
        mfa
            password and code, password and text, Windows Hello, phone sign-in, any passkey, another passkey, company passkey, temporary pass, federated and text, federated multifactor
        multifactor
            password and code, password and text, Windows Hello, phone sign-in, any passkey, another passkey, company passkey, temporary pass, federated and text, federated multifactor
        passwordless
            Windows Hello, phone sign-in, any passkey, another passkey, company passkey
        phishing-resistant
            Windows Hello, any passkey, another passkey, company passkey
        company keys
            company passkey
        password and text
            password and text
    "#]].assert_eq(&told);
}

#[test]
fn sign_in_frequency() {
    let mut told = String::new();
    for (name, frequency) in [
        ("12 hours", r#"{"isEnabled": true, "value": 12, "type": "hours", "frequencyInterval": "timeBased"}"#),
        (
            "12 hours, second factor",
            r#"{"isEnabled": true, "value": 12, "type": "hours", "frequencyInterval": "timeBased", "authenticationType": "secondaryAuthentication"}"#,
        ),
        ("every time", r#"{"isEnabled": true, "value": null, "type": null, "frequencyInterval": "everyTime"}"#),
        ("no readable interval", r#"{"isEnabled": true, "value": "soon", "type": "hours"}"#),
        ("switched off", r#"{"isEnabled": false, "value": 1, "type": "hours"}"#),
    ] {
        let tenant = tenant(&[&format!(r#"{{"sessionControls": {{"signInFrequency": {frequency}}}}}"#)]);
        for (when, first, second) in [
            ("never", None, None),
            ("just now", Some(0), None),
            ("5 min - 1 s ago", Some(299), None),
            ("5 min ago", Some(300), None),
            ("12 h - 1 s ago", Some(12 * 3600 - 1), None),
            ("12 h ago", Some(12 * 3600), None),
            ("1 h ago, code 13 h ago", Some(3600), Some(13 * 3600)),
            ("13 h ago, code 1 h ago", Some(13 * 3600), Some(3600)),
            ("in 4 min (clocks differ)", Some(-240), None),
            ("in 1 h (the clock went back)", Some(-3600), None),
        ] {
            let ago = |seconds: i64| model::Timestamp::from_micros(now().micros() - seconds * 1_000_000);
            let code = second.map(|seconds| MethodUse { method: Method::SoftwareOath, at: ago(seconds), aaguid: None });
            let password = first.map(|seconds| MethodUse { method: Method::Password, at: ago(seconds), aaguid: None });
            let request =
                AccessRequest { signed_in_at: first.map(ago), methods: password.into_iter().chain(code).collect(), ..request() };
            let decision = decide(&tenant, &request, now());
            let answer = outcome(&decision).replace(" [policy]", "");
            writeln!(told, "{name:<24} {when:<30} {answer}").unwrap();
        }
    }
    expect![[r#"
        12 hours                 never                          granted-after sign in again
        12 hours                 just now                       granted
        12 hours                 5 min - 1 s ago                granted
        12 hours                 5 min ago                      granted
        12 hours                 12 h - 1 s ago                 granted
        12 hours                 12 h ago                       granted-after sign in again
        12 hours                 1 h ago, code 13 h ago         granted-after second factor again
        12 hours                 13 h ago, code 1 h ago         granted-after sign in again
        12 hours                 in 4 min (clocks differ)       granted
        12 hours                 in 1 h (the clock went back)   granted-after sign in again
        12 hours, second factor  never                          granted-after second factor again
        12 hours, second factor  just now                       granted-after second factor again
        12 hours, second factor  5 min - 1 s ago                granted-after second factor again
        12 hours, second factor  5 min ago                      granted-after second factor again
        12 hours, second factor  12 h - 1 s ago                 granted-after second factor again
        12 hours, second factor  12 h ago                       granted-after second factor again
        12 hours, second factor  1 h ago, code 13 h ago         granted-after second factor again
        12 hours, second factor  13 h ago, code 1 h ago         granted
        12 hours, second factor  in 4 min (clocks differ)       granted-after second factor again
        12 hours, second factor  in 1 h (the clock went back)   granted-after second factor again
        every time               never                          granted-after sign in again
        every time               just now                       granted
        every time               5 min - 1 s ago                granted
        every time               5 min ago                      granted-after sign in again
        every time               12 h - 1 s ago                 granted-after sign in again
        every time               12 h ago                       granted-after sign in again
        every time               1 h ago, code 13 h ago         granted-after sign in again
        every time               13 h ago, code 1 h ago         granted-after sign in again
        every time               in 4 min (clocks differ)       granted
        every time               in 1 h (the clock went back)   granted-after sign in again
        no readable interval     never                          granted-after sign in again
        no readable interval     just now                       granted
        no readable interval     5 min - 1 s ago                granted
        no readable interval     5 min ago                      granted-after sign in again
        no readable interval     12 h - 1 s ago                 granted-after sign in again
        no readable interval     12 h ago                       granted-after sign in again
        no readable interval     1 h ago, code 13 h ago         granted-after sign in again
        no readable interval     13 h ago, code 1 h ago         granted-after sign in again
        no readable interval     in 4 min (clocks differ)       granted
        no readable interval     in 1 h (the clock went back)   granted-after sign in again
        switched off             never                          granted
        switched off             just now                       granted
        switched off             5 min - 1 s ago                granted
        switched off             5 min ago                      granted
        switched off             12 h - 1 s ago                 granted
        switched off             12 h ago                       granted
        switched off             1 h ago, code 13 h ago         granted
        switched off             13 h ago, code 1 h ago         granted
        switched off             in 4 min (clocks differ)       granted
        switched off             in 1 h (the clock went back)   granted
    "#]]
    .assert_eq(&told);
}

/// A single-factor certificate is a first factor by itself, and the second one after a password.
#[test]
fn a_certificate_counts_as_second_factor_after_a_password() {
    check(
        r#"{"sessionControls": {"signInFrequency": {"isEnabled": true, "frequencyInterval": "everyTime", "authenticationType": "secondaryAuthentication"}}}"#,
        &[
            ("certificate", |request| request.methods = vec![used(Method::X509CertificateSingleFactor)]),
            ("password and certificate", |request| {
                request.methods = vec![used(Method::Password), used(Method::X509CertificateSingleFactor)];
            }),
        ],
        &expect![[r#"
            certificate                              granted-after second factor again [policy] Failure
            password and certificate                 granted      Success
        "#]],
    );
}

#[test]
fn session_controls_merge_to_the_strictest() {
    let tenant = tenant(&[
        r#"{"sessionControls": {"signInFrequency": {"isEnabled": true, "value": 1, "type": "days", "authenticationType": "secondaryAuthentication"},
            "persistentBrowser": {"isEnabled": true, "mode": "always"}, "cloudAppSecurity": {"isEnabled": true, "cloudAppSecurityType": "mcasConfigured"}}}"#,
        r#"{"sessionControls": {"signInFrequency": {"isEnabled": true, "value": 4, "type": "hours", "authenticationType": "primaryAndSecondaryAuthentication"},
            "persistentBrowser": {"isEnabled": true, "mode": "never"}, "cloudAppSecurity": {"isEnabled": true, "cloudAppSecurityType": "blockDownloads"},
            "continuousAccessEvaluation": {"mode": "strictLocation"}, "disableResilienceDefaults": true}}"#,
        r#"{"sessionControls": {"continuousAccessEvaluation": {"mode": "disabled"}, "secureSignInSession": {"isEnabled": true},
            "applicationEnforcedRestrictions": {"isEnabled": true}}}"#,
        r#"{"state": "enabledForReportingButNotEnforced", "sessionControls": {"signInFrequency": {"isEnabled": true, "frequencyInterval": "everyTime"}}}"#,
        r#"{"conditions": {"platforms": {"includePlatforms": ["linux"]}}, "sessionControls": {"signInFrequency": {"isEnabled": true, "frequencyInterval": "everyTime"}}}"#,
    ]);
    let decision = decide(&tenant, &request(), now());
    expect![[r#"
        {
          "signInFrequency": {
            "seconds": 14400,
            "secondaryOnly": false
          },
          "persistentBrowser": false,
          "applicationEnforcedRestrictions": true,
          "cloudAppSecurity": [
            "blockDownloads",
            "mcasConfigured"
          ],
          "continuousAccessEvaluation": "strictLocation",
          "secureSignInSession": true,
          "disableResilienceDefaults": true,
          "globalSecureAccessProfiles": []
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&decision.session).unwrap());
}

/// A session control that is not known cannot be enforced: no access, and it says so.
#[test]
fn unknown_session_controls_are_not_passed_over() {
    check_policies(
        |_| {},
        &[
            ("switched on", r#"{"sessionControls": {"curfew": {"isEnabled": true}}}"#),
            ("switched off", r#"{"sessionControls": {"curfew": {"isEnabled": false, "hour": 22}}}"#),
            ("unset", r#"{"sessionControls": {"curfew": {"isEnabled": null, "hour": null}, "blockSensitiveActions": null}}"#),
        ],
        &expect![[r#"
            switched on                                  blocked      Failure
            switched off                                 granted      Success
            unset                                        granted      Success
        "#]],
    );
}

/// "After 30 June 2026 it will be as if this grant isn't selected."
#[test]
fn approved_application_is_retired() {
    let mut told = String::new();
    for controls in [r#"["approvedApplication"]"#, r#"["approvedApplication", "compliantApplication"]"#] {
        let tenant = tenant(&[&format!(r#"{{"grantControls": {{"operator": "OR", "builtInControls": {controls}}}}}"#)]);
        for when in ["2026-06-30T23:59:59Z", "2026-07-01T00:00:00Z"] {
            let at = model::Timestamp::parse(when).unwrap();
            let request = AccessRequest { signed_in_at: Some(at), ..request() };
            writeln!(told, "{controls} {when} {}", outcome(&decide(&tenant, &request, at))).unwrap();
        }
        for problem in tenant.problems() {
            writeln!(told, "    {:?} {problem}", problem.severity).unwrap();
        }
    }
    expect![[r#"
        ["approvedApplication"] 2026-06-30T23:59:59Z granted-after ApprovedApplication [policy]
        ["approvedApplication"] 2026-07-01T00:00:00Z granted
            Remark conditionalAccessPolicy `policy`: $.grantControls.builtInControls: `approvedApplication` is retired: after 30 June 2026 it asks for nothing
        ["approvedApplication", "compliantApplication"] 2026-06-30T23:59:59Z granted-after ApprovedApplication or CompliantApplication [policy]
        ["approvedApplication", "compliantApplication"] 2026-07-01T00:00:00Z granted-after CompliantApplication [policy]
            Remark conditionalAccessPolicy `policy`: $.grantControls.builtInControls: `approvedApplication` is retired: after 30 June 2026 it asks for nothing
    "#]].assert_eq(&told);
}

#[test]
fn who_cannot_be_prompted() {
    check(
        r#"{"conditions": {"clientApplications": {"includeServicePrincipals": ["ServicePrincipalsInMyTenant"]}, "agents": {"includeAgentUsers": ["All"]}},
            "grantControls": {"operator": "OR", "builtInControls": ["mfa", "passwordChange"]}}"#,
        &[
            ("member", |_| {}),
            ("collaboration guest", |request| user(request).guest = GuestType::B2bCollaborationGuest),
            ("direct-connect user", |request| user(request).guest = GuestType::B2bDirectConnectUser),
            ("direct-connect user, MFA from home", |request| {
                user(request).guest = GuestType::B2bDirectConnectUser;
                request.methods = vec![used(Method::FederatedMultiFactor)];
            }),
            ("agent's user account", |request| user(request).is_agent_user = true),
            ("workload of this tenant", |request| {
                request.principal = Principal::Workload(WorkloadFacts {
                    service_principal: USER.into(),
                    owned_by_this_tenant: true,
                    attributes: SecurityAttributes::default(),
                });
            }),
        ],
        &expect![[r#"
            member                                   granted-after Mfa or PasswordChange [policy] Failure
            collaboration guest                      granted-after Mfa [policy] Failure
            direct-connect user                      blocked      Failure
            direct-connect user, MFA from home       granted      Success
            agent's user account                     blocked      Failure
            workload of this tenant                  blocked      Failure
        "#]],
    );
}

/// "Device code flow with device grant controls is unsupported": the device that signs in is not the one that gets in.
#[test]
fn device_code_flow_carries_no_device() {
    check(
        r#"{"grantControls": {"operator": "OR", "builtInControls": ["compliantDevice"]}}"#,
        &[
            ("compliant device", |request| request.device = Some(Device { is_compliant: true, ..Device::default() })),
            ("the same by device code", |request| {
                request.device = Some(Device { is_compliant: true, ..Device::default() });
                request.original_transfer_method = TransferMethod::DeviceCodeFlow;
            }),
        ],
        &expect![[r#"
            compliant device                         granted      Success
            the same by device code                  blocked      Failure
        "#]],
    );
}

/// OData writes a relationship as `name@odata.bind`: it asks as the member itself would. A strength, or a control, that
/// is written and cannot be read is owed and cannot be given.
#[test]
fn what_is_bound_is_asked_for_and_what_is_half_written_is_not_given() {
    let strength = "https://graph.microsoft.com/v1.0/policies/authenticationStrengthPolicies";
    let resistant = "00000000-0000-0000-0000-000000000004";
    let grant = |members: &str| format!(r#"{{"grantControls": {{"operator": "OR", "builtInControls": []{members}}}}}"#);
    let bind = |value: &str| grant(&format!(r#", "authenticationStrength@odata.bind": {value}"#));
    let both = |id: &str| {
        grant(&format!(
            r#", "authenticationStrength": {{"id": "{id}"}}, "authenticationStrength@odata.bind": "{strength}/{resistant}""#
        ))
    };
    let inline = |value: &str| grant(&format!(r#", "authenticationStrength": {value}"#));
    let second_factor = |request: &mut AccessRequest| request.methods.push(used(Method::SoftwareOath));
    check_policies(
        second_factor,
        &[
            ("strength id", &inline(&format!(r#"{{"id": "{resistant}"}}"#))),
            ("bind", &bind(&format!(r#""{strength}/{resistant}""#))),
            ("bind, quoted key", &bind(&format!(r#""{strength}('{resistant}')""#))),
            ("bind, key", &bind(&format!(r#""{strength}({resistant})""#))),
            ("bind only", &format!(r#"{{"grantControls": {{"authenticationStrength@odata.bind": "{strength}/{resistant}"}}}}"#)),
            ("bind, met", &bind(&format!(r#""{strength}/00000000-0000-0000-0000-000000000002""#))),
            ("bind, no such strength", &bind(&format!(r#""{strength}/10000000-0000-0000-0000-000000000004""#))),
            ("bind, no address", &bind(&format!(r#""{resistant}""#))),
            ("bind, address of something else", &bind(&format!(r#""https://graph.microsoft.com/v1.0/users/{resistant}""#))),
            ("bind, not a string", &bind("{}")),
            ("bind null", &bind("null")),
            ("inline and bind agree", &both(resistant)),
            ("inline and bind differ", &both("00000000-0000-0000-0000-000000000002")),
            ("strength {}", &inline("{}")),
            ("strength []", &inline("[]")),
            ("strength {id: null}", &inline(r#"{"id": null}"#)),
            ("strength {@odata.id}", &inline(&format!(r#"{{"@odata.id": "{strength}/{resistant}"}}"#))),
            ("strength {displayName}", &inline(r#"{"displayName": "Phishing-resistant MFA"}"#)),
            ("strength of an unknown id", &inline(r#"{"id": "x"}"#)),
            ("strength as its id", &inline(&format!(r#""{resistant}""#))),
            ("strength@odata.id", &grant(r#", "authenticationStrength@odata.id": "x""#)),
            ("terms of use bound", &grant(r#", "termsOfUse@odata.bind": ["x"]"#)),
            (
                "mfa, and terms of use bound",
                r#"{"grantControls": {"operator": "OR", "builtInControls": ["mfa"], "termsOfUse@odata.bind": ["x"]}}"#,
            ),
            ("session control bound", r#"{"sessionControls": {"signInFrequency@odata.bind": "x"}}"#),
            ("grantControls bound", r#"{"grantControls@odata.bind": "x"}"#),
            (
                "users bound",
                r#"{"conditions": {"users": {"includeUsers": [], "includeGroups@odata.bind": ["x"]}}, "grantControls": {"operator": "OR", "builtInControls": ["block"]}}"#,
            ),
            (
                "unset beside mfa, as PowerShell writes",
                r#"{"grantControls": {"operator": "AND", "builtInControls": ["mfa"], "authenticationStrength": {"id": null, "displayName": null, "allowedCombinations": null}}}"#,
            ),
            (
                "unset beside a session control",
                r#"{"grantControls": {"operator": null, "builtInControls": null, "authenticationStrength": {"id": null}}, "sessionControls": {"persistentBrowser": {"mode": "never", "isEnabled": true}}}"#,
            ),
            (
                "annotations",
                r#"{"grantControls": {"operator": "OR", "builtInControls": ["mfa"], "builtInControls@odata.type": "x", "authenticationStrength@odata.context": "x", "authenticationStrength": null}}"#,
            ),
        ],
        &expect![[r#"
            strength id                                  granted-after Phishing-resistant MFA [policy] Failure
            bind                                         granted-after Phishing-resistant MFA [policy] Failure
            bind, quoted key                             granted-after Phishing-resistant MFA [policy] Failure
            bind, key                                    granted-after Phishing-resistant MFA [policy] Failure
            bind only                                    granted-after Phishing-resistant MFA [policy] Failure
            bind, met                                    granted      Success
            bind, no such strength                       blocked      Failure
            bind, no address                             blocked      Failure
            bind, address of something else              blocked      Failure
            bind, not a string                           blocked      Failure
            bind null                                    granted      Success
            inline and bind agree                        granted-after Phishing-resistant MFA [policy] Failure
            inline and bind differ                       blocked      Failure
            strength {}                                  blocked      Failure
            strength []                                  blocked      Failure
            strength {id: null}                          blocked      Failure
            strength {@odata.id}                         blocked      Failure
            strength {displayName}                       blocked      Failure
            strength of an unknown id                    blocked      Failure
            strength as its id                           blocked      Failure
            strength@odata.id                            blocked      Failure
            terms of use bound                           blocked      Failure
            mfa, and terms of use bound                  blocked      Failure
            session control bound                        blocked      Failure
            grantControls bound                          blocked      Failure
            users bound                                  blocked      Failure
            unset beside mfa, as PowerShell writes       granted      Success
            unset beside a session control               granted      Success
            annotations                                  granted      Success
        "#]],
    );
}

/// A policy that asks for nothing, or is for nobody, is no error: Graph creates none, so it is said.
#[test]
fn policies_without_effect_are_remarked() {
    let mut told = String::new();
    for (name, text) in [
        ("no controls", "{}"),
        ("grantControls {}", r#"{"grantControls": {}}"#),
        ("operator without controls", r#"{"grantControls": {"operator": "OR", "builtInControls": []}}"#),
        ("session control switched off", r#"{"sessionControls": {"persistentBrowser": {"mode": "never", "isEnabled": false}}}"#),
        ("session control", r#"{"sessionControls": {"persistentBrowser": {"mode": "never", "isEnabled": true}}}"#),
        (
            "no users",
            r#"{"conditions": {"users": {"includeUsers": []}}, "grantControls": {"operator": "OR", "builtInControls": ["block"]}}"#,
        ),
        (
            "None",
            r#"{"conditions": {"users": {"includeUsers": ["None"]}}, "grantControls": {"operator": "OR", "builtInControls": ["block"]}}"#,
        ),
        (
            "no groups",
            r#"{"conditions": {"users": {"includeUsers": null, "includeGroups": []}}, "grantControls": {"operator": "OR", "builtInControls": ["block"]}}"#,
        ),
        (
            "no applications",
            r#"{"conditions": {"applications": {"includeApplications": []}}, "grantControls": {"operator": "OR", "builtInControls": ["block"]}}"#,
        ),
        ("strength {id: null}", r#"{"grantControls": {"operator": "OR", "authenticationStrength": {"id": null}}}"#),
    ] {
        let tenant = tenant(&[text]);
        let decision = decide(&tenant, &request(), now());
        let nothing =
            if tenant.requires_nothing(&"10000000-0000-0000-0000-000000000001".into()) { "requires nothing" } else { "" };
        writeln!(told, "{}", format!("{name:<30} {:<12} {nothing}", outcome(&decision)).trim_end()).unwrap();
        for problem in tenant.problems().iter().filter(|problem| problem.kind == model::Kind::ConditionalAccessPolicy) {
            writeln!(told, "    {:?} {}: {}", problem.severity, problem.place, problem.reason).unwrap();
        }
    }
    expect![[r#"
        no controls                    granted      requires nothing
            Remark $.grantControls: requires nothing: the policy sets neither a grant nor a session control
        grantControls {}               granted      requires nothing
            Remark $.grantControls: requires nothing: the policy sets neither a grant nor a session control
        operator without controls      granted      requires nothing
            Remark $.grantControls: requires nothing: the policy sets neither a grant nor a session control
        session control switched off   granted      requires nothing
            Remark $.grantControls: requires nothing: the policy sets neither a grant nor a session control
        session control                granted
        no users                       granted
            Remark $.conditions.users.includeUsers: applies to nobody: nothing is included; hint: `None` says so
        None                           granted
        no groups                      granted
            Remark $.conditions.users.includeUsers: applies to nobody: nothing is included; hint: `None` says so
        no applications                granted
            Remark $.conditions.applications.includeApplications: applies to no application: nothing is included; hint: `None` says so
        strength {id: null}            blocked
            NotUnderstood $.grantControls.authenticationStrength: not an authentication strength: it has no `id`
    "#]].assert_eq(&told);
}
