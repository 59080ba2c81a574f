//! Gather: the snapshot, the session and the request become one `AccessRequest`, which is all that a decision looks at.
//!
//! What a client claims about itself (its user agent) is used for the platform alone and proves nothing; its address is the
//! connection's. Risk, device and flow facts are not known in this version: their constants say so, they are not guesses.

use model::{AppId, Application, Directory, SessionId, Timestamp, User, UserType};
use policy::request::{
    AccessRequest, Audience, Client, ClientAppType, Fulfilled, GuestType, MethodUse, Network, Platform, Principal, Risk,
    SecurityAttributes, Target, TransferMethod, UserAction, UserFacts, WorkloadFacts,
};
use protocol::oauth::ClientKind;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Where a request comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Circumstances {
    /// Of the connection.
    pub address: Option<IpAddr>,
    pub user_agent: String,
}

/// What a session has proven so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Proven {
    pub session: Option<SessionId>,
    pub methods: Vec<MethodUse>,
    pub signed_in_at: Option<Timestamp>,
}

/// A person asks.
pub(crate) fn for_user(
    directory: &Directory,
    user: &User,
    target: Target,
    client: Client,
    circumstances: &Circumstances,
    proven: &Proven,
) -> AccessRequest {
    let principal = Principal::User(UserFacts {
        id: user.id.clone(),
        groups: directory.transitive_groups(&user.id),
        roles: directory.active_roles(&user.id),
        guest: guest(user),
        home_tenant: None,
        is_agent_user: false,
    });
    AccessRequest {
        methods: proven.methods.clone(),
        signed_in_at: proven.signed_in_at,
        ..request(principal, target, client, circumstances)
    }
}

/// An application asks for itself (client credentials).
pub(crate) fn for_application(application: &Application, target: Target, circumstances: &Circumstances) -> AccessRequest {
    let principal = Principal::Workload(WorkloadFacts {
        service_principal: application.id.clone(),
        owned_by_this_tenant: true,
        attributes: security_attributes(&application.rest),
    });
    let client = Client { app_id: Some(application.app_id.clone()), app_type: ClientAppType::MobileAppsAndDesktopClients };
    request(principal, target, client, circumstances)
}

fn request(principal: Principal, target: Target, client: Client, circumstances: &Circumstances) -> AccessRequest {
    AccessRequest {
        principal,
        target,
        client,
        platform: platform(&circumstances.user_agent),
        network: Network { address: circumstances.address, ..Network::default() },
        device: None,
        risk: Risk::default(),
        original_transfer_method: TransferMethod::None,
        methods: Vec::new(),
        fulfilled: Fulfilled::default(),
        signed_in_at: None,
    }
}

/// A client in the sign-in flows: a confidential one is a web application, used from a browser; a public one runs on the
/// person's machine.
pub(crate) fn client(client: &AppId, kind: ClientKind) -> Client {
    let app_type = match kind {
        ClientKind::Confidential => ClientAppType::Browser,
        ClientKind::Public => ClientAppType::MobileAppsAndDesktopClients,
    };
    Client { app_id: Some(client.clone()), app_type }
}

/// The resource of the scopes; and the client itself, when a confidential client asks for an ID token.
pub(crate) fn target(
    directory: &Directory,
    resource: &AppId,
    client: &AppId,
    kind: ClientKind,
    asks_id_token: bool,
    authentication_contexts: BTreeSet<String>,
) -> Target {
    let mut audiences = vec![audience(directory, resource)];
    if asks_id_token && kind == ClientKind::Confidential && client != resource {
        audiences.push(audience(directory, client));
    }
    Target { audiences, user_action: None, authentication_contexts }
}

/// Registering a method of one's own.
pub(crate) fn register_security_info() -> Target {
    Target { user_action: Some(UserAction::RegisterSecurityInfo), ..Target::default() }
}

pub(crate) fn audience(directory: &Directory, app_id: &AppId) -> Audience {
    let attributes = directory.applications.get(app_id).map(|application| security_attributes(&application.rest));
    Audience { app_id: app_id.clone(), attributes: attributes.unwrap_or_default() }
}

/// As the user agent claims it. `Unknown` is matched by policies for all platforms only.
pub(crate) fn platform(user_agent: &str) -> Platform {
    let has = |word: &str| user_agent.contains(word);
    if has("Windows Phone") {
        Platform::WindowsPhone
    } else if has("Android") {
        Platform::Android
    } else if has("iPhone") || has("iPad") || has("iPod") {
        Platform::Ios
    } else if has("Windows") {
        Platform::Windows
    } else if has("Macintosh") || has("Mac OS X") || has("macOS") || has("Darwin") {
        Platform::MacOs
    } else if has("CrOS") {
        Platform::Unknown
    } else if has("Linux") {
        Platform::Linux
    } else {
        Platform::Unknown
    }
}

/// `#EXT#` in the principal name marks an account whose home is elsewhere.
fn guest(user: &User) -> GuestType {
    let is_external = user.user_principal_name.to_uppercase().contains("#EXT#");
    match (user.user_type, is_external) {
        (UserType::Member, false) => GuestType::Member,
        (UserType::Member, true) => GuestType::B2bCollaborationMember,
        (UserType::Guest, false) => GuestType::InternalGuest,
        (UserType::Guest, true) => GuestType::B2bCollaborationGuest,
    }
}

/// `customSecurityAttributes`: `{"Set":{"Attribute":"value" or ["value", …]}}` → `Set_Attribute`.
fn security_attributes(rest: &Map<String, Value>) -> SecurityAttributes {
    let sets = rest.get("customSecurityAttributes").and_then(Value::as_object).into_iter().flatten();
    let values = sets.flat_map(|(set, attributes)| {
        let attributes = attributes.as_object().into_iter().flatten();
        attributes.filter(|(name, _)| !name.contains('@')).map(move |(name, value)| {
            let one = value.as_str().into_iter();
            let many = value.as_array().into_iter().flatten().filter_map(Value::as_str);
            (format!("{set}_{name}"), one.chain(many).map(str::to_owned).collect())
        })
    });
    SecurityAttributes(values.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn platforms_of_real_user_agents() {
        for (user_agent, expected) in [
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36", Platform::Windows),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15",
                Platform::MacOs,
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Platform::Linux),
            ("Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", Platform::Android),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148", Platform::Ios),
            ("Mozilla/5.0 (X11; CrOS x86_64 16000.0.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36", Platform::Unknown),
            ("Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1; Microsoft; Lumia 950)", Platform::WindowsPhone),
            ("curl/8.5.0", Platform::Unknown),
            ("", Platform::Unknown),
        ] {
            assert_eq!(platform(user_agent), expected, "{user_agent}");
        }
    }

    #[test]
    fn attributes_are_named_as_policies_name_them() {
        let rest = json!({"customSecurityAttributes": {"Engineering": {
            "@odata.type": "#microsoft.DirectoryServices.CustomSecurityAttributeValue", "Tier": "Zero", "Tags": ["a", "b"],
        }}});
        let attributes = security_attributes(rest.as_object().unwrap());
        assert_eq!(attributes.0["Engineering_Tier"], ["Zero"]);
        assert_eq!(attributes.0["Engineering_Tags"], ["a", "b"]);
        assert_eq!(attributes.0.len(), 2);
    }
}
