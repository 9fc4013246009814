//! The forcing of Lorenz-96 is unknown: the state becomes [x, ln F], each member is advanced with its own forcing, and the
//! ETKF estimates both from noisy observations of x. The estimate is printed beside the truth.

use ndarray::{Array2, Axis};
use scorecast_assimilation::augment::{Augmented, OfState, Parameter, augmented_prior};
use scorecast_assimilation::method::{EtKf, Inflation};
use scorecast_assimilation::observe::{GaussianError, Stride};
use scorecast_assimilation::{AnalysisCycle, Cycle, ObservationOperator, ObservationSet, Prior};
use scorecast_systems::{Domain, Key, Purpose, Stepping, Value, catalogue};

const CELLS: usize = 40;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (hidden, key, truth) = (Key::new(1, Domain::Truth), Key::new(1, Domain::Method), 9.2);
    let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
    let settings = [("forcing".to_owned(), Value::Float(truth))].into();
    let nature = catalogue::build("lorenz96", &settings).map_err(|mut e| e.swap_remove(0))?.forecaster(&stepping)?;
    let mut x = hidden.normals(1, CELLS) + 2.0;
    nature.advance(0, 400, &mut x, hidden)?;

    // what is known of F before: 8, give or take 20 %
    let forcing = vec![Parameter::log("forcing", 8.0, 0.2)];
    let around = Prior::Gaussian { mean: x.row(0).to_owned() + 0.5, covariance: Array2::eye(CELLS) };
    let prior = augmented_prior(&around, &forcing, key)?;
    let model = Augmented::system("lorenz96", &[].into(), &stepping, forcing)?;
    let every_second = Stride::new(CELLS, 2, 0, &|values| Ok(Box::new(GaussianError::new(&[1.0], values)?)))?;
    let operator = OfState::new(&every_second, 1);
    let mut filter = AnalysisCycle::new(Box::new(EtKf { inflation: Inflation::factor(1.02), rotate: false }), 60);
    filter.start(&prior, 0, key)?;
    for step in 1..=300 {
        nature.advance(step, 1, &mut x, hidden)?;
        let noise = operator.error().sample(1, hidden.purpose(Purpose::ObservationNoise).at(step as u64));
        let y = (every_second.apply(0.0, x.view()) + noise).remove_axis(Axis(0));
        let observed = ObservationSet { step, time: 0.05 * step as f64, values: y.view(), operator: &operator };
        let outcome = filter.step(&model, &observed, key)?;
        if step % 50 == 0 {
            let (u, sd) = Parameter::estimate(&outcome.ensemble, None, CELLS);
            println!(
                "step {step:3}: F = {:.3}, from {:.3} to {:.3}; truth {truth}",
                u.exp(),
                (u - sd).exp(),
                (u + sd).exp()
            );
        }
    }
    Ok(())
}
