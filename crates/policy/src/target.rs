//! What a policy protects: applications, a user action, authentication contexts.
//!
//! A request has several parts (each audience, the action, each context); a policy applies when it covers any of them,
//! since every part's policies must be satisfied.

use crate::answer::Condition;
use crate::bundle::{AZURE_SERVICE_MANAGEMENT, Bundle, MICROSOFT_ADMIN_PORTALS, OFFICE_365};
use crate::request::{self, UserAction};
use crate::wire::{List, Node, Notes, Shape, is_guid, word};
use model::AppId;
use serde_json::Value;
use std::collections::BTreeSet;

#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    include: Applications,
    exclude: Applications,
    actions: List<UserAction>,
    contexts: List<String>,
    /// Something may target anything: not understood, or nothing named where Graph requires a name.
    open: bool,
}

#[derive(Clone, Debug, Default)]
struct Applications {
    all: bool,
    ids: BTreeSet<AppId>,
    /// Application ids, or keywords other than `None`, stand in the list.
    named: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Keyword {
    All,
    None,
    Office365,
    MicrosoftAdminPortals,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Keyword(Keyword),
    Id(AppId),
}

const INCLUDE_KEYWORDS: [(&str, Keyword); 4] = [
    ("All", Keyword::All),
    ("None", Keyword::None),
    ("Office365", Keyword::Office365),
    ("MicrosoftAdminPortals", Keyword::MicrosoftAdminPortals),
];

const EXCLUDE_KEYWORDS: [(&str, Keyword); 3] =
    [("None", Keyword::None), ("Office365", Keyword::Office365), ("MicrosoftAdminPortals", Keyword::MicrosoftAdminPortals)];

const USER_ACTIONS: [(&str, UserAction); 2] = [
    ("urn:user:registersecurityinfo", UserAction::RegisterSecurityInfo),
    ("urn:user:registerdevice", UserAction::RegisterDevice),
];

impl Target {
    pub(crate) fn read(conditions: &Node<'_>, notes: &mut Notes) -> Self {
        let node = conditions.member("applications");
        let mut target = Self::default();
        match node.shape(notes) {
            Shape::Absent => {
                notes.not_understood(&node, "targets nothing: `applications` is required");
                target.open = true;
            }
            Shape::Unreadable => target.open = true,
            Shape::Object => target.read_members(&node, notes),
        }
        target
    }

    /// Nothing can be meant: `includeApplications: ["None"]` and nothing beside it.
    pub(crate) fn is_empty(&self) -> bool {
        !self.open && !self.include.named && self.actions.is_empty() && self.contexts.is_empty()
    }

    pub(crate) fn has_user_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// All resources, none left out.
    pub(crate) fn is_everything(&self) -> bool {
        self.include.all && !self.exclude.named
    }

    /// The part of the request that the policy covers, if any. `flows`: the policy conditions on authentication flows,
    /// which alone of All-resources policies reach device registration.
    pub(crate) fn covers(&self, request: &request::Target, flows: Flows) -> Option<Condition> {
        if self.open || self.covers_application(request, flows) {
            Some(Condition::Application)
        } else if request.user_action.is_some_and(|action| self.actions.known.contains(&action)) {
            Some(Condition::UserActions)
        } else if request
            .authentication_contexts
            .iter()
            .any(|context| self.contexts.known.contains(&context.to_ascii_lowercase()))
        {
            Some(Condition::AuthenticationContext)
        } else {
            None
        }
    }

    /// The kinds of target that the policy names: what is not met when `covers` finds nothing.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = Condition> {
        let actions = !self.actions.is_empty();
        let contexts = !self.contexts.is_empty();
        let applications = self.include.named || (!actions && !contexts);
        [
            applications.then_some(Condition::Application),
            actions.then_some(Condition::UserActions),
            contexts.then_some(Condition::AuthenticationContext),
        ]
        .into_iter()
        .flatten()
    }

