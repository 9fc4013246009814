//! What the program promises, by the kind of promise.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like tests")]

mod cli;
mod contract;
#[allow(dead_code, reason = "shared with the other crates, which use more of it")]
#[path = "../../systems/tests/it/common/derived.rs"]
mod derived;
mod exact;
mod hostile;
mod measured;
mod structure;
