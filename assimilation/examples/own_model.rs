//! A user's own model, any function of a state, in a loop with the ETKF: forecast the members, hand the ensemble and the
//! observations to `Analysis::update`, go on from what comes back. The filter is saved and restored half way.

use ndarray::{Array2, Axis};
use scorecast_assimilation::cycle::Members;
use scorecast_assimilation::method::{EtKf, Inflation};
use scorecast_assimilation::observe::{GaussianError, Stride};
use scorecast_assimilation::{Analysis, ObservationSet};
use scorecast_systems::{Domain, Key, Purpose};

const CELLS: usize = 40;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // the model: advection, damping and forcing on a ring of cells, ten Euler steps of .005 between observations
    let rate = |x: &[f64], i: usize| {
        (x[(i + 1) % CELLS] - x[(i + CELLS - 2) % CELLS]) * x[(i + CELLS - 1) % CELLS] - x[i] + 8.0
    };
    let step_all = |ensemble: &mut Array2<f64>, steps: usize| {
        for mut member in ensemble.outer_iter_mut() {
            for _ in 0..10 * steps {
                let x = member.to_vec();
                member.indexed_iter_mut().for_each(|(i, value)| *value += 0.005 * rate(&x, i));
            }
        }
    };
    // every second cell is observed with an error of sd .5
    let error = |values| Ok(Box::new(GaussianError::new(&[0.5], values)?) as Box<_>);
    let operator = Stride::new(CELLS, 2, 0, &error)?;
    let mut filter = EtKf { inflation: Inflation::factor(1.03), rotate: true };

    let (hidden, key) = (Key::new(1, Domain::Truth), Key::new(1, Domain::Method));
    let mut truth = hidden.normals(1, CELLS);
    step_all(&mut truth, 200);
    let mut ensemble = &truth + &key.normals(28, CELLS);
    for step in 1..=400 {
        step_all(&mut truth, 1);
        step_all(&mut ensemble, 1);
        let noise = hidden.purpose(Purpose::ObservationNoise).at(step as u64).normals(1, CELLS / 2) * 0.5;
        let values = (truth.slice(ndarray::s![.., ..;2]).to_owned() + noise).remove_axis(Axis(0));
        let observed = ObservationSet { step, time: 0.05 * step as f64, values: values.view(), operator: &operator };
        let outcome = filter.update(ensemble, &observed, key)?;
        if step % 50 == 0 {
            let (error, spread) = (outcome.mean() - truth.row(0), outcome.variance().mean().unwrap_or(0.0).sqrt());
            println!("step {step:3}: rmse {:.3}, spread {spread:.3}", (error.dot(&error) / CELLS as f64).sqrt());
        }
        ensemble = outcome.ensemble;
        if step == 200 {
            // all that the filter carries, as bytes; whoever restores them goes on bit for bit
            let saved = Members { step, ensemble }.pack(&filter);
            filter = EtKf { inflation: Inflation::factor(1.03), rotate: true };
            ensemble = Members::unpack(&saved, &mut filter)?.ensemble;
            println!("saved {} bytes and restored them", saved.len());
        }
    }
    Ok(())
}
