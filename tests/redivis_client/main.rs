//! The HTTP client against servers that misbehave: real sockets on loopback, scripted by hand.
//!
//! Every error and answer that these tests see is searched for the token and the URL's secrets.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first surprise, also in its helpers"
)]

mod answers;
mod api;
mod breaks;
mod early;
mod requests;
mod secrets;
mod server;
