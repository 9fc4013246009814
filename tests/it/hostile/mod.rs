//! Bad files and impossible runs.

mod bad_data;
