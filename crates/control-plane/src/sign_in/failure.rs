//! Why a page or protocol request ends without what it asked for: something to tell the person or client, or something of ours.

use crate::keys::KeyError;
use crate::passwords::PasswordError;
use protocol::aadsts::{Aadsts, Fault};
use store::StoreError;

#[derive(Debug)]
pub(crate) enum Failure {
    /// To be told, in the words of the table.
    Told(Fault),
    /// Ours: logged once with its causes; the other side hears that it may try again.
    Ours(Box<dyn std::error::Error + Send + Sync>),
}

impl Failure {
    pub(crate) fn ours(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Ours(Box::new(error))
    }

    /// What the other side is told. Logs what is ours.
    pub(crate) fn into_fault(self, correlation_id: &str) -> Fault {
        match self {
            Self::Told(fault) => fault,
            Self::Ours(error) => {
                let mut causes = vec![error.to_string()];
                let mut source = error.source();
                while let Some(cause) = source {
                    causes.push(cause.to_string());
                    source = cause.source();
                }
                tracing::error!(correlation_id, error = causes.join(": "), "a sign-in request failed");
                Aadsts::Unavailable.into()
            }
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Told(fault)
    }
}

impl From<Aadsts> for Failure {
    fn from(aadsts: Aadsts) -> Self {
        Self::Told(aadsts.into())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::ours(error)
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self::ours(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::ours(error)
    }
}

impl From<PasswordError> for Failure {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Aadsts::Throttled.into(),
            other @ (PasswordError::Unavailable | PasswordError::TooShort | PasswordError::TooLong) => Self::ours(other),
        }
    }
}
