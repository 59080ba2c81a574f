//! Random tenants and requests over a small world, so that they meet often: a handful of ids of each kind, every
//! condition, overlapping includes and excludes, and some of everything that is not understood.

use model::Timestamp;
use policy::request::*;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};
use std::net::IpAddr;

pub(crate) const NOW: &str = "2026-06-01T12:00:00Z";

pub(crate) fn now() -> Timestamp {
    Timestamp::parse(NOW).unwrap()
}

/// `kind` keeps ids of different kinds apart.
pub(crate) fn id(kind: u32, number: u32) -> String {
    format!("{kind:08x}-0000-4000-8000-{number:012x}")
}

const USER: u32 = 0xa;
const GROUP: u32 = 0xb;
const ROLE: u32 = 0xc;
const APPLICATION: u32 = 0xd;
const LOCATION: u32 = 0xe;
const TENANT: u32 = 0xf;
const CLIENT: u32 = 0x1a;
const STRENGTH: u32 = 0x1b;
const KEY: u32 = 0x1c;
const EXCHANGE: &str = "00000002-0000-0ff1-ce00-000000000000";
const PORTAL: &str = "c44b4083-3bb0-49c1-b47d-974e53cbdf3c";
const AZURE: &str = "797f4846-ba00-4fd7-ba43-dac1f8f63013";

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) policies: Vec<Value>,
    pub(crate) locations: Vec<Value>,
    pub(crate) strengths: Vec<Value>,
}

pub(crate) fn world() -> impl Strategy<Value = World> {
    (vec(policy(), 1..5), locations(), strengths()).prop_map(|(mut policies, locations, strengths)| {
        for (number, policy) in policies.iter_mut().enumerate() {
            policy["id"] = Value::from(id(1, u32::try_from(number).unwrap()));
            policy["displayName"] = Value::from(format!("policy {number}"));
        }
        World { policies, locations, strengths }
    })
}

// ------------------------------------------------------------------------------------------------------------- policies

fn policy() -> impl Strategy<Value = Value> {
    let state = prop_oneof![
        6 => Just("enabled"),
        2 => Just("enabledForReportingButNotEnforced"),
        1 => Just("disabled"),
        1 => Just("partiallyEnabled"),
    ];
    let bind = rarely(select(vec![json!("x"), json!([]), json!({"id": "x"})]).boxed());
    (state, conditions(), grant(), session(), bind).prop_map(|(state, conditions, grant, session, bind)| {
        let mut policy = json!({"state": state, "conditions": conditions, "grantControls": grant, "sessionControls": session});
        if !bind.is_null() {
            policy["grantControls@odata.bind"] = bind;
        }
        policy
    })
}

fn conditions() -> impl Strategy<Value = Value> {
    let who = (users(), sometimes(2, clients()), sometimes(2, agents()));
    let how = (
        sometimes(
            3,
            words(&["all", "browser", "mobileAppsAndDesktopClients", "exchangeActiveSync", "easSupported", "other", "modern"]),
        ),
        sometimes(2, object(vec![("includePlatforms", platforms()), ("excludePlatforms", platforms())])),
        sometimes(3, object(vec![("includeLocations", named_locations()), ("excludeLocations", named_locations())])),
        sometimes(3, devices()),
    );
    let risk = (
        sometimes(1, words(&["none", "low", "medium", "high", "hidden", "unknownFutureValue"])),
        sometimes(1, words(&["none", "low", "high"])),
        sometimes(1, flag_words(&["low", "medium", "high"])),
        sometimes(1, flag_words(&["minor", "moderate", "elevated"])),
        sometimes(
            1,
            object(vec![("transferMethods", flag_words(&["none", "deviceCodeFlow", "authenticationTransfer", "carrierPigeon"]))]),
        ),
    );
    let more = (applications(), sometimes(1, Just(json!({"includeTimes": "nights"})).boxed()));
    (who, how, risk, more).prop_map(|((users, clients, agents), (apps, platforms, locations, devices), risk, (applications, times))| {
        json!({
            "users": users, "clientApplications": clients, "agents": agents, "applications": applications, "clientAppTypes": apps,
            "platforms": platforms, "locations": locations, "devices": devices, "signInRiskLevels": risk.0,
            "userRiskLevels": risk.1, "agentIdRiskLevels": risk.2, "insiderRiskLevels": risk.3, "authenticationFlows": risk.4,
            "times": times,
        })
    })
}

