//! What every entry of the registries promises.

mod after_an_error;
mod apply_alone;
mod every_guidance;
mod every_law;
mod every_method;
mod every_operator;
mod needs;
mod same_step;