    fn covers_application(&self, request: &request::Target, flows: Flows) -> bool {
        let by_audience = request.audiences.iter().any(|audience| {
            (self.include.all || self.include.ids.contains(&audience.app_id)) && !self.exclude.ids.contains(&audience.app_id)
        });
        // All resources holds what no application stands for: registering security information (the documented What If
        // example 3), a context alone, nothing at all; but device registration only for authentication flows.
        let by_action = match request.user_action {
            Some(UserAction::RegisterSecurityInfo) => true,
            Some(UserAction::RegisterDevice) => flows == Flows::Conditioned,
            None => request.audiences.is_empty(),
        };
        by_audience || (self.include.all && by_action)
    }

    fn read_members(&mut self, node: &Node<'_>, notes: &mut Notes) {
        let include = node.member("includeApplications");
        let included = include.list(notes, |text| application(text, &INCLUDE_KEYWORDS));
        let exclude = node.member("excludeApplications");
        let excluded = exclude.list(notes, |text| application(text, &EXCLUDE_KEYWORDS));
        let actions = node.member("includeUserActions");
        self.actions = actions.list(notes, |text| word(&USER_ACTIONS, text));
        let contexts = node.member("includeAuthenticationContextClassReferences");
        self.contexts = contexts.list(notes, context);
        let filter = node.member("applicationFilter");
        let known = [
            "includeApplications",
            "excludeApplications",
            "includeUserActions",
            "includeAuthenticationContextClassReferences",
            "applicationFilter",
        ];
        self.open = included.open || self.actions.open || self.contexts.open;
        self.open |= node.unknown_members(&known, notes);
        if filter.is_configured() {
            notes.not_understood(&filter, "filters on custom security attributes are not evaluated");
            let mode = filter.value.get("mode").and_then(Value::as_str).unwrap_or_default();
            self.open |= !mode.eq_ignore_ascii_case("exclude");
        }
        let written = included.written || self.actions.written || self.contexts.written;
        if !written && !self.open {
            notes.not_understood(node, "targets nothing: no application, user action or authentication context is included");
            self.open = true;
        }
        self.include = expand(included.known, &include, notes);
        self.exclude = expand(excluded.known, &exclude, notes);
        for bundle in [&AZURE_SERVICE_MANAGEMENT] {
            if self.include.ids.contains(&AppId::new(bundle.name)) {
                self.include.ids.extend(members(bundle));
            }
        }
    }
}

/// Whether a policy conditions on authentication flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flows {
    Conditioned,
    NotConditioned,
}

fn expand(names: BTreeSet<Name>, node: &Node<'_>, notes: &mut Notes) -> Applications {
    let mut applications = Applications::default();
    for name in names {
        applications.named |= name != Name::Keyword(Keyword::None);
        match name {
            Name::Keyword(Keyword::All) => applications.all = true,
            Name::Keyword(Keyword::None) => {}
            Name::Keyword(Keyword::Office365) => add(&mut applications, &OFFICE_365, node, notes),
            Name::Keyword(Keyword::MicrosoftAdminPortals) => {
                add(&mut applications, &MICROSOFT_ADMIN_PORTALS, node, notes);
            }
            Name::Id(id) => {
                applications.ids.insert(id);
            }
        }
    }
    applications
}

fn add(applications: &mut Applications, bundle: &Bundle, node: &Node<'_>, notes: &mut Notes) {
    let Bundle { name, version, members: list } = bundle;
    let count = list.len();
    notes.remark(node, format!("`{name}` stands for the {count} applications known of it ({version}); it has more"));
    applications.ids.extend(members(bundle));
}

fn members(bundle: &Bundle) -> impl Iterator<Item = AppId> {
    bundle.members.iter().map(|(id, _)| AppId::new(id))
}

fn application(text: &str, keywords: &[(&str, Keyword)]) -> Option<Name> {
    word(keywords, text).map(Name::Keyword).or_else(|| is_guid(text).then(|| Name::Id(AppId::new(text))))
}

/// `c1`…`c99`.
fn context(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let number: u8 = text.strip_prefix('c').filter(|digits| !digits.starts_with(['0', '+']))?.parse().ok()?;
    (1..=99).contains(&number).then_some(text)
}
