//! A real tenant: the 36 policies of j0eyv/ConditionalAccessBaseline (MIT) with their groups and named locations, read from
//! the export as it is, and a table of sign-ins over them.
//!
//! The export lies beside the project, not in it. Where it is missing the tests say so and pass.

use crate::fixture::{audience, now, outcome};
use expect_test::expect;
use model::{GroupId, Kind, Object, Timestamp};
use policy::answer::{Condition, Control, Outcome, PolicyResult, ResultKind};
use policy::request::*;
use policy::{CompiledPolicies, Contents, Severity, Verdict, compile, decide, explain, read};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora/entra/j0eyv");

struct Corpus {
    policies: CompiledPolicies,
    /// By display name.
    groups: BTreeMap<String, GroupId>,
    contents: Contents,
}

fn corpus() -> Option<Corpus> {
    let root = Path::new(CORPUS);
    if !root.is_dir() {
        println!("the corpus j0eyv is not here; its tests are skipped");
        return None;
    }
    let mut contents = Contents::default();
    for folder in [root.to_path_buf(), root.join("ConditionalAccess"), root.join("Groups"), root.join("NamedLocations")] {
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "json")) {
            let read = read(&file.file_name().unwrap().to_string_lossy(), &fs::read(file).unwrap());
            contents.objects.extend(read.objects);
            contents.problems.extend(read.problems);
        }
    }
    let (mut policies, mut locations, mut groups) = (vec![], vec![], BTreeMap::new());
    for read in &contents.objects {
        match &read.object {
            Object::ConditionalAccessPolicy(policy) => policies.push((**policy).clone()),
            Object::NamedLocation(location) => locations.push(location.clone()),
            Object::Group(group) => {
                groups.insert(group.display_name.clone(), group.id.clone());
            }
            other => panic!("unexpected {}", other.kind()),
        }
    }
    Some(Corpus { policies: compile(&policies, &locations, &[]), groups, contents })
}

