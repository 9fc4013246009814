//! Posteriors of every rule, weighting and score beside the exact ones: how far means are off in exact standard deviations, the
//! ratio of standard deviations, the energy distance less that of two sets of exact draws, how much the exact posterior has of the
//! members' central intervals, what it takes, and the effective size. `docs/src/results/calibration.md` holds what was found.

#![allow(clippy::unwrap_used)]

mod exact;
mod filters;
mod laws;
mod score;
mod table;

/// The systems by their names.
const SYSTEMS: [(&str, fn()); 11] = [
    ("law_1", || laws::linear(1)),
    ("law_2", || laws::linear(2)),
    ("law_40", || laws::linear(40)),
    ("law_double_well", laws::double_well),
    ("law_absolute", laws::absolute),
    ("gain", filters::gain),
    ("kalman_1", || filters::kalman(1)),
    ("kalman_2", || filters::kalman(2)),
    ("kalman_40", filters::forty),
    ("double_well", filters::double_well),
    ("lorenz63", filters::lorenz63),
];

/// The systems that the environment names: SCORECAST_SYSTEMS="law_1 kalman_40", with SCORECAST_ONLY="letkf score=gaussian" the rows
/// that have one of these words.
#[test]
#[ignore = "measures what the environment names, minutes each"]
fn calibration() {
    let asked = std::env::var("SCORECAST_SYSTEMS").unwrap_or_default();
    for name in asked.split_whitespace() {
        let (_, measure) = SYSTEMS.iter().find(|(known, _)| *known == name).unwrap();
        measure();
    }
}
