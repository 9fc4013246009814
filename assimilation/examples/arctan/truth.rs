//! A truth of Lorenz-96 that may jump: after each cycle, with a probability, it is moved by Gaussian noise of a share of
//! its own root mean square, which no model knows.

use ndarray::{Array1, Array2, ArrayView1, Axis};
use scorecast_assimilation::ObservationOperator;
use scorecast_systems::catalogue::build;
use scorecast_systems::{Forecaster, Key, Purpose, Stepping, Value};

use crate::{EVERY, Failure};

/// Probabilities of the jumps after a cycle, and their sizes.
const JUMPS: [(f64, f64); 3] = [(0.005, 0.5), (0.01, 0.2), (0.02, 0.05)];

/// Lead steps before the first cycle.
const SPIN_UP: usize = 2000;

/// The hidden state.
pub struct Truth {
    model: Box<dyn Forecaster>,
    /// `[1, component]`.
    state: Array2<f64>,
    key: Key,
    /// Whether it jumps, and the cycle after which a jump of .5 is certain.
    jumping: Option<Option<usize>>,
    /// The jumps so far: the cycle before each, and its size.
    jumps: Vec<(usize, f64)>,
}

impl Truth {
    /// After its spin-up.
    pub fn new(dim: usize, key: Key, jumping: Option<Option<usize>>) -> Result<Self, Failure> {
        let given = [("dim".to_owned(), Value::Int(dim as i64))].into_iter().collect();
        let stepping = Stepping { dt: 0.01, substeps: 1, integrator: "rk4".to_owned() };
        let system = build("lorenz96", &given).map_err(|mistakes| format!("{mistakes:?}"))?;
        let model = system.forecaster(&stepping)?;
        let mut state = key.normals(1, dim) * 3.6 + 2.3;
        model.advance(0, SPIN_UP, &mut state, key)?;
        Ok(Self { model, state, key, jumping, jumps: Vec::new() })
    }

    /// What the filters forecast with.
    pub fn model(&self) -> &dyn Forecaster {
        &*self.model
    }

    /// The state of now, `[component]`.
    pub fn state(&self) -> ArrayView1<'_, f64> {
        self.state.row(0)
    }

    /// The jumps so far: the cycle before each, and its size.
    pub fn jumps(&self) -> &[(usize, f64)] {
        &self.jumps
    }

    /// Goes on to `cycle` and observes.
    pub fn observe(&mut self, cycle: usize, operator: &dyn ObservationOperator) -> Result<Array1<f64>, Failure> {
        self.model.advance((cycle - 1) * EVERY, EVERY, &mut self.state, self.key)?;
        let key = self.key.purpose(Purpose::ObservationNoise).at(cycle as u64);
        let h = operator.apply(0.01 * (cycle * EVERY) as f64, self.state.view());
        Ok(operator.error().observe(h.view(), key).remove_axis(Axis(0)))
    }

    /// Jumps if chance will have it.
    pub fn jump_after(&mut self, cycle: usize) {
        let Some(certain) = self.jumping else { return };
        for (number, (probability, size)) in JUMPS.into_iter().enumerate() {
            let mut stream = self.key.purpose(Purpose::Perturbation).at(cycle as u64).stream(number as u64);
            let by_chance = stream.uniform() < probability;
            if by_chance || (number == 0 && certain == Some(cycle)) {
                let scale = size * (self.state.mapv(|x| x * x).sum() / self.state.len() as f64).sqrt();
                self.state.iter_mut().for_each(|x| *x += scale * stream.normal());
                self.jumps.push((cycle, size));
            }
        }
    }
}
