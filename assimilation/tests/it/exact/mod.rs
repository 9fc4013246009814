//! Methods against exact posteriors, dense solutions and finite differences.

mod adaptive;
mod against_exact;
mod augmented;
mod correlated_errors;
mod correlated_local;
mod diagnostics;
mod double_well;
mod envar;
mod estkf;
mod factored_noise;
mod fixed_lag;
mod four_d_var;
mod gaussian_filters;
mod ienks;
mod local_mixture;
mod local_parameters;
mod local_particles;
mod localized;
mod noise_treatment;
mod other_errors;
mod particle_filters;
mod quantile_filter;
mod shift;
mod whole_run;
mod wide_forecasts;
