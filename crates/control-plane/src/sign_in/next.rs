//! What comes next for somebody who signed in: let in, asked for more, or refused.
//!
//! Which methods would do is not worked out here a second time: `decide` is asked what it would say if the person used
//! them, now. So the page offers exactly what satisfies, whatever the policies are.

use crate::sign_in::enforce;
use crate::snapshot::Snapshot;
use model::Timestamp;
use policy::answer::{Decision, Outcome};
use policy::request::{AccessRequest, Method, MethodUse};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use store::credential::{Credential, CredentialKind};

/// A method that this version can ask for; in the order in which a person uses several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Way {
    Password,
    Passkey,
    Totp,
}

impl Way {
    const ALL: [Self; 3] = [Self::Password, Self::Passkey, Self::Totp];

    pub(crate) const fn of(kind: CredentialKind) -> Self {
        match kind {
            CredentialKind::Password => Self::Password,
            CredentialKind::Totp => Self::Totp,
            CredentialKind::Passkey => Self::Passkey,
        }
    }

    /// As policies call it.
    pub(crate) const fn method(self) -> Method {
        match self {
            Self::Password => Method::Password,
            Self::Passkey => Method::Fido2,
            Self::Totp => Method::SoftwareOath,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Next {
    LetIn,
    /// Each of these is the first step of a way that ends well.
    Ask(BTreeSet<Way>),
    /// Nothing that is registered would do; these would, if they were.
    Register(BTreeSet<Way>),
    Refuse,
}

/// What follows from `decision` for a person with these credentials.
pub(crate) fn next(
    snapshot: &Snapshot,
    request: &AccessRequest,
    decision: &Decision,
    registered: &BTreeSet<Way>,
    now: Timestamp,
) -> Next {
    match decision.outcome {
        Outcome::Granted => Next::LetIn,
        Outcome::Blocked => Next::Refuse,
        Outcome::GrantedAfter => {
            let would_do = |ways: &BTreeSet<Way>| would_be_granted(snapshot, request, ways, now);
            let ways = smallest(registered, &would_do);
            if !ways.is_empty() {
                return Next::Ask(ways.iter().filter_map(|way| way.first().copied()).collect());
            }
            let all = Way::ALL.into_iter().collect();
            let ways = smallest(&all, &would_do);
            if ways.is_empty() {
                return Next::Refuse;
            }
            Next::Register(ways.into_iter().flatten().filter(|way| !registered.contains(way)).collect())
        }
    }
}

/// The kinds of method that a person has.
pub(crate) fn registered(credentials: &[Credential]) -> BTreeSet<Way> {
    credentials.iter().map(|credential| Way::of(credential.kind)).collect()
}

/// What `decide` would say if the person used `ways` now.
fn would_be_granted(snapshot: &Snapshot, request: &AccessRequest, ways: &BTreeSet<Way>, now: Timestamp) -> bool {
    let methods: Vec<Method> = ways.iter().map(|way| way.method()).collect();
    let mut supposed = request.clone();
    supposed.methods.retain(|used| !methods.contains(&used.method));
    supposed.methods.extend(methods.iter().map(|method| MethodUse { method: *method, at: now, aaguid: None }));
    if methods.iter().any(|method| super::session::is_first_factor(*method)) {
        supposed.signed_in_at = Some(now);
    }
    enforce::decide(&snapshot.policies, &supposed, now).outcome == Outcome::Granted
}

/// The sets of available methods that would do and of which no part would.
fn smallest(available: &BTreeSet<Way>, would_do: &dyn Fn(&BTreeSet<Way>) -> bool) -> Vec<BTreeSet<Way>> {
    let mut candidates: Vec<BTreeSet<Way>> = (1u32..1 << available.len())
        .map(|bits| available.iter().enumerate().filter(|(index, _)| bits & (1 << index) != 0).map(|(_, way)| *way).collect())
        .collect();
    candidates.sort_by_key(BTreeSet::len);
    let mut ways: Vec<BTreeSet<Way>> = Vec::new();
    for candidate in candidates {
        if !ways.iter().any(|way| way.is_subset(&candidate)) && would_do(&candidate) {
            ways.push(candidate);
        }
    }
    ways
}
