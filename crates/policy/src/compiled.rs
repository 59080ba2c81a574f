//! Policies in compiled form, and what of them was not understood.
//!
//! Compiling never fails: whatever a policy holds, it becomes a policy that is at least as strict.

use crate::answer::{Condition, SessionControls};
use crate::circumstance::{ClientApps, INSIDER_RISK_LEVELS, Platforms, RISK_LEVELS, flows, levels};
use crate::device_filter::DeviceCondition;
use crate::grant::Grant;
use crate::location::{LocationCondition, Locations, Whereabouts};
use crate::request::{AccessRequest, InsiderRiskLevel, RiskLevel, TransferMethod};
use crate::session::{Reach, Session};
use crate::strength::{STRENGTH_MEMBER, Strengths};
use crate::subject::Subject;
use crate::target::{Flows, Target};
use crate::wire::{List, Node, Note, Notes, Severity, is_annotation, word};
use model::conditional_access::{AuthenticationStrengthPolicy, ConditionalAccessPolicy, NamedLocation};
use model::{Kind, PolicyId, Timestamp};
use serde_json::Value;
use std::cell::OnceCell;
use std::fmt;
use std::ops::ControlFlow;

/// A tenant's policies, ready to decide with. Immutable: share it in an `Arc`.
#[derive(Clone, Debug, Default)]
pub struct CompiledPolicies {
    pub(crate) policies: Vec<Policy>,
    pub(crate) locations: Locations,
    problems: Vec<Problem>,
}

/// Something in a policy, named location or authentication strength that whoever wrote it should know of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub kind: Kind,
    /// The object's `id`.
    pub id: String,
    pub display_name: String,
    /// Within the object: `$.conditions.users.includeUsers[0]`.
    pub place: String,
    pub reason: String,
    pub severity: Severity,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} `{}`: {}: {}", self.kind, self.display_name, self.place, self.reason)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) id: PolicyId,
    pub(crate) display_name: String,
    pub(crate) state: State,
    subject: Subject,
    target: Target,
    circumstances: Circumstances,
    pub(crate) grant: Grant,
    pub(crate) session: Session,
    /// Neither a grant nor a session control is set: Graph creates no such policy.
    requires_nothing: bool,
    pub(crate) not_understood: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Enabled,
    ReportOnly,
    Disabled,
}

/// What `state` of a policy may say (Graph's `conditionalAccessPolicyState`): in force, not looked at, only told.
pub const POLICY_STATES: [&str; 3] = ["enabled", "disabled", "enabledForReportingButNotEnforced"];

/// Conditions that may be left out; `None` matches everything.
#[derive(Clone, Debug)]
struct Circumstances {
    platforms: Option<Platforms>,
    devices: Option<DeviceCondition>,
    client_apps: Option<ClientApps>,
    locations: Option<LocationCondition>,
    sign_in_risk: Option<List<RiskLevel>>,
    user_risk: Option<List<RiskLevel>>,
    service_principal_risk: Option<List<RiskLevel>>,
    agent_risk: Option<List<RiskLevel>>,
    insider_risk: Option<List<InsiderRiskLevel>>,
    flows: Option<List<TransferMethod>>,
}

/// A request at a moment, with what is worked out of it once for all policies.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) request: &'a AccessRequest,
    pub(crate) now: Timestamp,
    locations: &'a Locations,
    whereabouts: OnceCell<Whereabouts<'a>>,
}

