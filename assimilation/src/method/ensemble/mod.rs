//! Ensemble Kalman filters: members carry the covariance, and an analysis is a linear combination of them. Each is an
//! `Analysis`; what is the same around all of them is in `around`.

pub(crate) mod by_component;
pub(crate) mod denkf;
pub(crate) mod descent;
pub(crate) mod eakf;
pub(crate) mod enkf;
pub(crate) mod enkf_n;
pub(crate) mod enrts;
pub(crate) mod ensrf;
pub(crate) mod estkf;
pub(crate) mod etkf;
pub(crate) mod letkf;
pub(crate) mod local_errors;
pub(crate) mod local_observations;
pub(crate) mod open_loop;
pub(crate) mod qceff;
pub(crate) mod serial;
