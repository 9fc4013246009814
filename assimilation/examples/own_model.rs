//! A user's own model, any function of a state, in a loop with the ETKF: forecast the members, hand the ensemble and the
//! observations to `Analysis::update`, go on from what comes back. The filter is saved and restored half way.

use ndarray::{Array2, Axis};
use scorecast_assimilation::method::EtKf;
use scorecast_assimilation::observe::{GaussianError, Stride};
use scorecast_assimilation::state::{pack, unpack};
use scorecast_assimilation::{Analysis, Seen};
use scorecast_systems::{Domain, Key, Purpose};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // the model: a wave that moves one cell a step on a ring of 30 cells, steepening a little
    let model = |x: &[f64]| -> Vec<f64> {
        let n = x.len();
        (0..n).map(|i| x[(i + n - 1) % n] - 0.1 * x[i] * (x[i] - x[(i + n - 2) % n])).map(|v| 1.2 * v.tanh()).collect()
    };
    let forecast = |ensemble: &mut Array2<f64>| {
        ensemble.outer_iter_mut().for_each(|mut member| {
            let next = model(&member.to_vec());
            member.iter_mut().zip(next).for_each(|(value, next)| *value = next);
        });
    };
    // each third cell is observed with an error of sd .2
    let error = |values| Ok(Box::new(GaussianError::new(&[0.2], values)?) as Box<_>);
    let operator = Stride::new(30, 3, 0, &error)?;
    let mut filter = EtKf { inflation: 1.05, rotate: false };

    let (hidden, key) = (Key::new(1, Domain::Truth), Key::new(1, Domain::Method));
    let mut truth = hidden.normals(1, 30);
    let mut ensemble = key.normals(20, 30);
    let mut saved = Vec::new();
    for step in 1..=100 {
        forecast(&mut truth);
        forecast(&mut ensemble);
        let noise = hidden.purpose(Purpose::ObservationNoise).at(step as u64).normals(1, 10) * 0.2;
        let values = (truth.slice(ndarray::s![.., ..;3]).to_owned() + noise).remove_axis(Axis(0));
        let seen = Seen { step, time: step as f64, values: values.view(), operator: &operator };
        ensemble = filter.update(ensemble, &seen, key)?.ensemble;
        if step % 20 == 0 {
            let error = &ensemble.sum_axis(Axis(0)) / 20.0 - truth.row(0);
            println!("step {step:3}: rmse {:.4}", (error.dot(&error) / 30.0).sqrt());
        }
        if step == 50 {
            // everything that the filter carries, as bytes; a later process restores it and goes on bit for bit
            saved = pack(step, &ensemble, &filter.state());
        }
    }
    let (step, restored, state) = unpack(&saved)?;
    filter.restore(&state)?;
    println!("restored the filter of step {step}: {} members of {} components", restored.nrows(), restored.ncols());
    Ok(())
}
