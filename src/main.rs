//! scorecast.
fn main() {}
