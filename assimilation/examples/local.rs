//! Time of localized analyses on one core: all of a long ring is observed with R = I, each component from 21 values
//! near it, and for comparison the eigenproblem of order 21 alone; then the same of a large torus, on all cores.
//!
//! `cargo run --release --example local` prints the table.

use std::hint::black_box;
use std::time::Instant;

use ndarray::{Array2, Axis};
use scorecast_assimilation::linalg::Eigen;
use scorecast_assimilation::localize::{Layout, Localization, Taper};
use scorecast_assimilation::method::{EaKf, EnSrf, Inflation, LetKf, Serial};
use scorecast_assimilation::observe::{GaussianError, Identity, NoiseLaw};
use scorecast_assimilation::{Analysis, ObservationSet};
use scorecast_systems::{Domain, Key};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const KEY: Key = Key::new(1, Domain::Method);

fn filters(localization: Localization) -> [(&'static str, Box<dyn Analysis>); 3] {
    let setup = Serial { inflation: Inflation::default(), rotate: false, localization: Some(localization) };
    [
        ("letkf", Box::new(LetKf { inflation: Inflation::default(), rotate: false, localization: setup.localization })),
        ("eakf", Box::new(EaKf(setup))),
        ("ensrf", Box::new(EnSrf(setup))),
    ]
}

fn main() -> Result<(), Failure> {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    for members in [10, 24, 40] {
        let eigen = fastest(200, || Eigen::new(covariance(members.min(21)).view()).map(drop))?;
        println!("an eigenproblem of order {}: {:.1} us", members.min(21), eigen * 1e6);
        let ring = Localization { layout: Layout::Ring, taper: Taper::Step, radius: 10.0 };
        for (name, filter) in filters(ring) {
            let seconds = one.install(|| time(filter, members, 4000, 10))?;
            println!("{name} N {members}, 21 values near: {:.2} us for a component", seconds / 4000.0 * 1e6);
        }
    }
    let side = 400;
    let torus = Localization { layout: Layout::Torus { columns: side }, taper: Taper::GaspariCohn, radius: 0.8 };
    for (name, filter) in filters(torus) {
        let seconds = time(filter, 24, side * side, 2)?;
        println!("{name} N 24 on a torus of {side} x {side}, 21 values near: {seconds:.2} s");
    }
    Ok(())
}

/// A covariance with all its eigenvalues apart.
fn covariance(order: usize) -> Array2<f64> {
    let x = KEY.normals(order + 4, order);
    x.t().dot(&x)
}

/// Seconds of the fastest of some analyses.
fn time(mut filter: Box<dyn Analysis>, members: usize, dim: usize, repeats: usize) -> Result<f64, Failure> {
    let error = |dim| Ok(Box::new(GaussianError::new(&[1.0], dim)?) as Box<dyn NoiseLaw>);
    let operator = Identity::new(dim, &error)?;
    let forecast = KEY.normals(members, dim);
    let values = KEY.at(1).normals(1, dim).remove_axis(Axis(0));
    let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
    fastest(repeats, || {
        filter.update(black_box(forecast.clone()), &observed, KEY).map(|outcome| drop(black_box(outcome)))
    })
}

fn fastest<E: Into<Failure>>(repeats: usize, mut run: impl FnMut() -> Result<(), E>) -> Result<f64, Failure> {
    let mut best = f64::INFINITY;
    for _ in 0..repeats {
        let start = Instant::now();
        run().map_err(Into::into)?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}
