//! Small ways to write tenants and requests down, and to tell an answer in words.

use expect_test::Expect;
use model::Timestamp;
use model::conditional_access::{AuthenticationStrengthPolicy, ConditionalAccessPolicy, NamedLocation};
use policy::answer::{Control, Decision, Outcome, PolicyResult};
use policy::request::*;
use policy::{CompiledPolicies, compile, decide, explain};
use serde_json::{Value, json};
use std::fmt::Write;

pub(crate) const NOW: &str = "2026-06-01T12:00:00Z";
pub(crate) const USER: &str = "aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb";
pub(crate) const GROUP: &str = "bbbbbbbb-0000-1111-2222-bbbbbbbbbbbb";
pub(crate) const ROLE: &str = "62e90394-69f5-4237-9190-012177145e10";
pub(crate) const SHAREPOINT: &str = "00000003-0000-0ff1-ce00-000000000000";

pub(crate) fn now() -> Timestamp {
    Timestamp::parse(NOW).unwrap()
}

/// `text`, an object, over a policy that is enabled for all users and all resources on all clients.
pub(crate) fn policy(text: &str) -> ConditionalAccessPolicy {
    let mut policy = json!({
        "id": "10000000-0000-0000-0000-000000000001",
        "displayName": "policy",
        "state": "enabled",
        "conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["all"]},
        "grantControls": null,
        "sessionControls": null
    });
    lay_over(&mut policy, serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}")));
    serde_json::from_value(policy).unwrap()
}

