//! Any bytes as a tenant's file: read, compiled, decided with. `cargo fuzz run -s none read_tenant`; `cargo test` replays
//! the seeds in `corpus/read_tenant`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::{Object, Timestamp};
use policy::request::{
    AccessRequest, Audience, Client, ClientAppType, Fulfilled, GuestType, Network, Platform, Principal, Risk, SecurityAttributes,
    Target, TransferMethod, UserFacts,
};
use policy::{compile, decide, explain, read};

fuzz_target!(|bytes: &[u8]| {
    let contents = read("input", bytes);
    let (mut policies, mut locations, mut strengths) = (vec![], vec![], vec![]);
    for read in contents.objects {
        match read.object {
            Object::ConditionalAccessPolicy(policy) => policies.push(*policy),
            Object::NamedLocation(location) => locations.push(location),
            Object::AuthenticationStrengthPolicy(strength) => strengths.push(strength),
            Object::Organization(_) | Object::User(_) | Object::Group(_) | Object::RoleAssignment(_) | Object::Application(_) => {}
        }
    }
    let compiled = compile(&policies, &locations, &strengths);
    let now = Timestamp::from_seconds(1_780_000_000);
    let request = request(now);
    decide(&compiled, &request, now);
    assert_eq!(explain(&compiled, &request, now).len(), policies.len());
});

fn request(now: Timestamp) -> AccessRequest {
    AccessRequest {
        principal: Principal::User(UserFacts {
            id: "aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb".into(),
            groups: [].into(),
            roles: [].into(),
            guest: GuestType::Member,
            home_tenant: None,
            is_agent_user: false,
        }),
        target: Target {
            audiences: vec![Audience {
                app_id: "00000003-0000-0ff1-ce00-000000000000".into(),
                attributes: SecurityAttributes::default(),
            }],
            ..Target::default()
        },
        client: Client { app_id: None, app_type: ClientAppType::Browser },
        platform: Platform::Windows,
        network: Network { address: Some([203, 0, 113, 5].into()), ..Network::default() },
        device: None,
        risk: Risk::default(),
        original_transfer_method: TransferMethod::None,
        methods: vec![],
        fulfilled: Fulfilled::default(),
        signed_in_at: Some(now),
    }
}
