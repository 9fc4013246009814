//! Measurements, not tests: all are ignored, and run by name in release mode with `--ignored --nocapture`.

mod contest;
#[path = "../../data/contest.rs"]
mod contest_results;
mod coverage;
mod dimension;
mod known_laws;
mod learned_on_lorenz96;
mod network_speed;
mod published_networks;