fn users() -> BoxedStrategy<Value> {
    let names = vec![id(USER, 0), id(USER, 1), "GuestsOrExternalUsers".into(), "None".into(), "alice@example.com".into()];
    let included = prop_oneof![4 => Just(json!(["All"])), 4 => some_of(names.clone(), 0..3), 1 => Just(json!("All")), 1 => Just(Value::Null)];
    let members = object(vec![
        ("includeUsers", included.boxed()),
        ("excludeUsers", sometimes(3, some_of(names, 0..3))),
        ("includeGroups", sometimes(3, groups())),
        ("excludeGroups", sometimes(3, groups())),
        ("includeRoles", sometimes(2, some_of(vec![id(ROLE, 0), id(ROLE, 1)], 0..2))),
        ("excludeRoles", sometimes(2, some_of(vec![id(ROLE, 0), id(ROLE, 1)], 0..2))),
        ("includeGuestsOrExternalUsers", sometimes(2, guests())),
        ("excludeGuestsOrExternalUsers", sometimes(2, guests())),
        ("excludeAdministrativeUnits", rarely(Just(json!(["x"])).boxed())),
        ("includeAdministrativeUnits", rarely(Just(json!(["x"])).boxed())),
        ("includeGroups@odata.bind", rarely(Just(json!(["x"])).boxed())),
        ("excludeGroups@odata.bind", rarely(Just(json!(["x"])).boxed())),
        ("includeUsers@odata.type", rarely(Just(json!("#Collection(String)")).boxed())),
    ]);
    odd(members)
}

fn groups() -> BoxedStrategy<Value> {
    some_of(vec![id(GROUP, 0), id(GROUP, 1), id(GROUP, 2), "<ExclusionGroup>".into()], 0..3)
}

fn guests() -> BoxedStrategy<Value> {
    let types = flag_words(&[
        "none",
        "internalGuest",
        "b2bCollaborationGuest",
        "b2bCollaborationMember",
        "b2bDirectConnectUser",
        "otherExternalUser",
        "serviceProvider",
        "alien",
    ]);
    let members = some_of(vec![id(TENANT, 0), id(TENANT, 1), "not-a-tenant".into()], 0..3);
    let tenants = prop_oneof![
        Just(Value::Null),
        Just(json!({"@odata.type": "#microsoft.graph.conditionalAccessAllExternalTenants"})),
        Just(json!({"@odata.type": "#x", "membershipKind": "all"})),
        members.clone().prop_map(|members| json!({"membershipKind": "enumerated", "members": members})),
        members.prop_map(|members| {
            json!({"@odata.type": "#microsoft.graph.conditionalAccessEnumeratedExternalTenants", "members": members})
        }),
        Just(json!({"membershipKind": "friends"})),
    ];
    odd(object(vec![("guestOrExternalUserTypes", types), ("externalTenants", tenants.boxed())]))
}

fn clients() -> BoxedStrategy<Value> {
    let service = vec![id(CLIENT, 0), id(CLIENT, 1), "ServicePrincipalsInMyTenant".into(), "None".into(), "All".into()];
    odd(object(vec![
        ("includeServicePrincipals", sometimes(8, some_of(service.clone(), 0..3))),
        ("excludeServicePrincipals", sometimes(4, some_of(service.clone(), 0..2))),
        ("includeAgentIdServicePrincipals", sometimes(5, some_of(service.clone(), 0..2))),
        ("excludeAgentIdServicePrincipals", sometimes(3, some_of(service, 0..2))),
        ("servicePrincipalFilter", rarely(attribute_filter())),
        ("agentIdServicePrincipalFilter", rarely(attribute_filter())),
    ]))
}

fn agents() -> BoxedStrategy<Value> {
    let agents = vec![id(USER, 0), id(USER, 1), "All".into(), "None".into()];
    odd(object(vec![
        ("includeAgentUsers", sometimes(8, some_of(agents.clone(), 0..2))),
        ("excludeAgentUsers", sometimes(4, some_of(agents, 0..2))),
        ("agentFilter", rarely(attribute_filter())),
    ]))
}

