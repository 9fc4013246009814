//! Scores: one metric a file, one line in the registry.
