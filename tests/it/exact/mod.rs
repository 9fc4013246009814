//! Against laws that are known.

mod gaussian_covariances;
mod learned_by_score_rule;
mod learned_on_linear;
mod learned_on_torus;