fn attribute_filter() -> BoxedStrategy<Value> {
    select(vec!["include", "exclude"])
        .prop_map(|mode| json!({"mode": mode, "rule": "CustomSecurityAttribute.A_B -eq \"C\""}))
        .boxed()
}

fn applications() -> BoxedStrategy<Value> {
    let named = vec![
        id(APPLICATION, 0),
        id(APPLICATION, 1),
        EXCHANGE.into(),
        PORTAL.into(),
        AZURE.into(),
        "Office365".into(),
        "MicrosoftAdminPortals".into(),
        "None".into(),
        "All".into(),
        "AllAgentIdResources".into(),
    ];
    let included = prop_oneof![5 => Just(json!(["All"])), 4 => some_of(named.clone(), 0..3), 1 => Just(Value::Null)];
    odd(object(vec![
        ("includeApplications", included.boxed()),
        ("excludeApplications", sometimes(3, some_of(named, 0..3))),
        (
            "includeUserActions",
            sometimes(2, words(&["urn:user:registersecurityinfo", "urn:user:registerdevice", "urn:user:dance"])),
        ),
        ("includeAuthenticationContextClassReferences", sometimes(2, words(&["c1", "C2", "c99", "c0", "c100"]))),
        ("applicationFilter", rarely(attribute_filter())),
        ("globalSecureAccess", rarely(Just(json!({"includeTrafficProfiles": "m365"})).boxed())),
    ]))
}

fn platforms() -> BoxedStrategy<Value> {
    words(&["all", "android", "iOS", "windows", "windowsPhone", "macOS", "linux", "templeOS"])
}

fn named_locations() -> BoxedStrategy<Value> {
    let mut names: Vec<String> = (0..7).map(|number| id(LOCATION, number)).collect();
    names.extend(["All".to_owned(), "AllTrusted".to_owned(), "somewhere".to_owned()]);
    some_of(names, 0..3)
}

fn devices() -> BoxedStrategy<Value> {
    let filter = (select(vec!["include", "exclude", "Exclude", "perhaps"]), rule())
        .prop_map(|(mode, rule)| json!({"mode": mode, "rule": rule}));
    odd(object(vec![
        ("deviceFilter", sometimes(9, filter.boxed())),
        ("includeDevices", rarely(Just(json!(["Compliant"])).boxed())),
        ("excludeDevices", rarely(Just(json!(["Compliant"])).boxed())),
    ]))
}

pub(crate) fn rule() -> BoxedStrategy<String> {
    let comparison = prop_oneof![
        (select(vec!["isCompliant", "iscompliant"]), equality(), select(vec!["True", "\"False\"", "null", "'true'", "maybe"]))
            .prop_map(compare),
        (Just("trustType"), equality(), select(vec!["\"ServerAD\"", "'Workplace'", "AzureAD", "Null", "\"EntraID\""]))
            .prop_map(compare),
        (Just("deviceOwnership"), equality(), select(vec!["\"Company\"", "Personal"])).prop_map(compare),
        (
            select(vec!["model", "extensionAttribute1", "extensionAttribute15", "displayName", "extensionAttribute16", "colour"]),
            select(vec![
                "-eq",
                "-ne",
                "startsWith",
                "-notStartsWith",
                "–endsWith",
                "-notEndsWith",
                "-CONTAINS",
                "-notContains",
                "-match"
            ]),
            select(vec!["\"SAW\"", "'s'", "\"a`\"b\"", "'it''s'", "null", "\"\"", "\"unclosed"]),
        )
            .prop_map(compare),
        (select(vec!["physicalIds", "systemLabels"]), select(vec!["-contains", "-notContains", "-eq"]), Just("\"label\""))
            .prop_map(compare),
        (
            select(vec!["deviceId", "model", "isCompliant"]),
            select(vec!["-in", "-notIn"]),
            select(vec!["[\"SAW\", 'x']", "[x]", "[]", "\"SAW\"", "[null]"])
        )
            .prop_map(compare),
    ];
    comparison
        .prop_recursive(3, 8, 2, |inner| {
            prop_oneof![
                (inner.clone(), select(vec!["-and", "-or", "AND", "or", "–or"]), inner.clone())
                    .prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
                inner.clone().prop_map(|rule| format!("({rule})")),
                inner.clone().prop_map(|rule| format!("-not ({rule})")),
                inner.prop_map(|rule| format!("not {rule}")),
            ]
        })
        .boxed()
}