#[test]
fn the_export_is_read_whole() {
    let Some(corpus) = corpus() else { return };
    let mut told = String::new();
    for kind in Kind::ALL {
        let count = corpus.contents.objects.iter().filter(|read| read.object.kind() == kind).count();
        if count > 0 {
            writeln!(told, "{count} {kind}").unwrap();
        }
    }
    for problem in &corpus.contents.problems {
        writeln!(told, "{:?} {problem}", problem.verdict).unwrap();
    }
    for problem in corpus.policies.problems() {
        let number = problem.display_name.split('-').next().unwrap();
        writeln!(told, "{:?} {number} {}: {}", problem.severity, problem.place, problem.reason).unwrap();
    }
    expect![[r#"
        36 group
        3 namedLocation
        36 conditionalAccessPolicy
        Ignored `MigrationTable.json`: $: a migration table: ids are taken as the export has them
        NotUnderstood CA505 $.conditions.applications.includeApplications[0]: unknown value `AllAgentIdResources`
        Remark CA207 $.conditions.applications.excludeApplications: `Office365` stands for the 28 applications known of it (2026-06-05); it has more
        Remark CA005 $.conditions.applications.includeApplications: `Office365` stands for the 28 applications known of it (2026-06-05); it has more
        Remark CA401 $.conditions.applications.excludeApplications: `Office365` stands for the 28 applications known of it (2026-06-05); it has more
        Remark CA100 $.conditions.applications.includeApplications: `MicrosoftAdminPortals` stands for the 4 applications known of it (2026-01-26); it has more
        NotUnderstood CA502 $.conditions.applications.includeApplications[0]: unknown value `AllAgentIdResources`
        Remark CA404 $.conditions.applications.includeApplications: `MicrosoftAdminPortals` stands for the 4 applications known of it (2026-01-26); it has more
        NotUnderstood CA503 $.conditions.agentContext: unknown condition `agentContext`
    "#]].assert_eq(&told);
    assert!(corpus.contents.problems.iter().all(|problem| problem.verdict == Verdict::Ignored));
    let enforced_or_remarked = corpus.policies.problems().iter().filter(|problem| problem.severity == Severity::NotUnderstood);
    let about: BTreeSet<&str> = enforced_or_remarked.map(|problem| problem.display_name.split('-').next().unwrap()).collect();
    assert_eq!(about, ["CA502", "CA503", "CA505"].into(), "agents' policies, all of them report-only");
}

/// One sign-in a row: `who | what | how | proven by`. See `parse` for the words.
#[test]
fn sign_ins() {
    let Some(corpus) = corpus() else { return };
    let rows = [
        // Members with a licence.
        "E5 | SharePoint | browser windows NL | password",
        "E5 | SharePoint | browser windows NL | password,softwareOath",
        "E5 | SharePoint | browser windows NL compliant company | password,softwareOath",
        "E5 | SharePoint | mobile windows NL hybrid | windowsHelloForBusiness",
        "E5 | SharePoint | mobile macOS NL hybrid | password,softwareOath",
        "E5 | SharePoint | mobile macOS NL compliant company | password,softwareOath",
        "E5 | SharePoint | browser linux NL | password,softwareOath",
        "E5 | SharePoint | browser unknown NL | fido2",
        "E5 | SharePoint | browser windows US compliant company | password,softwareOath",
        "E5 | SharePoint | browser windows nowhere compliant company | password,softwareOath",
        "E5 | SharePoint | legacy windows NL | password",
        "E5 | SharePoint | mobile windows NL compliant company deviceCode | password,softwareOath",
        "E5 | SharePoint | browser windows NL compliant company user-risk-high | password,softwareOath",
        "E5 | SharePoint | browser windows NL compliant company sign-in-risk-high | password,softwareOath",
        "E5 | SharePoint | browser windows NL compliant company sign-in-risk-medium | password,softwareOath",
        "E5 | SharePoint | mobile iOS NL | password,softwareOath",
        "E5 | SharePoint | mobile iOS NL protected-app | password,softwareOath",
        "E5 | SharePoint | mobile iOS NL compliant company | password,softwareOath",
        "E5 | Payroll | mobile iOS NL | password,softwareOath",
        "E5 | SharePoint | browser windows NL compliant company | password,softwareOath 13h",
        "E5 | SharePoint | browser windows NL hybrid | password,softwareOath 13h",
        "E5 | Intune Enrollment | mobile windows NL | password,softwareOath 1h",
        "E5 | Intune Enrollment | mobile windows NL | password,softwareOath",
        "E5 | Project Online | browser windows NL compliant company | password,softwareOath",
        "E5 | register device | mobile windows NL | password",
        "E5 | register device | mobile windows NL | password,softwareOath",
        "E5 | register security info | browser windows NL compliant | password",
        // Members without one, and exclusions.
        "nobody special | SharePoint | browser linux NL | password",
        "nobody special | SharePoint | browser linux NL | password,sms",
        "E5 + exclude:CA200 | SharePoint | browser windows NL compliant company | password",
        "E5 + break-glass | Azure portal | browser linux US | password",
        "directory synchronization | Microsoft Graph | mobile unknown NL | password",
        // Administrators.
        "E5 + Global Administrator | Azure portal | browser windows NL compliant company | password",
        "E5 + Global Administrator | Azure portal | browser windows NL compliant company | password,softwareOath",
        "E5 + Global Administrator | Azure portal | browser windows NL compliant company | fido2",
        "E5 + Global Administrator | Graph command line | mobile windows NL compliant company | password,softwareOath 13h",
        // Service accounts.
        "service account | Payroll | mobile unknown NL | password",
        "service account | Payroll | mobile unknown BE | password,softwareOath",
        // Guests.
        "guest | SharePoint | browser linux NL | password",
        "guest | SharePoint | browser linux NL | federatedMultiFactor",
        "guest | Payroll | browser linux NL | federatedMultiFactor",
        "guest | Azure portal | browser linux NL | federatedMultiFactor",
        "service provider | Payroll | browser linux NL | federatedMultiFactor",
        // Workloads and agents.
        "workload | Microsoft Graph | mobile unknown US |",
        "agent | Microsoft Graph | mobile unknown US |",
        "agent | Microsoft Graph | mobile unknown US agent-risk-high |",
        "agent user | SharePoint | mobile unknown US |",
    ];
    let mut told = String::new();
    let mut outcomes = BTreeSet::new();
    for row in rows {
        let request = parse(row, &corpus.groups);
        let decision = decide(&corpus.policies, &request, now());
        let results = explain(&corpus.policies, &request, now());
        outcomes.insert(decision.outcome);
        writeln!(told, "{row}\n    {}", short(&outcome(&decision))).unwrap();
        if decision.outcome == Outcome::Blocked {
            writeln!(told, "    because of {}", blockers(&results)).unwrap();
        }
        let report = results.iter().filter(|result| {
            matches!(
                result.result,
                ResultKind::ReportOnlyFailure | ResultKind::ReportOnlyInterrupted | ResultKind::ReportOnlySuccess
            )
        });
        for result in report {
            writeln!(told, "    {} {:?}", number(result), result.result).unwrap();
        }
        let mut session = vec![];
        if let Some(frequency) = decision.session.sign_in_frequency {
            session.push(
                frequency
                    .seconds
                    .map_or("sign in every time".to_owned(), |seconds| format!("sign in every {} h", seconds / 3600)),
            );
        }
        session.extend(decision.session.persistent_browser.map(|_| "no persistent browser".to_owned()));
        session.extend(decision.session.application_enforced_restrictions.then(|| "restrictions by the application".to_owned()));
        session.extend(decision.session.continuous_access_evaluation.map(|mode| format!("evaluation {mode:?}")));
        if !session.is_empty() && decision.outcome != Outcome::Blocked {
            writeln!(told, "    session: {}", session.join(", ")).unwrap();
        }
    }
    assert_eq!(outcomes.len(), 3);
    expect![[r#"
        E5 | SharePoint | browser windows NL | password
            granted-after Mfa [CA000]; Mfa [CA200]; CompliantDevice or DomainJoinedDevice [CA205]
            session: sign in every 12 h, no persistent browser, restrictions by the application, evaluation StrictLocation
        E5 | SharePoint | browser windows NL | password,softwareOath
            granted-after CompliantDevice or DomainJoinedDevice [CA205]
            session: sign in every 12 h, no persistent browser, restrictions by the application, evaluation StrictLocation
        E5 | SharePoint | browser windows NL compliant company | password,softwareOath
            granted
            session: evaluation StrictLocation
        E5 | SharePoint | mobile windows NL hybrid | windowsHelloForBusiness
            granted
            session: sign in every 12 h, evaluation StrictLocation
        E5 | SharePoint | mobile macOS NL hybrid | password,softwareOath
            granted-after CompliantDevice [CA208]
            session: sign in every 12 h, evaluation StrictLocation
        E5 | SharePoint | mobile macOS NL compliant company | password,softwareOath
            granted
            session: evaluation StrictLocation
        E5 | SharePoint | browser linux NL | password,softwareOath
            blocked
            because of CA204
        E5 | SharePoint | browser unknown NL | fido2
            blocked
            because of CA204
        E5 | SharePoint | browser windows US compliant company | password,softwareOath
            blocked
            because of CA001
        E5 | SharePoint | browser windows nowhere compliant company | password,softwareOath
            blocked
            because of CA001
        E5 | SharePoint | legacy windows NL | password
            blocked
            because of CA000 (not met), CA002, CA205 (not met)
        E5 | SharePoint | mobile windows NL compliant company deviceCode | password,softwareOath
            blocked
            because of CA004, CA205 (not met)
        E5 | SharePoint | browser windows NL compliant company user-risk-high | password,softwareOath
            blocked
            because of CA201
        E5 | SharePoint | browser windows NL compliant company sign-in-risk-high | password,softwareOath
            blocked
            because of CA210
        E5 | SharePoint | browser windows NL compliant company sign-in-risk-medium | password,softwareOath
            granted
            session: evaluation StrictLocation
        E5 | SharePoint | mobile iOS NL | password,softwareOath
            granted-after CompliantApplication [CA005]
            session: restrictions by the application, evaluation StrictLocation
        E5 | SharePoint | mobile iOS NL protected-app | password,softwareOath
            granted
            session: restrictions by the application, evaluation StrictLocation
        E5 | SharePoint | mobile iOS NL compliant company | password,softwareOath
            granted
            session: evaluation StrictLocation
        E5 | Payroll | mobile iOS NL | password,softwareOath
            granted
            session: evaluation StrictLocation
        E5 | SharePoint | browser windows NL compliant company | password,softwareOath 13h
            granted
            session: evaluation StrictLocation
        E5 | SharePoint | browser windows NL hybrid | password,softwareOath 13h
            granted-after sign in again [CA202]
            session: sign in every 12 h, no persistent browser, restrictions by the application, evaluation StrictLocation
        E5 | Intune Enrollment | mobile windows NL | password,softwareOath 1h
            granted-after sign in again [CA203]
            session: sign in every time, evaluation StrictLocation
        E5 | Intune Enrollment | mobile windows NL | password,softwareOath
            granted
            session: sign in every time, evaluation StrictLocation
        E5 | Project Online | browser windows NL compliant company | password,softwareOath
            blocked
            because of CA207
        E5 | register device | mobile windows NL | password
            granted-after Mfa [CA003]
        E5 | register device | mobile windows NL | password,softwareOath
            granted
        E5 | register security info | browser windows NL compliant | password
            granted-after Mfa [CA000]; Mfa [CA200]
            session: evaluation StrictLocation
        nobody special | SharePoint | browser linux NL | password
            granted-after Mfa [CA000]
            session: restrictions by the application
        nobody special | SharePoint | browser linux NL | password,sms
            granted
            session: restrictions by the application
        E5 + exclude:CA200 | SharePoint | browser windows NL compliant company | password
            granted
            session: evaluation StrictLocation
        E5 + break-glass | Azure portal | browser linux US | password
            granted
        directory synchronization | Microsoft Graph | mobile unknown NL | password
            granted
        E5 + Global Administrator | Azure portal | browser windows NL compliant company | password
            granted-after Mfa [CA000]; Mfa [CA101]; Mfa [CA200]; Multifactor authentication [CA100]
            CA105 ReportOnlyInterrupted
            session: sign in every 12 h, no persistent browser, evaluation StrictLocation
        E5 + Global Administrator | Azure portal | browser windows NL compliant company | password,softwareOath
            granted
            CA105 ReportOnlyInterrupted
            session: sign in every 12 h, no persistent browser, evaluation StrictLocation
        E5 + Global Administrator | Azure portal | browser windows NL compliant company | fido2
            granted
            CA105 ReportOnlySuccess
            session: sign in every 12 h, no persistent browser, evaluation StrictLocation
        E5 + Global Administrator | Graph command line | mobile windows NL compliant company | password,softwareOath 13h
            granted-after sign in again [CA102]
            session: sign in every 12 h, evaluation StrictLocation
        service account | Payroll | mobile unknown NL | password
            granted-after Mfa [CA000]; Mfa [CA300]
        service account | Payroll | mobile unknown BE | password,softwareOath
            blocked
            because of CA301
        guest | SharePoint | browser linux NL | password
            granted-after Mfa [CA400]; Mfa [CA000]
            session: sign in every 12 h, no persistent browser, restrictions by the application
        guest | SharePoint | browser linux NL | federatedMultiFactor
            granted
            session: sign in every 12 h, no persistent browser, restrictions by the application
        guest | Payroll | browser linux NL | federatedMultiFactor
            blocked
            because of CA401
        guest | Azure portal | browser linux NL | federatedMultiFactor
            blocked
            because of CA401, CA404
        service provider | Payroll | browser linux NL | federatedMultiFactor
            granted
            session: sign in every 12 h, no persistent browser
        workload | Microsoft Graph | mobile unknown US |
            granted
        agent | Microsoft Graph | mobile unknown US |
            granted
            CA502 ReportOnlyFailure
        agent | Microsoft Graph | mobile unknown US agent-risk-high |
            blocked
            because of CA501
            CA502 ReportOnlyFailure
        agent user | SharePoint | mobile unknown US |
            granted
            CA505 ReportOnlyFailure
            CA503 ReportOnlyFailure
    "#]]
    .assert_eq(&told);
}

/// The example tenant is in the project: all of it is read, and all of its policies are understood.
#[test]
fn the_example_tenant_is_understood() {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tenant")];
    let mut contents = Contents::default();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            let read = read(&path.display().to_string(), &fs::read(&path).unwrap());
            contents.objects.extend(read.objects);
            contents.problems.extend(read.problems);
        }
    }
    assert_eq!(contents.problems, []);
    let policies = crate::fixture::compile_contents(&contents);
    assert!(policies.len() >= 6);
    assert_eq!(policies.problems(), []);
}

/// Why a policy does not apply: every unmet condition, by name.
#[test]
fn every_unmet_condition_is_told() {
    let Some(corpus) = corpus() else { return };
    let request = parse("guest | Payroll | browser linux US | password", &corpus.groups);
    let mut told = String::new();
    for result in explain(&corpus.policies, &request, now()) {
        let join =
            |conditions: &[Condition]| conditions.iter().map(|condition| format!("{condition:?}")).collect::<Vec<_>>().join(" ");
        writeln!(told, "{} {:?}: {} / {}", number(&result), result.result, join(&result.met), join(&result.unmet)).unwrap();
    }
    let mut lines: Vec<&str> = told.lines().collect();
    lines.sort_unstable();
    expect![[r#"
        CA000 Failure: Users Application / 
        CA001 Failure: Users Application Location / 
        CA002 NotApplied: Users Application / ClientApps
        CA003 NotApplied: Users / UserActions
        CA004 NotApplied: Users Application / AuthenticationFlow
        CA005 NotApplied: Users Devices ClientApps / Application DevicePlatform
        CA006 NotApplied: Users Devices ClientApps / Application
        CA100 NotApplied:  / Users Application
        CA101 NotApplied: Application ClientApps Location / Users
        CA102 NotApplied: Application / Users
        CA103 NotApplied: Application ClientApps / Users
        CA104 NotApplied:  / EmptyPolicy Users Application
        CA105 ReportOnlyNotApplied: Application / Users
        CA200 NotApplied: Application ClientApps Location / Users
        CA201 NotApplied: Application / Users UserRisk
        CA202 NotApplied: Application Devices / Users DevicePlatform
        CA203 NotApplied:  / Users Application
        CA204 NotApplied: Application DevicePlatform / Users
        CA205 NotApplied: Application / Users DevicePlatform
        CA206 NotApplied: Application Devices ClientApps / Users
        CA207 NotApplied: ClientApps / Users Application
        CA208 NotApplied: Application / Users DevicePlatform
        CA209 NotApplied: Application / Users
        CA210 NotApplied: Application / Users SignInRisk
        CA300 NotApplied: Application ClientApps Location / Users
        CA301 NotApplied: Application Location / Users
        CA400 Failure: Users Application / 
        CA401 Failure: Users Application / 
        CA402 Success: Users Application / 
        CA403 Success: Users Application ClientApps / 
        CA404 NotApplied: Users ClientApps / Application
        CA501 NotApplied: Application / Users AgentIdRisk
        CA502 ReportOnlyNotApplied: Application / Users
        CA503 ReportOnlyNotApplied: Application / Users
        CA504 ReportOnlyNotApplied: Application / Users AgentIdRisk
        CA505 ReportOnlyNotApplied: Application Location / Users"#]]
    .assert_eq(&lines.join("\n"));
}

fn number(result: &PolicyResult) -> &str {
    result.display_name.split('-').next().unwrap()
}

/// Display names cut to their numbers.
fn short(text: &str) -> String {
    text.split('[')
        .map(|part| {
            part.split_once(']').map_or(part.to_owned(), |(name, rest)| format!("[{}]{rest}", name.split('-').next().unwrap()))
        })
        .collect()
}

fn blockers(results: &[PolicyResult]) -> String {
    let blocking = results.iter().filter(|result| result.result == ResultKind::Failure);
    let names: BTreeSet<String> = blocking
        .map(|result| {
            if result.grant_controls == [Control::Block] {
                number(result).to_owned()
            } else {
                format!("{} (not met)", number(result))
            }
        })
        .collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

fn parse(row: &str, groups: &BTreeMap<String, GroupId>) -> AccessRequest {
    let [who, what, how, proof] = row.split('|').map(str::trim).collect::<Vec<_>>().try_into().unwrap();
    let (proof, ago) = match proof.split_once(' ') {
        Some((methods, hours)) => (methods, hours.trim_end_matches('h').parse().unwrap()),
        None => (proof, 0),
    };
    let at = now().minus(Duration::from_secs(ago * 3600));
    let mut request = AccessRequest {
        principal: principal(who, groups),
        target: target(what),
        client: Client { app_id: None, app_type: ClientAppType::Browser },
        platform: Platform::Unknown,
        network: Network::default(),
        device: None,
        risk: Risk::default(),
        original_transfer_method: TransferMethod::None,
        methods: methods(proof, at),
        fulfilled: Fulfilled::default(),
        signed_in_at: (!proof.is_empty()).then_some(at),
    };
    for word in how.split(' ') {
        circumstance(&mut request, word);
    }
    request
}

fn methods(words: &str, at: Timestamp) -> Vec<MethodUse> {
    let words = words.split(',').filter(|word| !word.is_empty());
    words.map(|word| MethodUse { method: serde_json::from_value(word.into()).unwrap(), at, aaguid: None }).collect()
}

fn principal(who: &str, groups: &BTreeMap<String, GroupId>) -> Principal {
    let service_principal = "99999999-0000-0000-0000-000000000001".into();
    let attributes = SecurityAttributes::default();
    match who {
        "workload" => return Principal::Workload(WorkloadFacts { service_principal, owned_by_this_tenant: true, attributes }),
        "agent" => return Principal::Agent(AgentFacts { service_principal, attributes }),
        _ => {}
    }
    let mut user = UserFacts {
        id: "99999999-0000-0000-0000-000000000002".into(),
        groups: BTreeSet::new(),
        roles: BTreeSet::new(),
        guest: GuestType::Member,
        home_tenant: None,
        is_agent_user: false,
    };
    let group = |name: &str| groups.iter().find(|(group, _)| group.starts_with(name)).map(|(_, id)| id.clone()).unwrap();
    for word in who.split(" + ") {
        match word {
            "nobody special" => {}
            "E5" => drop(user.groups.insert(group("APP_Microsoft365_E5"))),
            "break-glass" => drop(user.groups.insert(group("CA-BreakGlassAccounts"))),
            "service account" => drop(user.groups.insert(group("CA-ServiceAccounts"))),
            "Global Administrator" => drop(user.roles.insert("62e90394-69f5-4237-9190-012177145e10".into())),
            "directory synchronization" => drop(user.roles.insert("d29b2b05-8046-44ba-8758-1e26182fcf32".into())),
            "guest" => user.guest = GuestType::B2bCollaborationGuest,
            "service provider" => user.guest = GuestType::ServiceProvider,
            "agent user" => user.is_agent_user = true,
            other => drop(user.groups.insert(group(other.strip_prefix("exclude:").unwrap()))),
        }
    }
    if user.guest != GuestType::Member {
        user.home_tenant = Some("99999999-0000-0000-0000-000000000003".into());
    }
    Principal::User(user)
}

fn target(what: &str) -> Target {
    let action = match what {
        "register device" => Some(UserAction::RegisterDevice),
        "register security info" => Some(UserAction::RegisterSecurityInfo),
        _ => None,
    };
    if action.is_some() {
        return Target { user_action: action, ..Target::default() };
    }
    let id = match what {
        "SharePoint" => "00000003-0000-0ff1-ce00-000000000000",
        "Azure portal" => "c44b4083-3bb0-49c1-b47d-974e53cbdf3c",
        "Microsoft Graph" => "00000003-0000-0000-c000-000000000000",
        "Graph command line" => "14d82eec-204b-4c2f-b7e8-296a70dab67e",
        "Intune Enrollment" => "d4ebce55-015a-49b5-a083-c84d1797ae8c",
        "Project Online" => "f53895d3-095d-408f-8e93-8f94b391404e",
        "Payroll" => "99999999-0000-0000-0000-000000000004",
        other => panic!("{other}"),
    };
    Target { audiences: vec![audience(id)], ..Target::default() }
}

fn circumstance(request: &mut AccessRequest, word: &str) {
    let device = || Device { device_id: "99999999-0000-0000-0000-000000000005".to_owned(), ..Device::default() };
    match word {
        "browser" => request.client.app_type = ClientAppType::Browser,
        "mobile" => request.client.app_type = ClientAppType::MobileAppsAndDesktopClients,
        "legacy" => request.client.app_type = ClientAppType::Other,
        "unknown" | "windows" | "macOS" | "linux" | "iOS" => {
            request.platform = serde_json::from_value(word.into()).unwrap_or(Platform::Unknown);
        }
        "nowhere" => request.network.country = None,
        "compliant" => request.device.get_or_insert_with(device).is_compliant = true,
        "company" => request.device.get_or_insert_with(device).ownership = Some("Company".to_owned()),
        "hybrid" => request.device.get_or_insert_with(device).trust_type = Some("ServerAD".to_owned()),
        "protected-app" => request.fulfilled.compliant_application = true,
        "deviceCode" => request.original_transfer_method = TransferMethod::DeviceCodeFlow,
        "user-risk-high" => request.risk.user = RiskLevel::High,
        "sign-in-risk-high" => request.risk.sign_in = RiskLevel::High,
        "sign-in-risk-medium" => request.risk.sign_in = RiskLevel::Medium,
        "agent-risk-high" => request.risk.agent = RiskLevel::High,
        country => {
            assert!(country.len() == 2, "{country}");
            request.network.country = Some(country.to_owned());
        }
    }
}