/// Compiles a tenant's policies. Never fails: what is not understood makes its policy stricter and is reported by
/// `CompiledPolicies::problems`.
pub fn compile(
    policies: &[ConditionalAccessPolicy],
    locations: &[NamedLocation],
    strengths: &[AuthenticationStrengthPolicy],
) -> CompiledPolicies {
    let locations = Locations::read(locations);
    let strengths = Strengths::read(strengths);
    let mut problems = Vec::new();
    for (id, display_name, notes) in locations.notes() {
        problems.extend(notes.0.iter().map(|note| Problem::new(Kind::NamedLocation, id.as_str(), display_name, note)));
    }
    for (id, display_name, notes) in strengths.notes() {
        problems
            .extend(notes.0.iter().map(|note| Problem::new(Kind::AuthenticationStrengthPolicy, id.as_str(), display_name, note)));
    }
    let mut compiled = Vec::new();
    for policy in policies {
        let mut notes = Notes::default();
        compiled.push(Policy::read(policy, &locations, &strengths, &mut notes));
        let kind = Kind::ConditionalAccessPolicy;
        problems.extend(notes.0.iter().map(|note| Problem::new(kind, policy.id.as_str(), &policy.display_name, note)));
    }
    compiled.sort_by(|left, right| left.id.cmp(&right.id));
    problems.sort();
    problems.dedup();
    CompiledPolicies { policies: compiled, locations, problems }
}

impl CompiledPolicies {
    /// Everything that was not understood, and remarks; by object, in a stable order.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// What one policy asks of the session, whether or not it applies.
    pub fn session_controls_of(&self, id: &PolicyId) -> Option<&SessionControls> {
        self.policy(id).map(|policy| &policy.session.controls)
    }

    /// The policy sets neither a grant nor a session control.
    pub fn requires_nothing(&self, id: &PolicyId) -> bool {
        self.policy(id).is_some_and(|policy| policy.requires_nothing)
    }

    pub fn len(&self) -> usize {
        self.policies.len()
    }

    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    fn policy(&self, id: &PolicyId) -> Option<&Policy> {
        let index = self.policies.binary_search_by(|policy| policy.id.cmp(id)).ok()?;
        self.policies.get(index)
    }
}

impl Problem {
    fn new(kind: Kind, id: &str, display_name: &str, note: &Note) -> Self {
        let Note { place, reason, severity } = note.clone();
        Self { kind, id: id.to_owned(), display_name: display_name.to_owned(), place, reason, severity }
    }
}

impl<'a> Facts<'a> {
    pub(crate) fn new(policies: &'a CompiledPolicies, request: &'a AccessRequest, now: Timestamp) -> Self {
        Self { request, now, locations: &policies.locations, whereabouts: OnceCell::new() }
    }

    fn whereabouts(&self) -> &Whereabouts<'a> {
        self.whereabouts.get_or_init(|| self.locations.whereabouts(&self.request.network))
    }
}

impl Policy {
    fn read(policy: &ConditionalAccessPolicy, locations: &Locations, strengths: &Strengths, notes: &mut Notes) -> Self {
        let conditions = Node::root(&policy.conditions, "conditions");
        conditions.shape(notes);
        let subject = Subject::read(&conditions, notes);
        let target = Target::read(&conditions, notes);
        let circumstances = Circumstances::read(&conditions, locations, notes);
        let mut grant = Grant::read(&Node::root(&policy.grant_controls, "grantControls"), strengths, notes);
        let everything = target.is_everything() && circumstances.is_unconditional();
        let reach = if everything { Reach::Everything } else { Reach::Conditioned };
        let session = Session::read(&Node::root(&policy.session_controls, "sessionControls"), reach, &mut grant, notes);
        let state = State::read(policy, notes);
        read_other_members(policy, &mut grant, notes);
        if grant.asks_for_nothing() && session.names.is_empty() {
            note_nothing_required(policy, &mut grant, notes);
        }
        let requires_nothing = grant.asks_for_nothing() && session.names.is_empty();
        note_empty(&conditions, &subject, &target, notes);
        let not_understood = notes.0.iter().filter(|note| note.severity == Severity::NotUnderstood);
        Self {
            id: policy.id.clone(),
            display_name: policy.display_name.clone(),
            state,
            subject,
            target,
            circumstances,
            grant,
            session,
            requires_nothing,
            not_understood: not_understood.map(|note| format!("{}: {}", note.place, note.reason)).collect(),
        }
    }

