//! Values that say nothing, gross errors and runs that went wrong: what is said and what is kept.

mod adaptive_quality_control;
mod diagnosis;
mod quality_control;
mod useless_values;
