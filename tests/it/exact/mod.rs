//! Against laws that are known.

mod learned_on_linear;
mod learned_on_torus;
