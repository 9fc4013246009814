//! The local ensemble transform Kalman filter (Hunt, Kostelich and Szunyogh 2007): the transform of
//! [`etkf`](super::EtKf) at each component from the observations near it, the variance of each divided by its weight
//! (R-localization), with the symmetric square root. Where errors are correlated those near a component have
//! the rows and columns of R that are theirs, with the variances divided by the weights, which is factorized at each component.
//!
//! With a the anomalies of one component, `[member]`, Z the scaled predicted anomalies of the local observations times
//! the roots of their weights, one column an observation, and d their scaled innovations likewise:
//! mean <- mean + a^T (I + Z Z^T)^-1 Z d / sqrt(N - 1), a <- (I + Z Z^T)^-1/2 a. Two vectors are all that is needed of
//! each local matrix, so that no eigenproblem is solved ([`InverseRoot`]). Where fewer observations than members are
//! near, with b = Z^T a: a^T (I + Z Z^T)^-1 Z d = b^T (I + Z^T Z)^-1 d, and (I + Z Z^T)^-1/2 a = a - Z g(Z^T Z) b,
//! g(l) = 1 / (s (1 + s)), s = sqrt(1 + l), of the order of the observations.
//!
//! Components are independent of each other and run in parallel. Beside the forecast and the analysis there is one array
//! of the size of the predicted observations; an analysis in place has that beside the ensemble alone.

use ndarray::{Array1, Array2, ArrayView2};
use scorecast_systems::{Entry, Key, Settings};

use crate::ensemble::is_wider;
use crate::error::Result;
use crate::linalg::{InverseRoot, Root, add_scaled, dot};
use crate::localize::{LOCALIZATION, Localization};
use crate::method::around::ENSEMBLE;
use crate::method::around::inflation::Inflation;
use crate::method::build::MethodBuild;
use crate::method::ensemble::by_component::{copy, in_place};
use crate::method::ensemble::etkf::{self, EtKf, ROTATE};
use crate::method::ensemble::local_observations::{Gathered, LocalObservations};
use crate::method::memory;
use crate::method::shared::join;
use crate::observations::ObservationSet;
use crate::outcome::Outcome;
use crate::problem::Analysis;

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "letkf",
    about: "local ensemble transform Kalman filter: the etkf of each component from the observations near it",
    reference: "Hunt, Kostelich and Szunyogh 2007",
    params: &join::<{ ENSEMBLE.len() + LOCALIZATION.len() + 1 }>(&[ENSEMBLE, LOCALIZATION, &[ROTATE]]),
    build: MethodBuild::new(&[], |settings: &Settings| {
        let localization = Localization::from_settings(settings)?;
        let (inflation, rotate) = (Inflation::new(settings), settings.flag(ROTATE.key));
        crate::method::around::cycle(LetKf { inflation, rotate, localization }, settings)
    })
    .holding(memory::of_transform),
};

/// The deterministic filter with local transforms.
#[derive(Clone, Debug)]
pub struct LetKf {
    /// What is done to the analysis ensemble.
    pub inflation: Inflation,
    /// Whether to rotate the anomalies at random after each analysis; costs 2 N^2 n operations.
    pub rotate: bool,
    /// How it localizes; none makes it the filter [`EtKf`].
    pub localization: Option<Localization>,
}

impl LetKf {
    /// The filter without localization, where none is set.
    fn global(&self) -> EtKf {
        EtKf { inflation: self.inflation, rotate: self.rotate }
    }

    /// The localization that is set.
    fn local(&self, observed: &ObservationSet) -> Result<Option<Localization>> {
        observed.require_gaussian("letkf")?;
        Ok(self.localization.filter(|local| local.radius.is_finite()))
    }

    /// What is near; none where there is nothing to analyse. Later there are no errors.
    fn local_observations<'a>(
        localization: &Localization,
        forecast: ArrayView2<f64>,
        observed: &ObservationSet<'a>,
    ) -> Result<Option<LocalObservations<'a>>> {
        crate::problem::require_members(forecast.nrows())?;
        LocalObservations::new(localization, forecast, observed)
    }

    /// Turns the members of the forecast into those of the analysis.
    fn analyse(
        &self,
        local_observations: &LocalObservations,
        ensemble: &mut Array2<f64>,
        observed: &ObservationSet,
        key: Key,
    ) {
        let room = || Local::new(local_observations.members);
        let update = |local: &mut Local, point, a: &mut [f64]| local.analyse(local_observations, point, a);
        in_place((self.inflation, self.rotate), ensemble, (observed, key), room, update);
    }
}

