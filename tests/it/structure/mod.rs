//! The shape of the house: what may name what.

mod arrows;
mod members;
mod modules;
mod names;
mod walls;

use std::path::Path;

/// Each Rust file below a folder, in order, with its text.
fn every_file(folder: &Path, each: &mut impl FnMut(&Path, &str)) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            every_file(&path, each);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            each(&path, &std::fs::read_to_string(&path).unwrap());
        }
    }
}
