//! The shape of the house: what may name what.

mod arrows;
mod members;
mod modules;
mod names;
mod walls;
