//! Bad files and impossible runs.

mod bad_data;
mod damaged;
mod mutants;
