//! OAuth 2.0 at Entra's addresses: what a client may ask at the authorization and token endpoints, read strictly.
//!
//! Bytes from outside become a strict type or a `Fault`; nothing here looks anything up, and nothing is trusted: whether a
//! redirect address or a scope belongs to the client is asked with the functions of `redirect` and `scope`.

pub mod authorize;
pub mod claims;
pub mod parameters;
pub mod pkce;
pub mod redirect;
pub mod scope;
pub mod token;

pub use authorize::{AuthorizeRequest, Envelope, Prompt, ResponseMode};
pub use parameters::Parameters;
pub use pkce::CodeChallenge;
pub use redirect::ClientKind;
pub use scope::{OidcScopes, RequestedScopes};
pub use token::{ClientAuthentication, Secret, TokenGrant, TokenRequest};
