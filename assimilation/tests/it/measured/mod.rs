//! Long measurements, which are ignored unless asked for: `cargo test -p scorecast-assimilation --release measured -- --ignored
//! --nocapture`.

mod calibration;
mod guided_local;
mod not_gaussian;
mod run;
