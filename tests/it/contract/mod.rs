//! What the whole program promises: same bytes for any number of threads, files that other programs read.

mod every_entry;
mod matrix;
mod netcdf;
mod pipeline;
mod processors;
#[path = "../../data/python.rs"]
mod python;
mod seeds;
mod suite;
mod training;
mod variants;
