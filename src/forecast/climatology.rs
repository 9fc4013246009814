//! Climatology: x_{k+1} is an independent draw from the training states, whatever x_k is.
//!
//! What any forecaster must beat at long lead times. Member i of lead step k draws from `key.at(k).stream(i)`.

use ndarray::{Array2, ArrayView3};
use serde_json::json;

use super::fitted::{Fitted, Parts, Training};
use super::stored::{matrix, misfit, tensor};
use super::{Error, FitContext, FitSize, ForecasterBuild, Result};
use crate::model::Model;
use crate::nn::windows::{Windows, evenly};
use crate::systems::{Entry, Forecaster, Key, MemoryUse, Param, Purpose, Settings};

const LIBRARY: Param = Param::int(
    "library",
    0,
    0,
    "training states kept, evenly spaced; 0 keeps all, or of very many as many as have 16 million values",
);

/// Values of the states that are kept where it is not said how many.
const VALUES: usize = 1 << 24;

/// The registry line.
pub(super) const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "climatology",
    about: "an independent draw from the training states",
    reference: "Jolliffe & Stephenson 2012",
    params: &[LIBRARY],
    build: ForecasterBuild { fit, load: Some(load), memory, cost: None },
};

struct Climatology {
    /// `[state, component]`.
    states: Array2<f64>,
}

fn memory(settings: &Settings, size: &FitSize) -> Vec<MemoryUse> {
    let (states, n) = (kept(settings, size.train, size.components), size.components);
    vec![
        MemoryUse::reals(format!("training states ({states} x {n})"), &[2, states, n]),
        MemoryUse::reals(format!("training states as they are stored ({states} x {n})"), &[2, states, n]),
    ]
}

fn fit(settings: &Settings, context: &FitContext) -> Result<Fitted> {
    let states = library(context.train, settings);
    if states.nrows() == 0 {
        return Err(Error::Data(
            "`climatology` draws from the training states, but there are none; give it training trajectories"
                .to_owned(),
        ));
    }
    let training = Training::closed_form(states.nrows());
    Ok(fitted(states, training))
}

fn load(model: &Model) -> Result<Fitted> {
    let states = matrix(model, "states")?;
    if states.nrows() == 0 {
        return Err(misfit(model, "states", "is empty"));
    }
    Ok(fitted(states, Training::load(model)?))
}

fn fitted(states: Array2<f64>, training: Training) -> Fitted {
    let parts = |model: &Climatology| Parts::new(json!({}), [("states", tensor(&model.states))]);
    Fitted::new(ENTRY.name, Climatology { states }, training, parts)
}

/// How many of `all` states of n components are kept.
fn kept(settings: &Settings, all: usize, n: usize) -> usize {
    match settings.count(LIBRARY.key) {
        0 => all.min((VALUES / n.max(1)).max(1)),
        most => all.min(most),
    }
}

/// Finite states of `[case, time, component]`, evenly spaced.
fn library(trajectories: ArrayView3<f64>, settings: &Settings) -> Array2<f64> {
    let all = Windows::new(trajectories, 1, 1);
    let count = kept(settings, all.len(), all.dim());
    let mut states = Array2::zeros((count, all.dim()));
    for (mut state, row) in states.outer_iter_mut().zip(evenly(all.len(), count)) {
        state.assign(&all.get(row).row(0));
    }
    states
}

impl Forecaster for Climatology {
    fn dim(&self) -> usize {
        self.states.ncols()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> crate::systems::Result<()> {
        self.advance(k, 1, x, key)
    }

    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> crate::systems::Result<()> {
        // only the last step is seen
        let Some(last) = (k + steps).checked_sub(1).filter(|_| steps > 0) else { return Ok(()) };
        let key = key.purpose(Purpose::ForecastNoise).at(last as u64);
        for (member, mut row) in x.outer_iter_mut().enumerate() {
            row.assign(&self.states.row(key.stream(member as u64).below(self.states.nrows())));
        }
        Ok(())
    }
}
