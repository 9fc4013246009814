//! What the methods promise, by the kind of promise.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like tests")]

mod common;
mod contract;
mod exact;
mod hostile;
mod measured;
mod published;