fn equality() -> impl Strategy<Value = &'static str> {
    select(vec!["-eq", "-ne", "eq", "NE"])
}

fn compare((property, operator, value): (&str, &str, &str)) -> String {
    format!("device.{property} {operator} {value}")
}

fn grant() -> BoxedStrategy<Value> {
    let controls = words(&[
        "mfa",
        "compliantDevice",
        "domainJoinedDevice",
        "approvedApplication",
        "compliantApplication",
        "passwordChange",
        "riskRemediation",
        "block",
        "compliantNetwork",
        "mfa",
        "compliantDevice",
        "compliantApplication",
        "passwordChange",
    ]);
    let mut strengths: Vec<Value> = (0..4).map(|number| json!({"id": id(STRENGTH, number)})).collect();
    strengths.extend([2, 3, 4].map(|number| json!({"id": format!("00000000-0000-0000-0000-{number:012}")})));
    strengths.push(json!({"id": id(STRENGTH, 9), "displayName": "inline", "allowedCombinations": ["fido2", "password, sms"]}));
    strengths.push(json!("strong"));
    let expanded = json!({"id": id(STRENGTH, 9), "displayName": "inline", "allowedCombinations": ["fido2"]});
    let odd_strengths = vec![
        json!({}),
        json!([]),
        json!({"id": null}),
        json!({"id": null, "displayName": "", "allowedCombinations": [], "x@odata.type": "y"}),
        json!({"@odata.type": "#microsoft.graph.authenticationStrengthPolicy"}),
        json!({"@odata.id": address("/", &id(STRENGTH, 0))}),
        json!({"@odata.id": address("/", &id(STRENGTH, 0)), "id": null}),
        json!({"@odata.bind": address("/", &id(STRENGTH, 0))}),
        json!({"displayName": "Phishing-resistant MFA"}),
        json!(4),
        expanded,
    ];
    let strength = prop_oneof![14 => Just(Value::Null), 4 => select(strengths), 2 => select(odd_strengths)].boxed();
    let known = prop_oneof![
        (0..4u32).prop_map(|number| id(STRENGTH, number)),
        Just("00000000-0000-0000-0000-000000000004".to_owned()),
        Just(id(STRENGTH, 9).to_uppercase())
    ];
    let bind = prop_oneof![
        17 => Just(Value::Null),
        3 => (select(vec!["/", "(", "('"]), known).prop_map(|(how, id)| json!(address(how, &id))),
        1 => select(vec![
            json!(""),
            json!([]),
            json!({}),
            json!(4),
            json!("https://graph.microsoft.com/v1.0/policies/authenticationStrengthPolicies"),
            json!("https://graph.microsoft.com/v1.0/policies/authenticationStrengthPolicies/strong"),
            json!("https://graph.microsoft.com/v1.0/users/00000000-0000-0000-0000-000000000004"),
        ]),
    ]
    .boxed();
    let other_bind = || rarely(select(vec![json!("x"), json!(["x"]), json!([])]).boxed());
    prop_oneof![
        4 => Just(Value::Null),
        1 => Just(json!([])),
        6 => Just(json!({"operator": "OR", "builtInControls": ["mfa"]})),
        3 => Just(json!({"operator": "OR", "builtInControls": ["block"]})),
        20 => object(vec![
            ("operator", select(vec![json!("OR"), json!("AND"), json!("or"), Value::Null, json!("XOR")]).boxed()),
            ("builtInControls", controls),
            ("customAuthenticationFactors", sometimes(1, words(&["duo", "other"]))),
            ("termsOfUse", sometimes(1, words(&["Terms-1", "terms-2"]))),
            ("authenticationStrength", strength),
            ("authenticationStrength@odata.bind", bind),
            ("authenticationStrength@odata.context", rarely(Just(json!("x")).boxed())),
            ("authenticationStrength@odata.id", rarely(Just(json!("x")).boxed())),
            ("termsOfUse@odata.bind", other_bind()),
            ("builtInControls@odata.type", rarely(Just(json!("#Collection(String)")).boxed())),
            ("futureControls", rarely(Just(json!(["x"])).boxed())),
        ]),
        1 => Just(json!("mfa")),
        1 => select(vec![json!({}), json!({"operator": "OR", "builtInControls": []}), json!({"@odata.id": "x"})]),
    ]
    .boxed()
}