/// Objects are laid over member by member, everything else replaces.
fn lay_over(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (name, value) in over {
                lay_over(under.entry(name).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

pub(crate) fn tenant(policies: &[&str]) -> CompiledPolicies {
    let mut policies: Vec<ConditionalAccessPolicy> = policies.iter().map(|text| policy(text)).collect();
    for (number, policy) in policies.iter_mut().enumerate() {
        policy.id = format!("10000000-0000-0000-0000-{:012}", number + 1).as_str().into();
    }
    compile(&policies, &locations(), &strengths())
}

pub(crate) fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// `office` (trusted) holds `partner` within it; `nl`; `anywhere-unmapped`.
pub(crate) fn locations() -> Vec<NamedLocation> {
    let ip = "#microsoft.graph.ipNamedLocation";
    let country = "#microsoft.graph.countryNamedLocation";
    read(json!([
        {"@odata.type": ip, "id": "e0000000-0000-0000-0000-000000000001", "displayName": "office", "isTrusted": true,
            "ipRanges": [{"cidrAddress": "203.0.113.0/24"}, {"cidrAddress": "2001:db8::/32"}]},
        {"@odata.type": ip, "id": "e0000000-0000-0000-0000-000000000002", "displayName": "partner", "isTrusted": false,
            "ipRanges": [{"cidrAddress": "203.0.113.128/25"}]},
        {"@odata.type": country, "id": "e0000000-0000-0000-0000-000000000003", "displayName": "nl",
            "countriesAndRegions": ["NL"], "includeUnknownCountriesAndRegions": false, "countryLookupMethod": "clientIpAddress"},
        {"@odata.type": country, "id": "e0000000-0000-0000-0000-000000000004", "displayName": "unmapped",
            "countriesAndRegions": ["AQ"], "includeUnknownCountriesAndRegions": true, "countryLookupMethod": "clientIpAddress"}
    ]))
}

pub(crate) fn strengths() -> Vec<AuthenticationStrengthPolicy> {
    read(json!([
        {"id": "f0000000-0000-0000-0000-000000000001", "displayName": "company keys", "allowedCombinations": ["fido2"],
            "combinationConfigurations": [{"@odata.type": "#microsoft.graph.fido2CombinationConfiguration",
                "allowedAAGUIDs": ["2fc0579f-8113-47ea-b116-bb5a8db9202a"], "appliesToCombinations": ["fido2"]}]},
        {"id": "f0000000-0000-0000-0000-000000000002", "displayName": "password and text", "allowedCombinations": ["password,sms"]}
    ]))
}

/// A member on an unregistered Windows machine who gave the password just now, in a browser, for SharePoint.
pub(crate) fn request() -> AccessRequest {
    AccessRequest {
        principal: Principal::User(UserFacts {
            id: USER.into(),
            groups: [].into(),
            roles: [].into(),
            guest: GuestType::Member,
            home_tenant: None,
            is_agent_user: false,
        }),
        target: Target { audiences: vec![audience(SHAREPOINT)], ..Target::default() },
        client: Client { app_id: None, app_type: ClientAppType::Browser },
        platform: Platform::Windows,
        network: Network { address: Some("192.0.2.1".parse().unwrap()), country: Some("US".to_owned()), ..Network::default() },
        device: None,
        risk: Risk::default(),
        original_transfer_method: TransferMethod::None,
        methods: vec![used(Method::Password)],
        fulfilled: Fulfilled::default(),
        signed_in_at: Some(now()),
    }
}

pub(crate) fn audience(id: &str) -> Audience {
    Audience { app_id: id.into(), attributes: SecurityAttributes::default() }
}

pub(crate) fn used(method: Method) -> MethodUse {
    MethodUse { method, at: now(), aaguid: None }
}

pub(crate) fn user(request: &mut AccessRequest) -> &mut UserFacts {
    match &mut request.principal {
        Principal::User(user) => user,
        Principal::Workload(_) | Principal::Agent(_) => panic!("not a user"),
    }
}

/// `granted`, `blocked`, or `granted-after` with what is owed, by whom.
pub(crate) fn outcome(decision: &Decision) -> String {
    match decision.outcome {
        Outcome::Granted => "granted".to_owned(),
        Outcome::Blocked => "blocked".to_owned(),
        Outcome::GrantedAfter => {
            let owed = decision.owed.iter().map(|owed| {
                let alternatives: Vec<String> =
                    owed.any_of.iter().map(|set| set.iter().map(control).collect::<Vec<_>>().join(" and ")).collect();
                format!("{} [{}]", alternatives.join(" or "), owed.display_name)
            });
            format!("granted-after {}", owed.collect::<Vec<_>>().join("; "))
        }
    }
}

pub(crate) fn control(control: &Control) -> String {
    match control {
        Control::AuthenticationStrength { display_name, .. } => display_name.clone(),
        Control::Reauthenticate { secondary_only: true } => "second factor again".to_owned(),
        Control::Reauthenticate { secondary_only: false } => "sign in again".to_owned(),
        Control::NotUnderstood { name } => format!("?{name}"),
        Control::TermsOfUse { id } => format!("terms {id}"),
        Control::CustomFactor { name } => format!("custom {name}"),
        other => format!("{other:?}"),
    }
}

/// `result (unmet)`.
pub(crate) fn result(result: &PolicyResult) -> String {
    if result.unmet.is_empty() { format!("{:?}", result.result) } else { format!("{:?} {:?}", result.result, result.unmet) }
}

/// What differs from `request()`, by name.
pub(crate) type Row<'a> = (&'a str, fn(&mut AccessRequest));

/// One policy against several requests.
pub(crate) fn check(policy: &str, rows: &[Row<'_>], expected: &Expect) {
    let tenant = tenant(&[policy]);
    let mut told = String::new();
    for (name, change) in rows {
        let mut request = request();
        change(&mut request);
        let result = explain(&tenant, &request, now()).iter().map(result).collect::<String>();
        writeln!(told, "{name:<40} {:<12} {result}", outcome(&decide(&tenant, &request, now()))).unwrap();
    }
    expected.assert_eq(&told);
}

/// Several policies (one at a time) against one request.
pub(crate) fn check_policies(change: fn(&mut AccessRequest), policies: &[(&str, &str)], expected: &Expect) {
    let mut told = String::new();
    for (name, policy) in policies {
        let tenant = tenant(&[policy]);
        let mut request = request();
        change(&mut request);
        let result = explain(&tenant, &request, now()).iter().map(result).collect::<String>();
        writeln!(told, "{name:<44} {:<12} {result}", outcome(&decide(&tenant, &request, now()))).unwrap();
    }
    expected.assert_eq(&told);
}

/// Everything that a file holds, compiled.
pub(crate) fn compile_contents(contents: &policy::Contents) -> CompiledPolicies {
    let (mut policies, mut locations, mut strengths) = (vec![], vec![], vec![]);
    for read in &contents.objects {
        match &read.object {
            model::Object::ConditionalAccessPolicy(policy) => policies.push((**policy).clone()),
            model::Object::NamedLocation(location) => locations.push(location.clone()),
            model::Object::AuthenticationStrengthPolicy(strength) => strengths.push(strength.clone()),
            model::Object::Organization(_)
            | model::Object::User(_)
            | model::Object::Group(_)
            | model::Object::RoleAssignment(_)
            | model::Object::Application(_) => {}
        }
    }
    compile(&policies, &locations, &strengths)
}