    pub(crate) fn applies(&self, facts: &Facts<'_>) -> bool {
        let verdict =
            self.conditions(facts, &mut |_, is_met| if is_met { ControlFlow::Continue(()) } else { ControlFlow::Break(()) });
        verdict.is_continue()
    }

    /// Visits every condition that the policy names, with whether the request meets it, in the order of `Condition`.
    /// The policy applies when all are met.
    pub(crate) fn conditions(
        &self,
        facts: &Facts<'_>,
        visit: &mut impl FnMut(Condition, bool) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if self.subject.is_empty() || self.target.is_empty() {
            visit(Condition::EmptyPolicy, false)?;
        }
        let (condition, is_met) = self.subject.covers(&facts.request.principal);
        visit(condition, is_met)?;
        self.target_conditions(facts, visit)?;
        self.circumstances.conditions(facts, visit)
    }

    fn target_conditions(
        &self,
        facts: &Facts<'_>,
        visit: &mut impl FnMut(Condition, bool) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        // User actions are not evaluated in report-only mode.
        if self.state == State::ReportOnly && self.target.has_user_actions() {
            return visit(Condition::UserActions, false);
        }
        let flows = if self.circumstances.flows.is_some() { Flows::Conditioned } else { Flows::NotConditioned };
        match self.target.covers(&facts.request.target, flows) {
            Some(condition) => visit(condition, true),
            None => self.target.kinds().try_for_each(|condition| visit(condition, false)),
        }
    }
}

impl Circumstances {
    fn read(node: &Node<'_>, locations: &Locations, notes: &mut Notes) -> Self {
        let known = [
            "users",
            "clientApplications",
            "agents",
            "applications",
            "clientAppTypes",
            "platforms",
            "locations",
            "devices",
            "signInRiskLevels",
            "userRiskLevels",
            "servicePrincipalRiskLevels",
            "agentIdRiskLevels",
            "insiderRiskLevels",
            "authenticationFlows",
        ];
        // An unknown condition counts as met: the policy applies, to those whom the others leave.
        for (name, member) in node.members() {
            if !known.contains(&name) && member.is_configured() {
                notes.not_understood(&member, format!("unknown condition `{name}`"));
            }
        }
        Self {
            platforms: Platforms::read(&node.member("platforms"), notes),
            devices: DeviceCondition::read(&node.member("devices"), notes),
            client_apps: ClientApps::read(&node.member("clientAppTypes"), notes),
            locations: LocationCondition::read(&node.member("locations"), locations, notes),
            sign_in_risk: levels(&node.member("signInRiskLevels"), &RISK_LEVELS, notes),
            user_risk: levels(&node.member("userRiskLevels"), &RISK_LEVELS, notes),
            service_principal_risk: levels(&node.member("servicePrincipalRiskLevels"), &RISK_LEVELS, notes),
            agent_risk: levels(&node.member("agentIdRiskLevels"), &RISK_LEVELS, notes),
            insider_risk: levels(&node.member("insiderRiskLevels"), &INSIDER_RISK_LEVELS, notes),
            flows: flows(&node.member("authenticationFlows"), notes),
        }
    }

    fn is_unconditional(&self) -> bool {
        let Self {
            platforms,
            devices,
            client_apps,
            locations,
            sign_in_risk,
            user_risk,
            service_principal_risk,
            agent_risk,
            insider_risk,
            flows,
        } = self;
        platforms.is_none()
            && devices.is_none()
            && client_apps.is_none()
            && locations.is_none()
            && [sign_in_risk, user_risk, service_principal_risk, agent_risk].into_iter().all(Option::is_none)
            && insider_risk.is_none()
            && flows.is_none()
    }

