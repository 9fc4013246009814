//! Measurements, not tests: all are ignored, and run by name in release mode with `--ignored --nocapture`.

mod coverage;
mod dimension;
#[path = "../../data/kept.rs"]
mod kept_results;
mod known_laws;
mod learned_on_lorenz96;
mod long_form;
mod network_speed;
mod published_networks;
