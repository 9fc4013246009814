//! Particle filters and smoothers: members with weights p(y | x), resampled when few of them carry the weight.

pub(crate) mod backward;
pub(crate) mod bootstrap;
pub(crate) mod ffbsi;
pub(crate) mod kernel_particle_filter;
pub(crate) mod local_likelihood;
pub(crate) mod local_particle_filter;
pub(crate) mod one_step;
pub(crate) mod optimal_proposal;
pub(crate) mod particles;
pub(crate) mod regularize;
pub(crate) mod resample;
pub(crate) mod temper;
pub(crate) mod weights;
