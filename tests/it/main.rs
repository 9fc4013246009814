//! What the program promises, by the kind of promise.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like tests")]

mod cli;
mod contract;
mod exact;
mod hostile;
mod measured;
