//! The session: who signed in with this browser, by which methods, when. The cookie holds a secret whose hash the row has.
//!
//! INVARIANT: the secret changes at each authentication step, and a session that the browser brought is never taken over by
//! another account, so a session fixed beforehand is worth nothing.

use crate::sign_in::attempt::Attempt;
use crate::sign_in::cookies::SessionCookie;
use crate::sign_in::gather::Proven;
use crate::state::ControlPlane;
use model::{Kind, Object, SessionId, Timestamp, User, UserId};
use policy::request::{Method, MethodUse};
use protocol::aadsts::Aadsts;
use std::time::Duration;
use store::session::Session;
use store::{StoreError, Tx};

/// A session that stands, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    pub session: Session,
    pub user: User,
    pub methods: Vec<MethodUse>,
}

impl SignedIn {
    /// What counts towards a decision: methods used since `fresh_since`, if that matters.
    pub(crate) fn proven(&self, fresh_since: Option<Timestamp>) -> Proven {
        let counts = |at: Timestamp| fresh_since.is_none_or(|since| at >= since);
        Proven {
            session: Some(self.session.id.clone()),
            methods: self.methods.iter().filter(|used| counts(used.at)).cloned().collect(),
            signed_in_at: Some(self.session.signed_in_at).filter(|at| counts(*at)),
        }
    }

    fn new(session: Session, user: User) -> Self {
        let methods = methods(&session);
        Self { session, user, methods }
    }
}

/// The session of this browser, if it stands: known, right secret, neither revoked nor expired, its person enabled.
pub(crate) async fn current(state: &ControlPlane, attempt: &Attempt) -> Result<Option<SignedIn>, StoreError> {
    let Some(cookie) = &attempt.session else { return Ok(None) };
    let Some(session) = store::session::get(&state.store, &cookie.id).await? else { return Ok(None) };
    if !has_secret(&session, cookie) {
        return Ok(None);
    }
    let Some(user) = attempt.snapshot.directory.users.get(&session.user_id) else { return Ok(None) };
    Ok(standing(&session, user, state.clock.now()).is_ok().then(|| SignedIn::new(session, user.clone())))
}

/// The same inside a transaction, from the rows themselves: whoever disables the account or revokes the session before
/// this transaction is seen, and whoever does so after it sees what this transaction wrote.
pub(crate) async fn current_in(tx: &mut Tx, id: &SessionId, now: Timestamp) -> Result<Result<SignedIn, Aadsts>, StoreError> {
    let Some(session) = store::session::get_in(tx, id).await? else { return Ok(Err(Aadsts::GrantRevoked)) };
    let Some(user) = user_in(tx, &session.user_id).await? else { return Ok(Err(Aadsts::UserNotFound)) };
    Ok(standing(&session, &user, now).map(|()| SignedIn::new(session, user)))
}

/// The account as the transaction sees it.
pub(crate) async fn user_in(tx: &mut Tx, id: &UserId) -> Result<Option<User>, StoreError> {
    let Some(stored) = store::object::get_in(tx, Kind::User, id.as_str()).await? else { return Ok(None) };
    let object = serde_json::from_str(&stored.body).ok().and_then(|value| Object::of_kind(Kind::User, value).ok());
    if let Some(Object::User(user)) = object {
        Ok(Some(user))
    } else {
        Err(StoreError::Corrupt { table: "object", reason: "an unreadable user".to_owned() })
    }
}

/// Does the session still count for anything?
pub(crate) fn standing(session: &Session, user: &User, now: Timestamp) -> Result<(), Aadsts> {
    let valid_from = user.sign_in_sessions_valid_from_date_time;
    if !user.account_enabled {
        Err(Aadsts::AccountDisabled)
    } else if session.revoked_at.is_some() || valid_from.is_some_and(|from| session.created < from) {
        Err(Aadsts::GrantRevoked)
    } else if session.expires <= now {
        Err(Aadsts::RefreshTokenExpired)
    } else {
        Ok(())
    }
}

