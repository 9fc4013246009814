//! Measures every system of the catalogue at its default settings and writes the table of climates:
//! `cargo run --release -p scorecast-systems --example climates [-- NAME...]`, then
//! `cargo fmt`. With names it measures those alone and prints them.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::time::Instant;

use scorecast_systems::catalogue::{SYSTEMS, climate};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/catalogue/climate/table.rs");
const HEAD: &str = "//! Written by `cargo run --release -p scorecast-systems --example climates`; do not edit.

use super::{Climate, measured};

/// Every system that was measured, in the order of the catalogue.
pub const CLIMATES: &[Climate] = &[
";

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let mut table = HEAD.to_owned();
    for entry in SYSTEMS.iter().filter(|entry| names.is_empty() || names.iter().any(|name| name == entry.name)) {
        let begun = Instant::now();
        match climate::measure(entry, 1) {
            Ok(line) => {
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
