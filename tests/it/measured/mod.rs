//! Measurements, not tests: all are ignored, and run by name in release mode with `--ignored --nocapture`.

mod coverage;
mod learned_on_lorenz96;
mod network_speed;
