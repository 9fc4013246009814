//! The shape of the house: what may name what.

mod arrows;
mod modules;
mod names;
