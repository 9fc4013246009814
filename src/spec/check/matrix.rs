//! Every method with every forecaster, both at their default settings: whether the pair runs, or why not.

use std::collections::BTreeMap;

use super::offers::{offers_with, refused_need};
use crate::assimilation::METHODS;
use crate::forecast::FORECASTERS;
use crate::systems::{Forecaster, Settings};

/// A method with a forecaster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The method's name.
    pub method: &'static str,
    /// The forecaster's kind.
    pub forecaster: &'static str,
    /// Why the method cannot use it, one sentence; none where it can.
    pub refusal: Option<String>,
}

/// The cells, method by method and forecaster by forecaster in the order of [`METHODS`] and [`FORECASTERS`]; `perfect` is the
/// true system, on which its column depends. They are those of a linear operator with Gaussian errors.
pub fn matrix(perfect: &dyn Forecaster) -> Vec<Cell> {
    let usual = |name: &str, params| Settings::check(name, params, &BTreeMap::new()).ok();
    let methods = METHODS.iter().filter_map(|method| Some((method, usual(method.name, method.params)?)));
    let cells = methods.flat_map(|(method, settings)| {
        FORECASTERS.iter().map(move |forecaster| {
            let own = usual(forecaster.name, forecaster.params);
            let needs = method.build.needs_with(&settings);
            let missing = needs.into_iter().find(|need| {
                // how a stored or a true system is made says nothing of what it offers
                let own = own.as_ref().filter(|_| forecaster.build.load.is_some());
                !offers_with(forecaster.name, own, *need, Some(perfect))
            });
            let refusal =
                missing.map(|need| refused_need((method.name, &settings), need, forecaster.name, Some(perfect)));
            Cell { method: method.name, forecaster: forecaster.name, refusal }
        })
    });
    cells.collect()
}
