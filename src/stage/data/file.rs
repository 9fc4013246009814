//! Trajectories as a file.

use std::path::Path;

use ndarray::{Array3, ArrayView2, ArrayView3, s};

use super::split::{SplitParameters, SplitTrajectories};
use crate::failure::Result;
use crate::spec::Plan;
use crate::stage::output::origin;
use crate::store::States;
use crate::store::netcdf::{self, About, Outline, SplitPart};

/// Bytes of states that are held to be written.
const BLOCK: u64 = 16 << 20;

/// Writes all trajectories in the order train, valid, test, with the part of each.
///
/// # Errors
/// When the system refuses.
pub fn write_trajectories(path: &Path, data: &SplitTrajectories, plan: &Plan) -> Result<()> {
    let [train, valid, test] = [&data.train, &data.valid, &data.test].map(States::view);
    let (counts, (_, times, components)) = ([&train, &valid, &test].map(|part| part.dim().0), train.dim());
    let cases: Vec<ArrayView2<f64>> = [train, valid, test].into_iter().flat_map(ArrayView3::into_outer_iter).collect();
    let about = About {
        shape: [cases.len(), times, components],
        outline: Outline {
            time: Some(data.times(0..times, plan.data.stepping.dt)),
            unit: data.unit.clone(),
            space: vec![components],
            geometry: Some(data.geometry),
        },
        split: Some(SplitPart::of_counts(counts)),
        parameters: data.parameters.as_ref().map(SplitParameters::joined),
        wording: data.wording.clone(),
    };
    netcdf::write_trajectory_blocks(path, &about, &origin(plan, "trajectories")?, BLOCK, |(own, times)| {
        let mut block = Array3::zeros((own.len(), times.len(), components));
        for (mut to, from) in block.outer_iter_mut().zip(&cases[own]) {
            to.assign(&from.slice(s![times.clone(), ..]));
        }
        Ok(block)
    })
}
