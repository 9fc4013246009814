//! What a run's outcomes and observations say of the filter, without a truth: the consistency of residuals with the
//! supposed covariances, the dimension that an ensemble spreads in, the degrees of freedom for signal,
//! and, where a run went wrong, why. The chi-square of
//! innovations is in [`mod@crate::innovation`].

mod consistency;
mod diagnosis;
mod history;
mod series;
mod signal;
mod spectrum;

pub use consistency::Consistency;
pub use diagnosis::{Cause, Diagnosis};
pub use history::{History, Signs, error};
pub use series::{Series, time_mean};
pub use signal::degrees_of_freedom_for_signal;
pub use spectrum::Spectrum;
