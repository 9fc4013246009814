//! The true law of a lead step of a system that draws parameters for each trajectory, given these parameters.

use std::sync::Arc;

use ndarray::Array2;

use crate::assimilation::augment::{Augmented, Parameter};
use crate::failure::Result;
use crate::spec::Plan;
use crate::stage::data::SplitTrajectories;
use crate::systems::{self, Error, Forecaster, Key};

/// p(x_{k+1} | x_k, theta), theta behind x_k: each member by the system with its own parameters.
pub struct ConditionedLaw {
    names: Vec<String>,
    law: Augmented,
}

impl ConditionedLaw {
    /// Of the plan's system; none where it draws no parameters, or they are not known of the trajectories.
    ///
    /// # Errors
    /// When the system refuses the parameters of the first test trajectory.
    pub fn of(plan: &Plan, data: &SplitTrajectories) -> Result<Option<Self>> {
        let (Some(system), Some(known)) = (&plan.system, &data.parameters) else { return Ok(None) };
        let (system, stepping) = (Arc::clone(&system.system), plan.data.stepping.clone());
        let family = move |parameters: &[f64]| {
            let drawn = system.drawn_parameters();
            let drawn = drawn.ok_or_else(|| Error::Unsupported("the system draws no parameters".to_owned()))?;
            drawn.with(parameters)?.forecaster(&stepping)
        };
        let first = known.names.iter().zip(known.test.row(0));
        let parameters = first.map(|(name, value)| Parameter::linear(name, *value, 0.0)).collect();
        Ok(Some(Self { names: known.names.clone(), law: Augmented::new(family, parameters)? }))
    }
}

impl Forecaster for ConditionedLaw {
    fn dim(&self) -> usize {
        self.law.dim()
    }

    fn parameters(&self) -> &[String] {
        &self.names
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> systems::Result<()> {
        self.law.step(k, x, key)
    }

    fn autonomous(&self) -> bool {
        self.law.autonomous()
    }
}
