//! The laboratory: questions that are asked of data and of trained models, each held against closed forms first.
//!
//! A question is a folder: the figures it can give are a registry, one file each, and [`dimension`] is the first.
//! Arrows point down only: the laboratory uses stages, forecasters, scores and files, and no stage knows of it.

pub mod dimension;