impl Analysis for LetKf {
    fn name(&self) -> &'static str {
        "letkf"
    }

    fn update(&mut self, forecast: Array2<f64>, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        let Some(localization) = self.local(observed)? else { return self.global().update(forecast, observed, key) };
        // before there is a copy, so that what it takes to make the network is not held beside it
        let Some(local_observations) = Self::local_observations(&localization, forecast.view(), observed)? else {
            return Ok(Outcome::unchanged(forecast));
        };
        let mut ensemble = copy(forecast.view());
        self.analyse(&local_observations, &mut ensemble, observed, key);
        Ok(Outcome::new(forecast, ensemble))
    }

    fn update_in_place(&mut self, ensemble: &mut Array2<f64>, observed: &ObservationSet, key: Key) -> Result<()> {
        let Some(localization) = self.local(observed)? else {
            return self.global().update_in_place(ensemble, observed, key);
        };
        if let Some(local_observations) = Self::local_observations(&localization, ensemble.view(), observed)? {
            self.analyse(&local_observations, ensemble, observed, key);
        }
        Ok(())
    }
}

/// The room of one thread.
struct Local {
    near: Gathered,
    s: Vec<f64>,
    b: Vec<f64>,
    root: Vec<f64>,
    inverse: Vec<f64>,
    solver: InverseRoot,
}

impl Local {
    fn new(members: usize) -> Self {
        let zeros = || vec![0.0; members];
        Self {
            near: Gathered::default(),
            s: vec![0.0; members * members],
            b: zeros(),
            root: zeros(),
            inverse: zeros(),
            solver: InverseRoot::new(members),
        }
    }

    /// Turns the anomalies of component `point` in `a` into analysis anomalies; returns the step of its mean.
    fn analyse(&mut self, local_observations: &LocalObservations, point: usize, a: &mut [f64]) -> f64 {
        local_observations.gather(point, &mut self.near);
        let step = match self.near.d.len() {
            0 => 0.0,
            near if near < local_observations.members => self.by_observations(a),
            _ if self.is_wide(a.len()) => self.by_singular_values(a),
            _ => self.by_members(a),
        };
        step / (local_observations.members as f64 - 1.0).sqrt()
    }

    /// Whether a product of Z with itself would lose the digits of R.
    fn is_wide(&self, members: usize) -> bool {
        self.near.z.chunks_exact(members).any(|row| is_wider(dot(row, row), 1.0))
    }

    /// The transform from the singular values of Z, NaN where these do not converge; returns a^T (I + Z Z^T)^-1 Z d.
    fn by_singular_values(&mut self, a: &mut [f64]) -> f64 {
        let (members, near) = (a.len(), self.near.d.len());
        let z = ArrayView2::from_shape((near, members), &self.near.z).map(|z| z.t().to_owned()).unwrap_or_default();
        let one = Array2::from_shape_fn((members, 1), |(j, _)| a[j]);
        match etkf::by_singular_values(&one, &z, &Array1::from(self.near.d.clone())) {
            Ok((step, transformed)) => {
                a.iter_mut().zip(&transformed).for_each(|(a, value)| *a = *value);
                step[0]
            }
            Err(_) => f64::NAN,
        }
    }

    /// The transform from Z^T Z; returns a^T (I + Z Z^T)^-1 Z d.
    fn by_observations(&mut self, a: &mut [f64]) -> f64 {
        let (members, near) = (a.len(), self.near.d.len());
        let (s, b) = (&mut self.s[..near * near], &mut self.b[..near]);
        let (root, inverse) = (&mut self.root[..near], &mut self.inverse[..near]);
        for (i, row) in self.near.z.chunks_exact(members).enumerate() {
            b[i] = dot(row, a);
            for (j, other) in self.near.z.chunks_exact(members).take(i + 1).enumerate() {
                let product = dot(row, other);
                (s[i * near + j], s[j * near + i]) = (product, product);
            }
        }
        // the diagonal has what `is_wide` asks for
        if (0..near).any(|i| is_wider(s[i * near + i], 1.0)) {
            return self.by_singular_values(a);
        }
        self.solver.solve(Root::Step, s, b, root, inverse);
        for (row, step) in self.near.z.chunks_exact(members).zip(root.iter()) {
            add_scaled(a, -step, row);
        }
        dot(inverse, &self.near.d)
    }

    /// The transform from Z Z^T; returns a^T (I + Z Z^T)^-1 Z d.
    fn by_members(&mut self, a: &mut [f64]) -> f64 {
        let members = a.len();
        self.s.fill(0.0);
        for row in self.near.z.chunks_exact(members) {
            for (i, (s, z)) in self.s.chunks_exact_mut(members).zip(row).enumerate() {
                add_scaled(&mut s[i..], *z, &row[i..]);
            }
        }
        for i in 1..members {
            (0..i).for_each(|j| self.s[i * members + j] = self.s[j * members + i]);
        }
        self.solver.solve(Root::Whole, &self.s, a, &mut self.root, &mut self.inverse);
        a.copy_from_slice(&self.root);
        self.near.z.chunks_exact(members).zip(&self.near.d).map(|(row, d)| d * dot(row, &self.inverse)).sum()
    }
}
