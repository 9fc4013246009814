//! Several rules, each for some of the values: the terms of each stand side by side, and the pulls add up.
//!
//! Each rule takes the values of the others for missing, so that what they say together of z_t is the product of what they say
//! alone: values of one part that are correlated given z_t with those of another count twice what they share. It is in no
//! registry, since a row of an experiment names one rule; a program puts rules together by it.

use std::sync::Arc;

use ndarray::{Array1, Array2};
use scorecast_systems::Result;

use super::point::Point;
use super::rule::{Guidance, Terms};
use crate::observations::ObservationSet;

/// Rules and the values, by index, that are theirs.
#[derive(Clone, Debug)]
pub struct Added(pub Vec<(Arc<dyn Guidance>, Vec<usize>)>);

/// The values listed in `index`, the others missing.
fn only(observed: &ObservationSet, index: &[usize]) -> Array1<f64> {
    let mut values = Array1::from_elem(observed.values.len(), f64::NAN);
    index.iter().for_each(|&value| values[value] = observed.values[value]);
    values
}

impl Guidance for Added {
    fn terms(&self, at: &Point) -> Result<Terms> {
        let mut all = Terms::new(Array2::zeros(at.residual().raw_dim()), Array2::zeros(at.residual().raw_dim()));
        for (rule, index) in &self.0 {
            let values = only(at.observed(), index);
            let part = rule.terms(&at.of_values(values.view()))?;
            all.log_likelihood += &part.log_likelihood;
            all.pull += &part.pull;
            index.iter().for_each(|&value| all.components[value] = part.components[value]);
            all.noted = all.noted.or(part.noted);
        }
        Ok(all)
    }

    fn caveat(&self) -> Option<&'static str> {
        self.0.iter().find_map(|(rule, _)| rule.caveat())
    }

    fn require(&self, observed: &ObservationSet) -> crate::error::Result<()> {
        let of = |(rule, index): &(Arc<dyn Guidance>, Vec<usize>)| {
            rule.require(&ObservationSet { values: only(observed, index).view(), ..observed.view() })
        };
        self.0.iter().try_for_each(of)
    }
}