/// Of an authentication strength, as OData writes it after a slash or in parentheses, with or without quotes.
fn address(how: &str, id: &str) -> String {
    let end = match how {
        "(" => ")",
        "('" => "')",
        _ => "",
    };
    format!("https://graph.microsoft.com/v1.0/policies/authenticationStrengthPolicies{how}{id}{end}")
}

fn session() -> BoxedStrategy<Value> {
    let frequency = object(vec![
        ("isEnabled", select(vec![json!(true), json!(true), Value::Null, json!(false)]).boxed()),
        ("value", select(vec![json!(1), json!(12), Value::Null, json!(0)]).boxed()),
        ("type", select(vec![json!("hours"), json!("days"), Value::Null]).boxed()),
        (
            "authenticationType",
            select(vec![json!("primaryAndSecondaryAuthentication"), json!("secondaryAuthentication"), Value::Null]).boxed(),
        ),
        (
            "frequencyInterval",
            select(vec![json!("timeBased"), json!("timeBased"), json!("everyTime"), Value::Null, json!("often")]).boxed(),
        ),
    ]);
    let set = |name: &'static str, values: Vec<Value>| (name, sometimes(2, select(values).boxed()));
    prop_oneof![
        12 => Just(Value::Null),
        12 => object(vec![
            ("signInFrequency", sometimes(4, frequency)),
            set("persistentBrowser", vec![json!({"isEnabled": true, "mode": "always"}), json!({"isEnabled": true, "mode": "never"}), json!({"mode": "x"})]),
            set("cloudAppSecurity", vec![json!({"isEnabled": true, "cloudAppSecurityType": "monitorOnly"}), json!({"isEnabled": true, "cloudAppSecurityType": "blockDownloads"}), json!({"isEnabled": true, "cloudAppSecurityType": "zap"}), json!({"isEnabled": false})]),
            set("continuousAccessEvaluation", vec![json!({"mode": "disabled"}), json!({"mode": "strictEnforcement"}), json!({"mode": "strictLocation"}), json!({"mode": "lax"})]),
            set("applicationEnforcedRestrictions", vec![json!({"isEnabled": true}), json!({"isEnabled": false})]),
            set("disableResilienceDefaults", vec![json!(true), json!(false)]),
            set("globalSecureAccessFilteringProfile", vec![json!({"isEnabled": true, "profileId": "P1"}), json!({"isEnabled": true, "profileId": "p2"})]),
            set("secureSignInSession", vec![json!({"isEnabled": true}), json!({"isEnabled": null})]),
            ("networkAccessSecurity", rarely(select(vec![json!({"isEnabled": true, "policyId": "x"}), json!({"isEnabled": false, "policyId": "x"})]).boxed())),
        ]),
        1 => Just(json!("strict")),
    ]
    .boxed()
}

// ------------------------------------------------------------------------------------------------ locations, strengths

