//! The parameters of each member, those of the system inside behind its own where that draws parameters too.

use std::sync::Arc;

use ndarray::{Array2, s};

use super::super::build;
use super::super::inside::{OF, named_inside};
use super::PerturbParameters;
use crate::error::Result;
use crate::key::Key;
use crate::registry::Value;
use crate::system::System;
use crate::system::drawn::DrawnParameters;

impl DrawnParameters for PerturbParameters {
    fn names(&self) -> Vec<String> {
        let own = self.parameters.iter().map(|(name, _)| format!("{}.{name}", OF.key));
        own.chain(named_inside(&*self.nominal)).collect()
    }

    fn drawn(&self, members: usize, key: Key) -> Result<Array2<f64>> {
        let own = self.parameters.len();
        let mut out = Array2::zeros((members, DrawnParameters::names(self).len()));
        for (draw, rows) in self.groups(members, key) {
            let (values, system) = self.draw(draw, self.family(key))?;
            for (column, value) in values.iter().enumerate() {
                out.slice_mut(s![rows.clone(), column]).fill(*value);
            }
            if let Some(inside) = system.drawn_parameters() {
                let values = inside.drawn(rows.len(), key.members_from(rows.start as u64))?;
                out.slice_mut(s![rows, own..]).assign(&values);
            }
        }
        Ok(out)
    }

    fn with(&self, parameters: &[f64]) -> Result<Arc<dyn System>> {
        let (own, behind) = parameters.split_at(self.parameters.len());
        let mut settings = self.settings.clone();
        let given = self.parameters.iter().zip(own);
        settings.extend(given.map(|((name, _), value)| (name.clone(), Value::Float(*value))));
        let system = build(&self.name, &settings).map_err(|mut mistakes| mistakes.swap_remove(0))?;
        match system.drawn_parameters() {
            Some(inside) => inside.with(behind),
            None => Ok(system),
        }
    }
}