/// A person proved a method: the browser's session goes on with a new secret, or, with a method that says by itself who
/// it is, a new one begins. `before` is the session as this transaction sees it, standing.
///
/// INVARIANT: a second factor alone begins no session.
pub(crate) async fn advance(
    tx: &mut Tx,
    before: Option<&Session>,
    user: &UserId,
    used: MethodUse,
    lifetime: Duration,
) -> Result<Result<(Session, SessionCookie), Aadsts>, StoreError> {
    let secret = runtime::random::token();
    let now = used.at;
    let is_first_factor = is_first_factor(used.method);
    if let Some(before) = before.filter(|session| session.user_id == *user) {
        let mut methods = methods(before);
        methods.retain(|other| other.method != used.method);
        methods.push(used.clone());
        let session = Session {
            secret_hash: hash(&secret),
            signed_in_at: if is_first_factor { now } else { before.signed_in_at },
            expires: now.plus(lifetime),
            methods: text(&methods),
            ..before.clone()
        };
        if store::session::update(tx, &session).await? {
            let cookie = SessionCookie { id: session.id.clone(), secret };
            return Ok(Ok((session, cookie)));
        }
    }
    if !is_first_factor {
        return Ok(Err(Aadsts::GrantRevoked));
    }
    let session = Session {
        id: SessionId::new(&runtime::random::guid()),
        user_id: user.clone(),
        secret_hash: hash(&secret),
        created: now,
        signed_in_at: now,
        expires: now.plus(lifetime),
        methods: text(&[used]),
        transfer_method: "none".to_owned(),
        revoked_at: None,
    };
    store::session::insert(tx, &session).await?;
    let cookie = SessionCookie { id: session.id.clone(), secret };
    Ok(Ok((session, cookie)))
}

pub(crate) fn is_first_factor(method: Method) -> bool {
    match method {
        Method::Password
        | Method::Fido2
        | Method::WindowsHelloForBusiness
        | Method::DeviceBasedPush
        | Method::TemporaryAccessPassOneTime
        | Method::TemporaryAccessPassMultiUse
        | Method::X509CertificateSingleFactor
        | Method::X509CertificateMultiFactor
        | Method::FederatedSingleFactor
        | Method::FederatedMultiFactor
        | Method::QrCodePin => true,
        Method::Voice
        | Method::HardwareOath
        | Method::SoftwareOath
        | Method::Sms
        | Method::MicrosoftAuthenticatorPush
        | Method::Email => false,
    }
}

/// Methods used in a session; what cannot be read counts for nothing.
pub(crate) fn methods(session: &Session) -> Vec<MethodUse> {
    serde_json::from_str(&session.methods).unwrap_or_default()
}

fn has_secret(session: &Session, cookie: &SessionCookie) -> bool {
    runtime::hash::equal(hash(&cookie.secret).as_bytes(), session.secret_hash.as_bytes())
}

fn hash(secret: &str) -> String {
    runtime::hash::sha256_hex(secret.as_bytes())
}

fn text(methods: &[MethodUse]) -> String {
    // Plain members: serde_json has no reason to fail.
    serde_json::to_string(methods).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::{Store, StoreOptions};

    #[tokio::test]
    async fn a_second_factor_alone_begins_no_session() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db"), StoreOptions::default()).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        let (alex, lifetime) = (UserId::new("alex"), Duration::from_secs(60));
        let used = |method| MethodUse { method, at: Timestamp::from_seconds(100), aaguid: None };
        let alone = advance(&mut tx, None, &alex, used(Method::SoftwareOath), lifetime).await.unwrap();
        assert_eq!(alone.unwrap_err(), Aadsts::GrantRevoked);
        let first = advance(&mut tx, None, &alex, used(Method::Password), lifetime).await.unwrap();
        let (session, _) = first.unwrap();
        // Somebody else's session is no first factor either.
        let other = UserId::new("ada");
        assert!(advance(&mut tx, Some(&session), &other, used(Method::SoftwareOath), lifetime).await.unwrap().is_err());
        // Nor is one that was revoked after it was read.
        store::session::revoke(&mut tx, &session.id, Timestamp::from_seconds(101)).await.unwrap();
        let late = advance(&mut tx, Some(&session), &alex, used(Method::SoftwareOath), lifetime).await.unwrap();
        assert_eq!(late.unwrap_err(), Aadsts::GrantRevoked);
        let passkey = advance(&mut tx, Some(&session), &alex, used(Method::Fido2), lifetime).await.unwrap();
        assert_ne!(passkey.unwrap().0.id, session.id);
    }
}
