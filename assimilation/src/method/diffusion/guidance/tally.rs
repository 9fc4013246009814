//! What an analysis took: evaluations of the denoiser, vector-Jacobian products, and what rules noted on the way.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::outcome::Diagnostics;

const EVALUATIONS: &str = "evaluations";
const PRODUCTS: &str = "vector_jacobian_products";

/// Counts and means over all evaluations so far.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    evaluations: f64,
    products: f64,
    /// The sum and the number of what was noted.
    noted: BTreeMap<&'static str, (f64, f64)>,
}

impl Tally {
    /// One evaluation with so many vector-Jacobian products, of all members together.
    pub(super) fn count(&self, products: usize) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.evaluations += 1.0;
        counted.products += products as f64;
    }

    /// The evaluations and products of another tally.
    pub(super) fn add(&self, other: &Diagnostics) {
        let of = |name| other.get(name).copied().unwrap_or(0.0);
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.evaluations += of(EVALUATIONS);
        counted.products += of(PRODUCTS);
    }

    /// A number of which the mean is told.
    pub(super) fn note(&self, name: &'static str, value: f64) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (sum, count) = counted.noted.entry(name).or_default();
        (*sum, *count) = (*sum + value, *count + 1.0);
    }

    /// All of it by name.
    pub(super) fn diagnostics(&self) -> Diagnostics {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let totals = [(EVALUATIONS, counted.evaluations), (PRODUCTS, counted.products)];
        let means = counted.noted.iter().map(|(name, (sum, count))| (*name, sum / count));
        totals.into_iter().chain(means).collect()
    }
}
