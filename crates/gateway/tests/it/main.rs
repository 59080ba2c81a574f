//! The gateway at its boundary: real HTTP and TLS on loopback, an issuer and event transmitter that signs with real keys,
//! an application behind it. Nothing of ours is replaced; the clock is turned by hand.

#![cfg(test)]

mod admission;
mod client;
mod cut;
mod hostile;
mod issuer;
mod legacy;
mod limits;
mod metrics;
mod platform;
mod receiver;
mod sign_in;
mod silence;
mod upstream;