fn locations() -> impl Strategy<Value = Vec<Value>> {
    let ip = |number: u32, trusted: Value, ranges: Vec<&str>| {
        let ranges: Vec<Value> = ranges
            .into_iter()
            .map(|range| json!({"@odata.type": "#microsoft.graph.iPv4CidrRange", "cidrAddress": range}))
            .collect();
        json!({"@odata.type": "#microsoft.graph.ipNamedLocation", "id": id(LOCATION, number), "displayName": "ip", "isTrusted": trusted, "ipRanges": ranges})
    };
    let country = |number: u32, method: &str, countries: Value, unknown: bool| {
        json!({"@odata.type": "#microsoft.graph.countryNamedLocation", "id": id(LOCATION, number), "displayName": "country",
            "countriesAndRegions": countries, "includeUnknownCountriesAndRegions": unknown, "countryLookupMethod": method})
    };
    let all = vec![
        ip(0, json!(true), vec!["203.0.113.0/24"]),
        ip(1, json!(false), vec!["203.0.113.128/25", "2001:db8::/32"]),
        ip(2, json!(true), vec!["198.51.100.0/24", "not a range", "0.0.0.0/0"]),
        country(3, "clientIpAddress", json!(["NL", "BE"]), false),
        country(4, "authenticatorAppGps", json!(["NL", "Narnia"]), true),
        json!({"@odata.type": "#microsoft.graph.compliantNetworkNamedLocation", "id": id(LOCATION, 5), "displayName": "compliant",
            "compliantNetworkType": "allTenantCompliantNetworks", "isTrusted": true}),
        json!({"@odata.type": "#microsoft.graph.moonNamedLocation", "id": id(LOCATION, 6), "displayName": "moon", "isTrusted": true}),
    ];
    let length = all.len();
    subsequence(all, 0..=length)
}

fn strengths() -> impl Strategy<Value = Vec<Value>> {
    let all = vec![
        json!({"id": id(STRENGTH, 0), "displayName": "any", "allowedCombinations": ["password,sms", "fido2"]}),
        json!({"id": id(STRENGTH, 1), "displayName": "key", "allowedCombinations": ["fido2", "password,softwareOath"], "combinationConfigurations": [
            {"@odata.type": "#microsoft.graph.fido2CombinationConfiguration", "allowedAAGUIDs": [id(KEY, 0)], "appliesToCombinations": ["fido2"]}]}),
        json!({"id": id(STRENGTH, 2), "displayName": "certificate", "allowedCombinations": ["x509CertificateMultiFactor", "password,telepathy", "sms"],
            "combinationConfigurations": [{"@odata.type": "#microsoft.graph.x509CertificateCombinationConfiguration", "allowedIssuerSkis": ["x"],
            "appliesToCombinations": ["x509CertificateMultiFactor"]}]}),
        json!({"id": id(STRENGTH, 3), "displayName": "none", "allowedCombinations": ["telepathy"]}),
    ];
    let length = all.len();
    subsequence(all, 0..=length)
}

// ------------------------------------------------------------------------------------------------------------- requests

pub(crate) fn request() -> impl Strategy<Value = AccessRequest> {
    let how = (
        (
            option::of(Just(id(APPLICATION, 2).as_str().into())),
            select(vec![
                ClientAppType::Browser,
                ClientAppType::Browser,
                ClientAppType::Browser,
                ClientAppType::MobileAppsAndDesktopClients,
                ClientAppType::MobileAppsAndDesktopClients,
                ClientAppType::ExchangeActiveSync,
                ClientAppType::Other,
            ]),
        )
            .prop_map(|(app_id, app_type)| Client { app_id, app_type }),
        select(vec![
            Platform::Android,
            Platform::Ios,
            Platform::Windows,
            Platform::WindowsPhone,
            Platform::MacOs,
            Platform::Linux,
            Platform::Unknown,
        ]),
        network(),
        option::of(device()),
        select(vec![
            TransferMethod::None,
            TransferMethod::None,
            TransferMethod::DeviceCodeFlow,
            TransferMethod::AuthenticationTransfer,
        ]),
    );
    let levels = || select(vec![RiskLevel::None, RiskLevel::Low, RiskLevel::Medium, RiskLevel::High, RiskLevel::Hidden]);
    let insider =
        select(vec![InsiderRiskLevel::None, InsiderRiskLevel::Minor, InsiderRiskLevel::Moderate, InsiderRiskLevel::Elevated]);
    let risk = (levels(), levels(), levels(), levels(), insider)
        .prop_map(|(sign_in, user, service_principal, agent, insider)| Risk { sign_in, user, service_principal, agent, insider });
    (principal(), target(), how, risk, vec(method_use(), 0..4), fulfilled(), option::weighted(0.8, time())).prop_map(
        |(
            principal,
            target,
            (client, platform, network, device, original_transfer_method),
            risk,
            methods,
            fulfilled,
            signed_in_at,
        )| AccessRequest {
            principal,
            target,
            client,
            platform,
            network,
            device,
            risk,
            original_transfer_method,
            methods,
            fulfilled,
            signed_in_at,
        },
    )
}

