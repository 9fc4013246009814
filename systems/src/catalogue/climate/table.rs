//! Written by `cargo run --release -p scorecast-systems --example climates`; do not edit.

use std::borrow::Cow::Borrowed;

use super::{Climate, measured};

/// Every system that was measured, in the order of the catalogue.
pub const CLIMATES: &[Climate] = &[
    Climate {
        name: "ou",
        exponent: None,
        positive: None,
        dimension: None,
        mean: Borrowed(&[measured(-0.00351, 0.0076), measured(0.00481, 0.00617), measured(0.00045, 0.0045)]),
        sd: Borrowed(&[measured(0.96852, 0.0029), measured(0.8623, 0.00286), measured(0.7061, 0.00244)]),
        trajectories: 32,
        time: 2000.0,
    },
    Climate {
        name: "double_well",
        exponent: None,
        positive: None,
        dimension: None,
        mean: Borrowed(&[measured(-0.0177, 0.0202)]),
        sd: Borrowed(&[measured(0.93015, 0.00158)]),
        trajectories: 32,
        time: 2000.0,
    },
    Climate {
        name: "lorenz63",
        exponent: Some(measured(0.90576, 0.00106)),
        positive: Some(1),
        dimension: Some(measured(2.0621679, 6.71e-5)),
        mean: Borrowed(&[measured(0.0303, 0.0489), measured(0.03, 0.0489), measured(23.5444, 0.00518)]),
        sd: Borrowed(&[measured(7.923808, 0.000836), measured(9.01306, 0.0016), measured(8.6284, 0.00525)]),
        trajectories: 32,
        time: 1000.0,
    },
    Climate {
        name: "lorenz96",
        exponent: Some(measured(1.67642, 0.0096)),
        positive: Some(13),
        dimension: Some(measured(27.0223, 0.0408)),
        mean: Borrowed(&[measured(2.34828, 0.00193)]),
        sd: Borrowed(&[measured(3.642757, 0.000892)]),
        trajectories: 32,
        time: 292.95,
    },
];
