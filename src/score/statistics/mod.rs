//! Standard errors and tests for means of series that are autocorrelated in time and independent between clusters.

mod agreement;
mod flat;
mod long_run;
mod multiple;
mod paired;
#[cfg(test)]
mod rates;
mod seeds;
mod summary;

pub use agreement::{fisher_exact, least_p, z};
pub use flat::{Flatness, flatness};
pub use long_run::LongRun;
pub use multiple::holm;
use paired::two_sided;
pub use paired::{Paired, compare};
pub use seeds::{over_seeds, paired_over_seeds};
pub use summary::{Summary, summarise};