fn principal() -> impl Strategy<Value = Principal> {
    let guest = select(vec![
        GuestType::Member,
        GuestType::Member,
        GuestType::Member,
        GuestType::InternalGuest,
        GuestType::B2bCollaborationGuest,
        GuestType::B2bCollaborationMember,
        GuestType::B2bDirectConnectUser,
        GuestType::OtherExternalUser,
        GuestType::ServiceProvider,
    ]);
    let ids = |kind: u32, count: u32| btree_set((0..count).prop_map(move |number| id(kind, number)), 0..3);
    let user = (0..3u32, ids(GROUP, 3), ids(ROLE, 2), guest, option::of(0..3u32), prop::bool::weighted(0.1)).prop_map(
        |(number, groups, roles, guest, home, is_agent_user)| {
            Principal::User(UserFacts {
                id: id(USER, number).as_str().into(),
                groups: groups.iter().map(|id| id.as_str().into()).collect(),
                roles: roles.iter().map(|id| id.as_str().into()).collect(),
                guest,
                home_tenant: home.map(|number| id(TENANT, number).as_str().into()),
                is_agent_user,
            })
        },
    );
    let workload = (0..3u32, any::<bool>()).prop_map(|(number, owned_by_this_tenant)| {
        let service_principal = id(CLIENT, number).as_str().into();
        Principal::Workload(WorkloadFacts { service_principal, owned_by_this_tenant, attributes: SecurityAttributes::default() })
    });
    let agent = (0..3u32).prop_map(|number| {
        Principal::Agent(AgentFacts {
            service_principal: id(CLIENT, number).as_str().into(),
            attributes: SecurityAttributes::default(),
        })
    });
    prop_oneof![8 => user, 1 => workload, 1 => agent]
}

fn target() -> impl Strategy<Value = Target> {
    let applications = vec![id(APPLICATION, 0), id(APPLICATION, 1), EXCHANGE.into(), PORTAL.into(), AZURE.into()];
    let audience =
        select(applications).prop_map(|id| Audience { app_id: id.as_str().into(), attributes: SecurityAttributes::default() });
    let action = option::weighted(0.2, select(vec![UserAction::RegisterSecurityInfo, UserAction::RegisterDevice]));
    let contexts = btree_set(select(vec!["c1", "c2", "c99"]).prop_map(str::to_owned), 0..2);
    (vec(audience, 0..3), action, contexts).prop_map(|(audiences, user_action, authentication_contexts)| Target {
        audiences,
        user_action,
        authentication_contexts,
    })
}

fn network() -> impl Strategy<Value = Network> {
    let address = || {
        let addresses =
            ["203.0.113.5", "203.0.113.200", "::ffff:203.0.113.5", "198.51.100.7", "2001:db8::1", "192.0.2.1", "9.9.9.9"];
        option::weighted(0.9, select(addresses.map(|text| text.parse::<IpAddr>().unwrap()).to_vec()))
    };
    let country = || option::of(select(vec!["NL", "BE", "US"]).prop_map(str::to_owned));
    (address(), option::weighted(0.2, address()), country(), country(), any::<bool>()).prop_map(
        |(address, seen, country, gps_country, is_compliant_network)| Network {
            address,
            address_seen_by_resource: seen.flatten(),
            country,
            gps_country,
            is_compliant_network,
        },
    )
}

fn device() -> impl Strategy<Value = Device> {
    let values = vec(select(vec!["SAW", "saw-1", "label", "a\"b", "it's", ""]).prop_map(str::to_owned), 0..3);
    let names =
        select(vec!["model", "displayname", "extensionattribute1", "extensionattribute15", "physicalids", "systemlabels"])
            .prop_map(str::to_owned);
    (
        select(vec!["", "SAW", "x"]),
        any::<bool>(),
        any::<bool>(),
        option::of(select(vec!["AzureAD", "ServerAD", "Workplace"])),
        option::of(select(vec!["Personal", "Company"])),
        btree_map(names, values, 0..5),
    )
        .prop_map(|(device_id, is_compliant, is_managed, trust_type, ownership, attributes)| Device {
            device_id: device_id.to_owned(),
            is_compliant,
            is_managed,
            trust_type: trust_type.map(str::to_owned),
            ownership: ownership.map(str::to_owned),
            attributes,
        })
}

