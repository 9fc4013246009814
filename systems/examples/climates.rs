//! Measures every system of the catalogue at its default settings and writes the table of climates:
//! `cargo run --release -p scorecast-systems --example climates [-- NAME...]`, then
//! `cargo fmt`. With names it measures those alone and prints them.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::time::Instant;

use scorecast_systems::catalogue::SYSTEMS;
use scorecast_systems::catalogue::climate::{self, Measured, MeasuredClimate};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/catalogue/climate/table.rs");
const HEAD: &str = "//! Written by `cargo run --release -p scorecast-systems --example climates`; do not edit.

#![allow(clippy::approx_constant)]

use std::borrow::Cow::Borrowed;

use super::{MeasuredClimate, measured};

/// Every system that was measured, in the order of the catalogue.
pub const CLIMATES: &[MeasuredClimate] = &[
";

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let mut table = HEAD.to_owned();
    for entry in SYSTEMS.iter().filter(|entry| names.is_empty() || names.iter().any(|name| name == entry.name)) {
        let begun = Instant::now();
        match climate::measure(entry, 1) {
            Ok(climate) => {
                let line = element(&climate);
                eprintln!("{:6.1} s  {line}", begun.elapsed().as_secs_f64());
                table.push_str(&format!("    {line}\n"));
            }
            Err(error) => eprintln!("{}: left out: {error}", entry.name),
        }
    }
    table.push_str("];\n");
    if names.is_empty() {
        std::fs::write(TABLE, table).unwrap();
        eprintln!("wrote {TABLE}; now run `cargo fmt`");
    } else {
        std::io::stdout().write_all(table.as_bytes()).unwrap();
    }
}

/// A climate as Rust.
fn element(climate: &MeasuredClimate) -> String {
    let option =
        |number: &Option<Measured>| number.as_ref().map_or("None".to_owned(), |n| format!("Some({})", print(n)));
    let list = |numbers: &[Measured]| numbers.iter().map(print).collect::<Vec<_>>().join(", ");
    let MeasuredClimate { name, exponent, positive, dimension, mean, sd, trajectories, time } = climate;
    format!(
        "MeasuredClimate {{ name: {name:?}, exponent: {}, positive: {positive:?}, dimension: {}, mean: Borrowed(&[{}]), \
         sd: Borrowed(&[{}]), trajectories: {trajectories}, time: {:?} }},",
        option(exponent),
        option(dimension),
        list(mean),
        list(sd),
        (time * 1e6).round() / 1e6,
    )
}

/// `measured(value, se)`, with three digits of the standard error and as many decimals of the value.
fn print(number: &Measured) -> String {
    let places = if number.se > 0.0 { (2.0 - number.se.log10().floor()).clamp(0.0, 12.0) as usize } else { 9 };
    let short = |value: f64| format!("{value:.places$}").parse().unwrap_or(value);
    format!("measured({:?}, {:?})", short(number.value), short(number.se))
}