    fn conditions(&self, facts: &Facts<'_>, visit: &mut impl FnMut(Condition, bool) -> ControlFlow<()>) -> ControlFlow<()> {
        let request = facts.request;
        if let Some(platforms) = &self.platforms {
            visit(Condition::DevicePlatform, platforms.is_met(request.platform))?;
        }
        if let Some(devices) = &self.devices {
            visit(Condition::Devices, devices.is_met(request.device.as_ref()))?;
        }
        if let Some(client_apps) = &self.client_apps {
            visit(Condition::ClientApps, client_apps.is_met(request.client.app_type, request.platform))?;
        }
        if let Some(locations) = &self.locations {
            visit(Condition::Location, locations.is_met(facts.whereabouts()))?;
        }
        for (condition, levels, level) in [
            (Condition::SignInRisk, &self.sign_in_risk, request.risk.sign_in),
            (Condition::UserRisk, &self.user_risk, request.risk.user),
            (Condition::ServicePrincipalRisk, &self.service_principal_risk, request.risk.service_principal),
            (Condition::AgentIdRisk, &self.agent_risk, request.risk.agent),
        ] {
            if let Some(levels) = levels {
                visit(condition, levels.may_contain(&level))?;
            }
        }
        if let Some(levels) = &self.insider_risk {
            visit(Condition::InsiderRisk, levels.may_contain(&request.risk.insider))?;
        }
        if let Some(flows) = &self.flows {
            visit(Condition::AuthenticationFlow, flows.may_contain(&request.original_transfer_method))?;
        }
        ControlFlow::Continue(())
    }
}

impl State {
    fn read(policy: &ConditionalAccessPolicy, notes: &mut Notes) -> Self {
        let [enabled, disabled, report_only] = POLICY_STATES;
        let known = [(enabled, Self::Enabled), (disabled, Self::Disabled), (report_only, Self::ReportOnly)];
        word(&known, &policy.state).unwrap_or_else(|| {
            notes.not_understood(
                &Node::root(&Value::Null, "state"),
                format!("unknown state `{}`: taken as enabled", policy.state),
            );
            Self::Enabled
        })
    }
}

/// Members beside those that a policy is known to have. One that binds something to the policy may bind a control.
fn read_other_members(policy: &ConditionalAccessPolicy, grant: &mut Grant, notes: &mut Notes) {
    for (name, value) in &policy.rest {
        let node = Node::root(value, name);
        if !KNOWN_MEMBERS.contains(&name.as_str()) && !is_annotation(name) && node.is_configured() {
            notes.not_understood(&node, format!("unknown member `{name}`"));
            if name.contains('@') {
                grant.require_not_understood(name);
            }
        }
    }
}

/// A strength that is written with all its members unset is none beside other controls; alone, it was meant as one.
fn note_nothing_required(policy: &ConditionalAccessPolicy, grant: &mut Grant, notes: &mut Notes) {
    let node = Node::root(&policy.grant_controls, "grantControls");
    let strength = node.member(STRENGTH_MEMBER);
    if strength.is_null() {
        notes.remark(&node, "requires nothing: the policy sets neither a grant nor a session control");
    } else {
        notes.not_understood(&strength, "not an authentication strength: it has no `id`");
        grant.require_not_understood(STRENGTH_MEMBER);
    }
}

/// A policy for nobody, or for nothing, that does not say so with `None`.
fn note_empty(conditions: &Node<'_>, subject: &Subject, target: &Target, notes: &mut Notes) {
    for (is_empty, members, whom) in [
        (subject.is_empty(), ["users", "includeUsers"], "nobody"),
        (target.is_empty(), ["applications", "includeApplications"], "no application"),
    ] {
        let [object, list] = members;
        let list = conditions.member(object).member(list);
        let says_so = list.elements().any(|word| word.value.as_str().is_some_and(|word| word.eq_ignore_ascii_case("None")))
            || list.value.as_str().is_some();
        if is_empty && !says_so {
            notes.remark(&list, format!("applies to {whom}: nothing is included; hint: `None` says so"));
        }
    }
}

/// Members of a policy that do not bear on decisions.
const KNOWN_MEMBERS: [&str; 4] = ["createdDateTime", "modifiedDateTime", "templateId", "description"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_policies_are_shared_between_threads() {
        fn shared<T: Send + Sync + 'static>() {}
        shared::<CompiledPolicies>();
    }
}