fn method_use() -> impl Strategy<Value = MethodUse> {
    let method = select(vec![
        Method::Password,
        Method::Password,
        Method::SoftwareOath,
        Method::Sms,
        Method::Fido2,
        Method::WindowsHelloForBusiness,
        Method::X509CertificateSingleFactor,
        Method::X509CertificateMultiFactor,
        Method::FederatedSingleFactor,
        Method::Email,
        Method::QrCodePin,
    ]);
    let key = option::of((0..2u32).prop_map(|number| id(KEY, number).to_uppercase()));
    (method, time(), key).prop_map(|(method, at, key)| MethodUse { method, at, aaguid: key.filter(|_| method == Method::Fido2) })
}

/// Around `now`, with the edges of the intervals that policies name.
fn time() -> impl Strategy<Value = Timestamp> {
    let seconds = select(vec![
        -3600,
        -301,
        -300,
        -1,
        0,
        1,
        299,
        300,
        301,
        3599,
        3600,
        3601,
        12 * 3600,
        12 * 3600 - 1,
        86_399,
        86_400,
        20 * 86_400,
    ]);
    seconds.prop_map(|ago: i64| Timestamp::from_micros(now().micros() - ago * 1_000_000))
}

fn fulfilled() -> impl Strategy<Value = Fulfilled> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let terms = btree_set(select(vec!["terms-1", "TERMS-2"]).prop_map(str::to_owned), 0..2);
    let factors = btree_set(select(vec!["duo", "Duo"]).prop_map(str::to_owned), 0..2);
    (flags, terms, factors).prop_map(
        |((approved, compliant, password_changed, risk_remediated), terms_of_use, custom_factors)| Fulfilled {
            approved_application: approved,
            compliant_application: compliant,
            password_changed,
            risk_remediated,
            terms_of_use,
            custom_factors,
        },
    )
}

// -------------------------------------------------------------------------------------------------------------- helpers

/// An object of these members; one that is `null` is sometimes left out instead.
fn object(members: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let (names, values): (Vec<_>, Vec<_>) = members.into_iter().unzip();
    (values, any::<bool>())
        .prop_map(move |(values, keep_nulls)| {
            let members = names.iter().zip(values).filter(|(_, value)| keep_nulls || !value.is_null());
            Value::Object(members.map(|(name, value)| ((*name).to_owned(), value)).collect::<Map<_, _>>())
        })
        .boxed()
}

/// Now and then something else stands there.
fn odd(value: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    prop_oneof![30 => value, 1 => Just(Value::Null), 1 => Just(json!([])), 1 => Just(json!("all")), 1 => Just(json!({"@odata.type": "#x"}))].boxed()
}

fn sometimes(in_ten: u32, value: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    prop_oneof![in_ten => value, 12 - in_ten => prop_oneof![Just(Value::Null), Just(json!([]))]].boxed()
}

fn rarely(value: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    prop_oneof![1 => value, 29 => Just(Value::Null)].boxed()
}

fn words(words: &[&'static str]) -> BoxedStrategy<Value> {
    some_of(words.iter().map(|word| (*word).to_owned()).collect(), 0..4)
}

fn some_of(words: Vec<String>, count: std::ops::Range<usize>) -> BoxedStrategy<Value> {
    let count = count.start..count.end.min(words.len() + 1);
    let list = subsequence(words, count).prop_map(Value::from);
    prop_oneof![40 => list, 1 => Just(json!([5])), 1 => Just(json!("All"))].boxed()
}

/// As Graph writes flags, or as an array.
fn flag_words(words: &[&'static str]) -> BoxedStrategy<Value> {
    let words: Vec<&'static str> = words.to_vec();
    let count = words.len();
    (subsequence(words, 0..=count.min(3)), any::<bool>())
        .prop_map(|(words, as_array)| if as_array { Value::from(words) } else { Value::from(words.join(",")) })
        .boxed()
}
