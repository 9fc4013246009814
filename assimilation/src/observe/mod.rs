//! Observations: operators and noise laws, one a file.

mod absolute;
mod arctan;
mod carrying;
mod correlated_error;
mod each;
mod exp;
mod gaussian_error;
mod identity;
mod interpolate;
mod laplace;
mod leading;
mod linear;
mod log;
mod log_normal;
mod noise_law;
mod norm;
mod one_component;
pub(crate) mod operator;
mod other_error;
mod place;
mod pointwise;
mod poisson;
mod random_subset;
mod square;
mod stride;
mod student_t;
mod threshold;

pub use absolute::Absolute;
pub use arctan::Arctan;
pub use carrying::Carrying;
pub use correlated_error::CorrelatedError;
pub use exp::Exp;
pub use gaussian_error::GaussianError;
pub use identity::Identity;
pub use interpolate::Interpolate;
pub use laplace::Laplace;
pub(crate) use leading::Leading;
pub use linear::Linear;
pub use log::Log;
pub use log_normal::LogNormal;
pub use noise_law::{BuildLaw, ErrorLaw, NoiseLaw};
pub use norm::Norm;
pub use one_component::OneComponent;
pub use operator::{BuildOperator, LinearizedOperator, ObservationOperator};
pub(crate) use other_error::OtherError;
pub use place::Place;
pub use pointwise::{Function, Pointwise};
pub use poisson::Poisson;
pub use random_subset::RandomSubset;
pub use square::Square;
pub use stride::Stride;
pub use student_t::StudentT;
pub use threshold::Threshold;

use scorecast_systems::Entry;

/// Every operator, in the order in which they are listed.
pub const OPERATORS: &[Entry<BuildOperator>] = &[
    identity::ENTRY,
    stride::ENTRY,
    random_subset::ENTRY,
    interpolate::ENTRY,
    linear::ENTRY,
    arctan::ENTRY,
    absolute::ENTRY,
    square::ENTRY,
    exp::ENTRY,
    log::ENTRY,
    threshold::ENTRY,
    norm::ENTRY,
];

/// Every noise law, in the order in which they are listed.
pub const NOISE_LAWS: &[Entry<BuildLaw>] = &[
    gaussian_error::ENTRY,
    correlated_error::ENTRY,
    student_t::ENTRY,
    laplace::ENTRY,
    log_normal::ENTRY,
    poisson::ENTRY,
];
