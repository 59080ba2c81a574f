//! Which policies apply: Microsoft's examples, and the cases that are easy to get wrong. Each test is a table: what is
//! asked, and the answer.

use crate::fixture::*;
use expect_test::expect;
use policy::answer::PolicyResult;
use policy::request::*;
use policy::{compile, explain};
use std::fmt::Write;

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// what-if-tool, "Examples": all users, Office 365, United States, high sign-in risk.
#[test]
fn the_what_if_examples() {
    let united_states = serde_json::json!({"@odata.type": "#microsoft.graph.countryNamedLocation", "displayName": "us",
        "id": "e0000000-0000-0000-0000-000000000009", "countriesAndRegions": ["US"], "countryLookupMethod": "clientIpAddress"});
    let policy = policy(
        r#"{"conditions": {"applications": {"includeApplications": ["Office365"]}, "signInRiskLevels": ["high"],
            "locations": {"includeLocations": ["e0000000-0000-0000-0000-000000000009"]}}, "grantControls": {"operator": "OR", "builtInControls": ["block"]}}"#,
    );
    let tenant = compile(&[policy], &[read(united_states)], &[]);
    let nothing = AccessRequest { target: Target::default(), network: Network::default(), ..request() };
    let application = AccessRequest { target: request().target, ..nothing.clone() };
    let location = AccessRequest { network: request().network, ..application.clone() };
    let risk = AccessRequest { risk: Risk { sign_in: RiskLevel::High, ..Risk::default() }, ..location.clone() };
    let mut told = String::new();
    for (number, request) in [nothing, application, location, risk].iter().enumerate() {
        let result = explain(&tenant, request, now()).iter().map(result).collect::<String>();
        writeln!(told, "{}: {result}", number + 1).unwrap();
    }
    expect![[r#"
        1: NotApplied [Application, Location, SignInRisk]
        2: NotApplied [Location, SignInRisk]
        3: NotApplied [SignInRisk]
        4: Failure
    "#]]
    .assert_eq(&told);
}

#[test]
fn targets() {
    fn ask(request: &mut AccessRequest, applications: &[&str], action: Option<UserAction>, contexts: &[&str]) {
        request.target = Target {
            audiences: applications.iter().map(|id| audience(id)).collect(),
            user_action: action,
            authentication_contexts: contexts.iter().map(|context| (*context).to_owned()).collect(),
        };
    }
    const PAYROLL: &str = "d0000000-0000-0000-0000-000000000001";
    let requests: [Row<'_>; 9] = [
        ("payroll", |request| ask(request, &[PAYROLL], None, &[])),
        ("SharePoint", |request| ask(request, &[SHAREPOINT], None, &[])),
        ("payroll and SharePoint", |request| ask(request, &[PAYROLL, SHAREPOINT], None, &[])),
        ("Azure portal", |request| ask(request, &["c44b4083-3bb0-49c1-b47d-974e53cbdf3c"], None, &[])),
        ("register security information", |request| ask(request, &[], Some(UserAction::RegisterSecurityInfo), &[])),
        ("register a device", |request| ask(request, &[], Some(UserAction::RegisterDevice), &[])),
        ("context c7", |request| ask(request, &[], None, &["c7"])),
        ("payroll with context c7", |request| ask(request, &[PAYROLL], None, &["c7"])),
        ("nothing in particular", |request| ask(request, &[], None, &[])),
    ];
    let mut told = String::new();
    for applications in [
        r#"{"includeApplications": ["All"]}"#,
        r#"{"includeApplications": ["All"], "excludeApplications": ["d0000000-0000-0000-0000-000000000001"]}"#,
        r#"{"includeApplications": ["All"], "excludeApplications": ["Office365"]}"#,
        r#"{"includeApplications": ["Office365"]}"#,
        r#"{"includeApplications": ["MicrosoftAdminPortals"]}"#,
        r#"{"includeApplications": ["797f4846-ba00-4fd7-ba43-dac1f8f63013"]}"#,
        r#"{"includeApplications": ["None"]}"#,
        r#"{"includeApplications": []}"#,
        r#"{"includeApplications": [], "includeUserActions": ["urn:user:registersecurityinfo"]}"#,
        r#"{"includeApplications": [], "includeUserActions": ["urn:user:registerdevice"]}"#,
        r#"{"includeApplications": [], "includeAuthenticationContextClassReferences": ["c7"]}"#,
        r#"{"includeApplications": ["AllAgentIdResources"]}"#,
        r#"{"includeApplications": [], "applicationFilter": {"mode": "include", "rule": "CustomSecurityAttribute.A_B -eq \"C\""}}"#,
    ] {
        let mut one = policy("{}");
        one.conditions["applications"] = serde_json::from_str(applications).unwrap();
        let tenant = compile(&[one], &[], &[]);
        let covered = requests.iter().filter(|(_, change)| {
            let mut request = request();
            change(&mut request);
            explain(&tenant, &request, now()).iter().all(|result| result.unmet.is_empty())
        });
        let covered = names(covered.map(|(name, _)| *name));
        writeln!(told, "{applications}\n    {}", covered).unwrap();
    }
    expect![[r#"
        {"includeApplications": ["All"]}
            payroll, SharePoint, payroll and SharePoint, Azure portal, register security information, context c7, payroll with context c7, nothing in particular
        {"includeApplications": ["All"], "excludeApplications": ["d0000000-0000-0000-0000-000000000001"]}
            SharePoint, payroll and SharePoint, Azure portal, register security information, context c7, nothing in particular
        {"includeApplications": ["All"], "excludeApplications": ["Office365"]}
            payroll, payroll and SharePoint, Azure portal, register security information, context c7, payroll with context c7, nothing in particular
        {"includeApplications": ["Office365"]}
            SharePoint, payroll and SharePoint
        {"includeApplications": ["MicrosoftAdminPortals"]}
            Azure portal
        {"includeApplications": ["797f4846-ba00-4fd7-ba43-dac1f8f63013"]}
            Azure portal
        {"includeApplications": ["None"]}
            none
        {"includeApplications": []}
            none
        {"includeApplications": [], "includeUserActions": ["urn:user:registersecurityinfo"]}
            register security information
        {"includeApplications": [], "includeUserActions": ["urn:user:registerdevice"]}
            register a device
        {"includeApplications": [], "includeAuthenticationContextClassReferences": ["c7"]}
            context c7, payroll with context c7
        {"includeApplications": ["AllAgentIdResources"]}
            payroll, SharePoint, payroll and SharePoint, Azure portal, register security information, register a device, context c7, payroll with context c7, nothing in particular
        {"includeApplications": [], "applicationFilter": {"mode": "include", "rule": "CustomSecurityAttribute.A_B -eq \"C\""}}
            payroll, SharePoint, payroll and SharePoint, Azure portal, register security information, register a device, context c7, payroll with context c7, nothing in particular
    "#]].assert_eq(&told);
}

#[test]
fn device_registration_meets_all_resources_only_through_authentication_flows() {
    let register = |request: &mut AccessRequest| {
        request.target = Target { user_action: Some(UserAction::RegisterDevice), ..Target::default() };
        request.original_transfer_method = TransferMethod::DeviceCodeFlow;
    };
    check_policies(
        register,
        &[
            ("all resources", r#"{"grantControls": {"builtInControls": ["block"], "operator": "OR"}}"#),
            (
                "all resources, device code flow",
                r#"{"conditions": {"authenticationFlows": {"transferMethods": "deviceCodeFlow"}}, "grantControls": {"builtInControls": ["block"], "operator": "OR"}}"#,
            ),
        ],
        &expect![[r#"
            all resources                                granted      NotApplied [Application]
            all resources, device code flow              blocked      Failure
        "#]],
    );
}

#[test]
fn users_and_guests() {
    const HOME: &str = "f0000000-0000-0000-0000-00000000000a";
    let rows: [Row<'_>; 8] = [
        ("member", |_| {}),
        ("member of the group", |request| {
            user(request).groups.insert(GROUP.into());
        }),
        ("holder of the role", |request| {
            user(request).roles.insert(ROLE.into());
        }),
        ("internal guest", |request| user(request).guest = GuestType::InternalGuest),
        ("collaboration guest from HOME", |request| {
            user(request).guest = GuestType::B2bCollaborationGuest;
            user(request).home_tenant = Some(HOME.into());
        }),
        ("service provider from elsewhere", |request| {
            user(request).guest = GuestType::ServiceProvider;
            user(request).home_tenant = Some("f0000000-0000-0000-0000-00000000000b".into());
        }),
        ("agent's user account", |request| user(request).is_agent_user = true),
        ("workload", |request| {
            request.principal = Principal::Workload(WorkloadFacts {
                service_principal: USER.into(),
                owned_by_this_tenant: true,
                attributes: SecurityAttributes::default(),
            });
        }),
    ];
    let enumerated = |types: &str, members: &str| {
        format!(
            r##"{{"includeUsers": [], "includeGuestsOrExternalUsers": {{"guestOrExternalUserTypes": "{types}",
            "externalTenants": {{"@odata.type": "#microsoft.graph.conditionalAccessEnumeratedExternalTenants", "membershipKind": "enumerated", "members": [{members}]}}}}}}"##
        )
    };
    let mut told = String::new();
    for users in [
        r#"{"includeUsers": ["All"]}"#.to_owned(),
        r#"{"includeUsers": ["None"]}"#.to_owned(),
        format!(r#"{{"includeUsers": ["{}"]}}"#, USER.to_uppercase()),
        r#"{"includeUsers": ["GuestsOrExternalUsers"]}"#.to_owned(),
        r#"{"includeUsers": ["All"], "excludeUsers": ["GuestsOrExternalUsers"]}"#.to_owned(),
        format!(r#"{{"includeUsers": ["All"], "excludeGroups": ["{GROUP}"]}}"#),
        format!(r#"{{"includeUsers": [], "includeGroups": ["{GROUP}"], "includeRoles": ["{ROLE}"]}}"#),
        enumerated("b2bCollaborationGuest,serviceProvider", &format!("\"{HOME}\"")),
        enumerated("b2bCollaborationGuest,serviceProvider", ""),
        r#"{"includeUsers": ["alice@example.com"]}"#.to_owned(),
        r#"{"includeUsers": ["All"], "excludeGroups": ["<ExclusionTempGroup>"]}"#.to_owned(),
        format!(r#"{{"excludeUsers": ["{USER}"]}}"#),
        "null".to_owned(),
    ] {
        let mut one = policy(r#"{"grantControls": {"operator": "OR", "builtInControls": ["mfa"]}}"#);
        one.conditions["users"] = serde_json::from_str(&users).unwrap();
        let tenant = compile(&[one], &[], &[]);
        let covered = rows.iter().filter(|(_, change)| {
            let mut request = request();
            change(&mut request);
            explain(&tenant, &request, now()).iter().all(|result| result.unmet.is_empty())
        });
        let covered = names(covered.map(|(name, _)| *name));
        let noted: Vec<String> =
            tenant.problems().iter().map(|problem| format!("\n    ! {}: {}", problem.place, problem.reason)).collect();
        writeln!(told, "{users}\n    {}{}", covered, noted.concat()).unwrap();
    }
    expect![[r##"
        {"includeUsers": ["All"]}
            member, member of the group, holder of the role, internal guest, collaboration guest from HOME, service provider from elsewhere
        {"includeUsers": ["None"]}
            none
        {"includeUsers": ["AAAAAAAA-0000-1111-2222-BBBBBBBBBBBB"]}
            member, member of the group, holder of the role, internal guest, collaboration guest from HOME, service provider from elsewhere, agent's user account
        {"includeUsers": ["GuestsOrExternalUsers"]}
            internal guest, collaboration guest from HOME, service provider from elsewhere
        {"includeUsers": ["All"], "excludeUsers": ["GuestsOrExternalUsers"]}
            member, member of the group, holder of the role
        {"includeUsers": ["All"], "excludeGroups": ["bbbbbbbb-0000-1111-2222-bbbbbbbbbbbb"]}
            member, holder of the role, internal guest, collaboration guest from HOME, service provider from elsewhere
        {"includeUsers": [], "includeGroups": ["bbbbbbbb-0000-1111-2222-bbbbbbbbbbbb"], "includeRoles": ["62e90394-69f5-4237-9190-012177145e10"]}
            member of the group, holder of the role
        {"includeUsers": [], "includeGuestsOrExternalUsers": {"guestOrExternalUserTypes": "b2bCollaborationGuest,serviceProvider",
                    "externalTenants": {"@odata.type": "#microsoft.graph.conditionalAccessEnumeratedExternalTenants", "membershipKind": "enumerated", "members": ["f0000000-0000-0000-0000-00000000000a"]}}}
            collaboration guest from HOME
        {"includeUsers": [], "includeGuestsOrExternalUsers": {"guestOrExternalUserTypes": "b2bCollaborationGuest,serviceProvider",
                    "externalTenants": {"@odata.type": "#microsoft.graph.conditionalAccessEnumeratedExternalTenants", "membershipKind": "enumerated", "members": []}}}
            none
        {"includeUsers": ["alice@example.com"]}
            member, member of the group, holder of the role, internal guest, collaboration guest from HOME, service provider from elsewhere, agent's user account
            ! $.conditions.users.includeUsers[0]: unknown value `alice@example.com`
        {"includeUsers": ["All"], "excludeGroups": ["<ExclusionTempGroup>"]}
            member, member of the group, holder of the role, internal guest, collaboration guest from HOME, service provider from elsewhere
            ! $.conditions.users.excludeGroups[0]: unknown value `<ExclusionTempGroup>`
        {"excludeUsers": ["aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb"]}
            none
            ! $.conditions.users: excludes without including anybody
        null
            member, member of the group, holder of the role, internal guest, collaboration guest from HOME, service provider from elsewhere, agent's user account, workload
            ! $.conditions.users: names nobody: `users` or `clientApplications` is required
    "##]].assert_eq(&told);
}

#[test]
fn empty_policies_match_nothing_and_say_so() {
    check_policies(
        |_| {},
        &[
            ("no users", r#"{"conditions": {"users": {"includeUsers": ["None"]}}}"#),
            ("no applications", r#"{"conditions": {"applications": {"includeApplications": ["None"]}}}"#),
            ("both", r#"{"conditions": {"users": {"includeUsers": []}, "applications": {"includeApplications": []}}}"#),
        ],
        &expect![[r#"
            no users                                     granted      NotApplied [EmptyPolicy, Users]
            no applications                              granted      NotApplied [EmptyPolicy, Application]
            both                                         granted      NotApplied [EmptyPolicy, Users, Application]
        "#]],
    );
}

#[test]
fn locations_overlap() {
    let mut told = String::new();
    let rows: [(&str, Option<&str>, Option<&str>); 6] = [
        ("office", Some("203.0.113.5"), Some("NL")),
        ("office and partner", Some("203.0.113.200"), Some("NL")),
        ("office, mapped into IPv6", Some("::ffff:203.0.113.5"), Some("NL")),
        ("office, IPv6", Some("2001:db8::7"), None),
        ("elsewhere in NL", Some("192.0.2.1"), Some("nl")),
        ("unmapped, no address", None, None),
    ];
    for condition in [
        r#"{"includeLocations": ["All"]}"#,
        r#"{"includeLocations": ["AllTrusted"]}"#,
        r#"{"includeLocations": ["All"], "excludeLocations": ["AllTrusted"]}"#,
        r#"{"excludeLocations": ["e0000000-0000-0000-0000-000000000003"]}"#,
        r#"{"includeLocations": ["e0000000-0000-0000-0000-000000000001"], "excludeLocations": ["e0000000-0000-0000-0000-000000000002"]}"#,
        r#"{"includeLocations": ["e0000000-0000-0000-0000-000000000004"]}"#,
        r#"{"includeLocations": ["e0000000-0000-0000-0000-00000000000f"]}"#,
        r#"{"includeLocations": ["All"], "excludeLocations": ["e0000000-0000-0000-0000-00000000000f"]}"#,
        "[]",
        r#"{"includeLocations": [], "excludeLocations": null}"#,
    ] {
        let tenant = tenant(&[&format!(
            r#"{{"conditions": {{"locations": {condition}}}, "grantControls": {{"operator": "OR", "builtInControls": ["mfa"]}}}}"#
        )]);
        let met = rows.iter().filter(|(_, address, country)| {
            let network = Network {
                address: address.map(|text| text.parse().unwrap()),
                country: country.map(str::to_owned),
                ..Network::default()
            };
            let request = AccessRequest { network, ..request() };
            explain(&tenant, &request, now()).iter().all(|result| result.unmet.is_empty())
        });
        let met = names(met.map(|(name, _, _)| *name));
        let noted: Vec<String> =
            tenant.problems().iter().map(|problem| format!("\n    ! {}: {}", problem.place, problem.reason)).collect();
        writeln!(told, "{condition}\n    {}{}", met, noted.concat()).unwrap();
    }
    expect![[r#"
        {"includeLocations": ["All"]}
            office, office and partner, office, mapped into IPv6, office, IPv6, elsewhere in NL, unmapped, no address
        {"includeLocations": ["AllTrusted"]}
            office, office and partner, office, mapped into IPv6, office, IPv6
        {"includeLocations": ["All"], "excludeLocations": ["AllTrusted"]}
            elsewhere in NL, unmapped, no address
        {"excludeLocations": ["e0000000-0000-0000-0000-000000000003"]}
            office, IPv6, unmapped, no address
        {"includeLocations": ["e0000000-0000-0000-0000-000000000001"], "excludeLocations": ["e0000000-0000-0000-0000-000000000002"]}
            office, office, mapped into IPv6, office, IPv6
        {"includeLocations": ["e0000000-0000-0000-0000-000000000004"]}
            office, IPv6, unmapped, no address
        {"includeLocations": ["e0000000-0000-0000-0000-00000000000f"]}
            office, office and partner, office, mapped into IPv6, office, IPv6, elsewhere in NL, unmapped, no address
            ! $.conditions.locations.includeLocations: no named location has the id `e0000000-0000-0000-0000-00000000000f`
        {"includeLocations": ["All"], "excludeLocations": ["e0000000-0000-0000-0000-00000000000f"]}
            office, office and partner, office, mapped into IPv6, office, IPv6, elsewhere in NL, unmapped, no address
            ! $.conditions.locations.excludeLocations: no named location has the id `e0000000-0000-0000-0000-00000000000f`
        []
            office, office and partner, office, mapped into IPv6, office, IPv6, elsewhere in NL, unmapped, no address
        {"includeLocations": [], "excludeLocations": null}
            office, office and partner, office, mapped into IPv6, office, IPv6, elsewhere in NL, unmapped, no address
    "#]].assert_eq(&told);
}

/// Strict location: the address that the resource saw must be allowed too.
#[test]
fn the_resource_sees_another_address() {
    check(
        r#"{"conditions": {"locations": {"includeLocations": ["All"], "excludeLocations": ["AllTrusted"]}}, "grantControls": {"operator": "OR", "builtInControls": ["block"]}}"#,
        &[
            ("both in the office", |request| {
                request.network.address = Some("203.0.113.5".parse().unwrap());
                request.network.address_seen_by_resource = Some("203.0.113.9".parse().unwrap());
            }),
            ("the resource sees another", |request| {
                request.network.address = Some("203.0.113.5".parse().unwrap());
                request.network.address_seen_by_resource = Some("192.0.2.1".parse().unwrap());
            }),
        ],
        &expect![[r#"
            both in the office                       granted      NotApplied [Location]
            the resource sees another                blocked      Failure
        "#]],
    );
}

#[test]
fn platforms_and_clients() {
    const ALL: [Platform; 7] = [
        Platform::Android,
        Platform::Ios,
        Platform::Windows,
        Platform::WindowsPhone,
        Platform::MacOs,
        Platform::Linux,
        Platform::Unknown,
    ];
    const CLIENTS: [ClientAppType; 4] = [
        ClientAppType::Browser,
        ClientAppType::MobileAppsAndDesktopClients,
        ClientAppType::ExchangeActiveSync,
        ClientAppType::Other,
    ];
    let mut told = String::new();
    for condition in [
        r#""platforms": {"includePlatforms": ["all"]}"#,
        r#""platforms": {"includePlatforms": ["all"], "excludePlatforms": ["android", "iOS", "windows", "macOS", "linux"]}"#,
        r#""platforms": {"excludePlatforms": ["IOS"]}"#,
        r#""platforms": {"includePlatforms": ["windows", "templeOS"]}"#,
        r#""platforms": {"includePlatforms": ["all"], "excludePlatforms": ["templeOS"]}"#,
        r#""platforms": {"includePlatforms": null, "excludePlatforms": []}"#,
    ] {
        let tenant = tenant(&[&format!(r#"{{"conditions": {{{condition}}}}}"#)]);
        let met: Vec<Platform> = ALL
            .into_iter()
            .filter(|platform| {
                let request = AccessRequest { platform: *platform, ..request() };
                explain(&tenant, &request, now()).iter().all(|result| result.unmet.is_empty())
            })
            .collect();
        writeln!(told, "{condition}\n    {met:?}").unwrap();
    }
    for condition in [
        "null",
        "[]",
        r#"["All"]"#,
        r#"["browser", "mobileAppsAndDesktopClients"]"#,
        r#"["exchangeActiveSync", "other"]"#,
        r#"["easSupported"]"#,
        r#"["modern"]"#,
    ] {
        let tenant = tenant(&[&format!(r#"{{"conditions": {{"clientAppTypes": {condition}}}}}"#)]);
        let met: Vec<ClientAppType> = CLIENTS
            .into_iter()
            .filter(|app_type| {
                let request = AccessRequest { client: Client { app_id: None, app_type: *app_type }, ..request() };
                explain(&tenant, &request, now()).iter().all(|result| result.unmet.is_empty())
            })
            .collect();
        writeln!(told, "clientAppTypes {condition}\n    {met:?}").unwrap();
    }
    expect![[r#"
        "platforms": {"includePlatforms": ["all"]}
            [Android, Ios, Windows, WindowsPhone, MacOs, Linux, Unknown]
        "platforms": {"includePlatforms": ["all"], "excludePlatforms": ["android", "iOS", "windows", "macOS", "linux"]}
            [WindowsPhone, Unknown]
        "platforms": {"excludePlatforms": ["IOS"]}
            [Android, Windows, WindowsPhone, MacOs, Linux, Unknown]
        "platforms": {"includePlatforms": ["windows", "templeOS"]}
            [Android, Ios, Windows, WindowsPhone, MacOs, Linux, Unknown]
        "platforms": {"includePlatforms": ["all"], "excludePlatforms": ["templeOS"]}
            [Android, Ios, Windows, WindowsPhone, MacOs, Linux, Unknown]
        "platforms": {"includePlatforms": null, "excludePlatforms": []}
            [Android, Ios, Windows, WindowsPhone, MacOs, Linux, Unknown]
        clientAppTypes null
            [Browser, MobileAppsAndDesktopClients, ExchangeActiveSync, Other]
        clientAppTypes []
            [Browser, MobileAppsAndDesktopClients, ExchangeActiveSync, Other]
        clientAppTypes ["All"]
            [Browser, MobileAppsAndDesktopClients, ExchangeActiveSync, Other]
        clientAppTypes ["browser", "mobileAppsAndDesktopClients"]
            [Browser, MobileAppsAndDesktopClients]
        clientAppTypes ["exchangeActiveSync", "other"]
            [ExchangeActiveSync, Other]
        clientAppTypes ["easSupported"]
            [ExchangeActiveSync]
        clientAppTypes ["modern"]
            [Browser, MobileAppsAndDesktopClients, ExchangeActiveSync, Other]
    "#]]
    .assert_eq(&told);
}

/// Risk levels are sets, not thresholds; user risk and sign-in risk in one policy are ANDed.
#[test]
fn risk_levels_are_sets() {
    check(
        r#"{"conditions": {"signInRiskLevels": ["medium"], "userRiskLevels": ["high", "none"]}, "grantControls": {"operator": "OR", "builtInControls": ["block"]}}"#,
        &[
            ("no risk", |_| {}),
            ("medium", |request| request.risk.sign_in = RiskLevel::Medium),
            ("high is not medium", |request| request.risk.sign_in = RiskLevel::High),
            ("hidden", |request| request.risk.sign_in = RiskLevel::Hidden),
            ("medium, user low", |request| {
                request.risk = Risk { sign_in: RiskLevel::Medium, user: RiskLevel::Low, ..Risk::default() }
            }),
            ("medium, user high", |request| {
                request.risk = Risk { sign_in: RiskLevel::Medium, user: RiskLevel::High, ..Risk::default() }
            }),
        ],
        &expect![[r#"
            no risk                                  granted      NotApplied [SignInRisk]
            medium                                   blocked      Failure
            high is not medium                       granted      NotApplied [SignInRisk]
            hidden                                   granted      NotApplied [SignInRisk]
            medium, user low                         granted      NotApplied [UserRisk]
            medium, user high                        blocked      Failure
        "#]],
    );
}

/// What is not understood: the policy stays, for those whom its other conditions leave, and says what and where.
#[test]
fn what_is_not_understood_is_told() {
    let mut told = String::new();
    for text in [
        r#"{"state": "partiallyEnabled"}"#,
        r#"{"conditions": {"times": {"includeTimes": "nights"}}}"#,
        r#"{"conditions": {"agentContext": {"includeAgentContexts": ["agentUserSessionsInitiatedFromEndpoints"]}}}"#,
        r#"{"conditions": {"platforms": "windows"}}"#,
        r#"{"conditions": {"platforms": {"includePlatforms": ["linux", 7]}}}"#,
        r#"{"conditions": {"signInRiskLevels": ["extreme"]}}"#,
        r#"{"conditions": {"authenticationFlows": {"transferMethods": ["deviceCodeFlow", "pigeon"]}}}"#,
        r#"{"conditions": {"devices": {"includeDeviceStates": ["Compliant"]}}}"#,
        r#"{"conditions": {"users": {"includeUsers": ["None"]}, "times": {"x": 1}}}"#,
        r#"{"state": "disabled", "conditions": {"times": {"x": 1}}}"#,
        r#"{"conditions": "none"}"#,
        r#"{"partialEnablementStrategy": {"x": 1}}"#,
        r#"{"conditions": {"applications": {"includeApplications": ["Office 365"]}}}"#,
    ] {
        let tenant = tenant(&[text]);
        let [result]: [PolicyResult; 1] = explain(&tenant, &request(), now()).try_into().unwrap();
        writeln!(told, "{text}\n    {}\n    {}", crate::fixture::result(&result), result.not_understood.join("\n    ")).unwrap();
    }
    expect![[r#"
        {"state": "partiallyEnabled"}
            Success
            $.state: unknown state `partiallyEnabled`: taken as enabled
        {"conditions": {"times": {"includeTimes": "nights"}}}
            Success
            $.conditions.times: unknown condition `times`
        {"conditions": {"agentContext": {"includeAgentContexts": ["agentUserSessionsInitiatedFromEndpoints"]}}}
            Success
            $.conditions.agentContext: unknown condition `agentContext`
        {"conditions": {"platforms": "windows"}}
            Success
            $.conditions.platforms: not an object
        {"conditions": {"platforms": {"includePlatforms": ["linux", 7]}}}
            Success
            $.conditions.platforms.includePlatforms[1]: not a string
        {"conditions": {"signInRiskLevels": ["extreme"]}}
            Success
            $.conditions.signInRiskLevels[0]: unknown value `extreme`
        {"conditions": {"authenticationFlows": {"transferMethods": ["deviceCodeFlow", "pigeon"]}}}
            Success
            $.conditions.authenticationFlows.transferMethods[1]: unknown value `pigeon`
        {"conditions": {"devices": {"includeDeviceStates": ["Compliant"]}}}
            Success
            $.conditions.devices.includeDeviceStates: unknown member `includeDeviceStates`
        {"conditions": {"users": {"includeUsers": ["None"]}, "times": {"x": 1}}}
            NotApplied [EmptyPolicy, Users]
            $.conditions.times: unknown condition `times`
        {"state": "disabled", "conditions": {"times": {"x": 1}}}
            NotEnabled
            $.conditions.times: unknown condition `times`
        {"conditions": "none"}
            Success
            $.conditions: not an object
            $.conditions.users: names nobody: `users` or `clientApplications` is required
            $.conditions.applications: targets nothing: `applications` is required
        {"partialEnablementStrategy": {"x": 1}}
            Success
            $.partialEnablementStrategy: unknown member `partialEnablementStrategy`
        {"conditions": {"applications": {"includeApplications": ["Office 365"]}}}
            Success
            $.conditions.applications.includeApplications[0]: unknown value `Office 365`
    "#]]
    .assert_eq(&told);
}
