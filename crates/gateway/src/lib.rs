//! The policy enforcement point (NIST SP 800-207) in front of applications: a reverse proxy that lets nothing through
//! without a permit, and ends what runs as soon as the right behind it ends.
//!
//! The decision: the gateway is an ordinary OpenID Connect client and an ordinary Shared Signals receiver of the control
//! plane; it learns nothing by a private side door, and when it hears nothing it admits nobody. The decision refused:
//! asking the control plane about every request, which would make each answer as late, and as available, as the network.
//!
//! It enforces and never decides: it knows neither policies nor the store.

mod activity;
mod answer;
mod application;
mod assertion;
mod authenticate;
mod authorize;
mod body;
mod causes;
mod challenge;
mod config;
mod control_plane;
mod cookies;
mod feed;
mod flow;
mod forward;
mod gateway;
mod headers;
mod issuer_keys;
mod legacy;
mod logout;
mod metrics;
mod receiver;
mod session;
mod sign_in;
mod signals;
mod subscription;
mod target;
mod tunnel;

pub use config::{Config, Limits, StartError};
pub use gateway::Gateway;
