//! Time of one analysis on one core at the size of Lorenz-96, and of whole cycles with their rmse: n = p = 40, R = I.
//!
//! The setting of Sakov and Oke 2008 (F = 8, dt .05, every component observed at every step); `cargo run --release
//! --example speed` prints the table.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use ndarray::Axis;
use scorecast_assimilation::method::{EnKf, EtKf, Inflation};
use scorecast_assimilation::observe::{GaussianError, Identity, NoiseLaw};
use scorecast_assimilation::{Analysis, AnalysisCycle, Cycle, ObservationSet, Prior};
use scorecast_systems::catalogue::SYSTEMS;
use scorecast_systems::registry::find;
use scorecast_systems::{Domain, Key, Purpose, Settings, Stepping, Value};

type Failure = Box<dyn std::error::Error>;

const CYCLES: usize = 3000;
const BURN_IN: usize = 400;
/// Cycles that are timed together; the fastest block counts, so that a busy machine does not.
const BLOCK: usize = 50;

fn filters() -> [(&'static str, usize, Box<dyn Analysis>); 5] {
    [
        ("etkf inflation 1.013 rotated", 24, Box::new(EtKf { inflation: Inflation::factor(1.013), rotate: true })),
        ("etkf inflation 1.013", 24, Box::new(EtKf { inflation: Inflation::factor(1.013), rotate: false })),
        ("etkf inflation 1.01 rotated", 40, Box::new(EtKf { inflation: Inflation::factor(1.01), rotate: true })),
        ("enkf inflation 1.06", 40, Box::new(EnKf { inflation: Inflation::factor(1.06) })),
        ("enkf inflation 1.06", 24, Box::new(EnKf { inflation: Inflation::factor(1.06) })),
    ]
}

fn main() -> Result<(), Failure> {
    let error = |dim| Ok(Box::new(GaussianError::new(&[1.0], dim)?) as Box<dyn NoiseLaw>);
    let operator = Identity::new(40, &error)?;
    for (name, members, mut filter) in filters() {
        let key = Key::new(1, Domain::Method);
        let forecast = key.normals(members, 40) * 0.3;
        let values = key.at(1).normals(1, 40).remove_axis(Axis(0));
        let mut best = f64::INFINITY;
        for repeat in 0..30 {
            let start = Instant::now();
            for step in 0..50 {
                let observed =
                    ObservationSet { step: 50 * repeat + step, time: 0.0, values: values.view(), operator: &operator };
                black_box(filter.update(black_box(forecast.clone()), &observed, key)?);
            }
            best = best.min(start.elapsed().as_secs_f64() / 50.0);
        }
        let (rmse, cycle) = with_known_truth(filter, members, &operator)?;
        println!("{name:30} N {members}: analysis {:.1} us, cycle {:.1} us, rmse {rmse:.4}", best * 1e6, cycle * 1e6);
    }
    Ok(())
}

/// A twin experiment on Lorenz-96: mean analysis rmse after the burn-in, and the seconds of forecast and analysis a cycle, of the fastest block.
fn with_known_truth(analysis: Box<dyn Analysis>, members: usize, operator: &Identity) -> Result<(f64, f64), Failure> {
    let entry = find(SYSTEMS, "system", "lorenz96")?;
    let given = BTreeMap::from([("noise".to_owned(), Value::Float(0.0))]);
    let settings = Settings::check("system `lorenz96`", entry.params, &given).map_err(|mut all| all.remove(0))?;
    let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
    let system = (entry.build.make)(&settings)?;
    let (hidden, key) = (Key::new(3000, Domain::Truth), Key::new(3000, Domain::Method));
    let mut truth = system.initial(1, hidden);
    let model = system.forecaster(&stepping)?;
    model.advance(0, 1000, &mut truth, hidden)?;
    // as published: members near the truth, which a filter of 24 members needs to lock on
    let draws = &truth + &(key.normals(members, 40) * 0.001f64.sqrt());
    let mut filter = AnalysisCycle::new(analysis, members);
    filter.start(&Prior::Ensemble(draws), 0, key)?;
    let (mut sum, mut seconds, mut best) = (0.0, 0.0, f64::INFINITY);
    for step in 1..=CYCLES {
        model.advance(step - 1, 1, &mut truth, hidden)?;
        let values =
            (&truth + &hidden.purpose(Purpose::ObservationNoise).at(step as u64).normals(1, 40)).remove_axis(Axis(0));
        let observed = ObservationSet { step, time: 0.05 * step as f64, values: values.view(), operator };
        let start = Instant::now();
        let outcome = filter.step(&*model, &observed, key)?;
        seconds += start.elapsed().as_secs_f64();
        if step % BLOCK == 0 {
            best = best.min(std::mem::take(&mut seconds) / BLOCK as f64);
        }
        if step > BURN_IN {
            let error = outcome.mean() - truth.row(0);
            sum += (error.dot(&error) / 40.0).sqrt();
        }
    }
    Ok((sum / (CYCLES - BURN_IN) as f64, best))
}
