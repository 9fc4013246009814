//! Arrays in HDF5 files that are NetCDF-4 files too, so that `xarray.open_dataset` reads them with either engine.
//!
//! Named dimensions are HDF5 dimension scales (`H5DSset_scale`, `H5DSattach_scale`); attributes follow the CF
//! conventions 1.11 (Eaton et al.). Data are chunked, shuffled, deflated and carry a Fletcher-32 checksum in each
//! chunk; the file's own structures carry theirs (format of HDF5 1.10), so that a flipped bit is an error and not a
//! number. Nothing in a file depends on the clock: equal content is equal bytes.
//!
//! A file that is read may come from anyone. Before anything is allocated its claimed sizes are compared with the
//! limit and with what compression could explain; soft and external links, external storage, virtual datasets and
//! compound types are refused, and so is a table of chunks that is not that of its array. What this cannot stop is a fault of the
//! HDF5 library itself: version 2.2.0 crashes on some damaged files and loops forever on others. So a foreign file is read by a
//! process of its own ([`Launcher`](super::Launcher), [`serve`]), under limits, and whatever happens there is a sentence here.

pub(super) mod arrange;
pub(super) mod blocks;
mod calendar;
mod case_parameters;
mod cf;
mod child;
mod clock;
mod dataset;
mod describe;
mod forecasts;
mod grown;
mod guard;
mod layout;
mod local;
mod observations;
pub(super) mod open;
mod raw;
pub(super) mod read;
mod resolution;
mod scales;
mod scored;
mod serve;
pub(super) mod source;
mod split;
pub(super) mod stream;
#[cfg(test)]
mod tests;
mod time_unit;
mod times;
pub(super) mod trajectories;
pub(super) mod trouble;
mod units;
mod values;
mod wire;
mod wording;
pub(super) mod write;

pub use blocks::{Block, Blocks, write_blocks};
pub use case_parameters::CaseParameters;
pub use clock::{Clock, same_lead};
pub use dataset::{Attribute, Dataset, Dimension, Origin, Values, Variable};
pub use describe::{Description, describe};
pub use forecasts::{Forecasts, LeadTime, read_forecasts, write_forecasts};
pub use observations::{Observations, read_observations, read_worded_observations, write_observations};
pub use read::read;
pub use resolution::Resolution;
pub use scored::{Scored, ScoredAnalyses, ScoredForecasts, read_scored};
pub use serve::serve;
pub use split::SplitPart;
pub use time_unit::TimeUnit;
pub use trajectories::{
    About, Outline, StoredTrajectories, frame, read_outline, read_trajectories, read_worded_trajectories,
    state_attributes, write_trajectories, write_trajectory_blocks, write_worded_trajectories,
};
pub use units::differ as units_differ;
pub use wording::Wording;
pub use write::write;
