//! The table of climates: every system has a row, and measuring again finds the same.
#![allow(clippy::unwrap_used, clippy::panic)]

use scorecast_systems::catalogue::climate::{CLIMATES, Measured, climate, measure};
use scorecast_systems::catalogue::{SYSTEMS, build};

#[test]
fn every_system_that_defaults_can_build_has_a_row() {
    let names: Vec<&str> = CLIMATES.iter().map(|climate| climate.name).collect();
    for entry in SYSTEMS.iter().filter(|entry| build(entry.name, &Default::default()).is_ok()) {
        let command = "run `cargo run --release -p scorecast-systems --example climates`, then `cargo fmt`";
        let row =
            climate(entry.name).unwrap_or_else(|| panic!("no climate of {} among {names:?}; {command}", entry.name));
        let finite = |number: &Measured| number.value.is_finite() && number.se >= 0.0;
        assert!(row.mean.iter().chain(row.sd.iter()).all(finite) && row.mean.len() == row.sd.len(), "{row:?}");
    }
    assert!(names.iter().all(|name| SYSTEMS.iter().any(|entry| entry.name == *name)), "{names:?}");
}

/// `cargo test --release -p scorecast-systems --test it climates -- --ignored --nocapture`.
#[test]
#[ignore = "minutes: measures every system again, with another seed"]
fn measuring_again_finds_the_same() {
    for row in CLIMATES {
        let entry = SYSTEMS.iter().find(|entry| entry.name == row.name).unwrap();
        let again = measure(entry, 2).unwrap();
        println!("{}: {} {:?} and {:?}", row.name, row.trajectories, again.exponent, row.exponent);
        let pairs =
            [(&again.exponent, &row.exponent), (&again.dimension, &row.dimension)].map(|(a, b)| (a.iter(), b.iter()));
        let pairs = pairs.into_iter().flat_map(|(a, b)| a.zip(b));
        let all = pairs.chain(again.mean.iter().zip(row.mean.iter())).chain(again.sd.iter().zip(row.sd.iter()));
        for (a, b) in all {
            // five standard errors of the difference: there are a few hundred numbers, of 4 trajectories upwards
            let error = 5.0 * a.se.hypot(b.se) + 1e-12;
            assert!((a.value - b.value).abs() <= error, "{}: {a:?} and {b:?}", row.name);
        }
        assert_eq!(again.exponent.is_some(), row.exponent.is_some(), "{}", row.name);
    }
}
