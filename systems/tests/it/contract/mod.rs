//! What every system, wrapper and table of the catalogue promises.

mod climates;
mod every_system;
mod lead_step_adjoints;
mod manual;
mod mean_derivatives;
mod stretches;
mod wrappers;
