//! The end of one session: the row, its refresh tokens, and the event that cuts what runs under it.

use crate::sign_in::attempt::Attempt;
use crate::sign_in::failure::Failure;
use crate::signals::{self, InitiatingEntity, SecurityEvent};
use crate::state::ControlPlane;
use model::Timestamp;
use store::Tx;
use store::session::Session;

/// Within `tx`, because of what `attempt` asks or shows.
pub(crate) async fn end(
    state: &ControlPlane,
    attempt: &Attempt,
    tx: &mut Tx,
    session: &Session,
    initiating_entity: InitiatingEntity,
    now: Timestamp,
) -> Result<(), Failure> {
    store::session::revoke(tx, &session.id, now).await?;
    store::grant::revoke_of_session(tx, &session.id, now).await?;
    let tenant = attempt.tenant()?;
    let event = SecurityEvent::session_revoked(state, tenant, &session.user_id, &session.id, initiating_entity);
    Ok(signals::raise(tx, event, now, &attempt.correlation_id).await?)
}
