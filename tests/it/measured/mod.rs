//! Measurements, not tests: all are ignored, and run by name in release mode with `--ignored --nocapture`.

mod coverage;
mod known_laws;
mod learned_on_lorenz96;
mod network_speed;
