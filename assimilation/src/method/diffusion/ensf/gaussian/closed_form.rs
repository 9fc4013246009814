//! The analysis in closed form: the posterior of all components at once, or that of each from the window around it, whose
//! row of the map is all that is taken of it. Components run in parallel, in tasks of a fixed number of them.

use ndarray::{Array1, Array2, ArrayViewMut1, ArrayViewMut2, Axis};
use rayon::prelude::*;

use super::law::EnsembleGaussian;
use super::linear::LinearObservations;
use super::posterior::{Latents, Posterior};
use super::taper::{Pieces, Tapered};
use crate::error::{Error, Result};
use crate::linalg::add_scaled;
use crate::localize::{Localization, Neighbours, Stencil, Taper};
use crate::method::ensemble::local_errors::half_solve;
use crate::observe::ObservationOperator;

/// Components that one task analyses.
const POINTS: usize = 8;

/// The prior, and from which of its components the analysis of each is made.
pub(super) struct ClosedForm<'a> {
    pub prior: Tapered<'a>,
    pub pieces: Pieces,
}

/// What the members are moved by.
#[derive(Clone, Copy)]
pub(super) enum Members<'a> {
    /// Their own anomalies.
    Transported,
    /// Independent noise, `[component, member]`.
    Fresh(&'a [f64]),
}

impl<'a> ClosedForm<'a> {
    /// Of the members of `law`, localized or not, from windows of `window` grid units where that is set.
    ///
    /// # Errors
    /// When the components do not fill the grid.
    pub fn new(law: &'a EnsembleGaussian, local: Option<&Localization>, window: Option<f64>) -> Result<Self> {
        Ok(Self { prior: Tapered::new(law, local)?, pieces: Pieces::new(local, window, law.dim())? })
    }

    /// The components around each, where these are not all.
    pub fn near(&self) -> Option<&Stencil> {
        match &self.pieces {
            Pieces::Whole => None,
            Pieces::Windows { stencil, .. } => Some(stencil),
        }
    }

    /// The values listed in `present` near each component, where windows ask for them.
    ///
    /// # Errors
    /// When the operator does not say where its values sit.
    pub fn neighbours(
        &self,
        local: Option<Localization>,
        operator: &dyn ObservationOperator,
        present: &[usize],
    ) -> Result<Option<Neighbours>> {
        let (Some(local), Pieces::Windows { window, .. }) = (local, &self.pieces) else { return Ok(None) };
        let within = Localization { taper: Taper::Step, radius: *window, ..local };
        within.neighbours(operator, present).map(Some)
    }

    /// m_a, `[component]`.
    pub fn mean(&self, values: &Values) -> Array1<f64> {
        let mut mean = self.prior.law.mean.clone();
        match &self.pieces {
            Pieces::Whole => {
                let (components, mut room) = (self.all(), Workspace::new(mean.len()));
                room.solve(&self.prior, &components, Some(values), None);
                mean.iter_mut().zip(&room.posterior.increment).for_each(|(mean, step)| *mean += step);
            }
            Pieces::Windows { stencil, .. } => {
                let tasks = mean.axis_chunks_iter_mut(Axis(0), POINTS).into_par_iter().enumerate();
                tasks.for_each_init(
                    || Workspace::windowed(stencil),
                    |room, (task, mut means)| {
                        for (point, mean) in (task * POINTS..).zip(&mut means) {
                            let own = room.solve_window(&self.prior, stencil, Some(values), point);
                            *mean += room.posterior.increment[own];
                        }
                    },
                );
            }
        }
        mean
    }

    /// The members of the posterior given `values`, `[member, component]`; those of the prior without.
    ///
    /// # Errors
    /// When an eigenproblem does not converge.
    pub fn members(&self, values: Option<&Values>, members: Members) -> Result<Array2<f64>> {
        let law = self.prior.law;
        let mut out = Array2::zeros(law.means.raw_dim());
        let (source, latents) = match members {
            Members::Transported => (&law.anomalies[..], Latents::Transported),
            Members::Fresh(noise) => (noise, Latents::Fresh),
        };
        let tasks = out.axis_chunks_iter_mut(Axis(1), POINTS).into_par_iter().enumerate();
        let solved = match &self.pieces {
            Pieces::Whole => {
                let (components, mut room) = (self.all(), Workspace::new(law.dim()));
                room.solve(&self.prior, &components, values, None);
                let solved = room.posterior.take_roots(latents);
                let posterior = &room.posterior;
                tasks.for_each_init(
                    || MappedRow::new(law),
                    |row, (task, mut block)| {
                        for (point, column) in (task * POINTS..).zip(block.columns_mut()) {
                            let mean = law.mean[point] + posterior.increment[point];
                            row.take(posterior, latents, point);
                            row.apply(source, &components, mean, column);
                        }
                    },
                );
                solved
            }
            Pieces::Windows { stencil, .. } => {
                let each = tasks.map_init(
                    || (Workspace::windowed(stencil), MappedRow::new(law)),
                    |(room, row), (task, block)| {
                        self.window_members(stencil, values, (room, row), (latents, source), (task * POINTS, block))
                    },
                );
                // not `all`, whose short way out is a matter of chance
                each.reduce(|| true, |a, b| a && b)
            }
        };
        match solved {
            true => Ok(out),
            false => Err(Error::Singular("the eigenvalues of a posterior covariance did not converge".to_owned())),
        }
    }

    fn window_members(
        &self,
        stencil: &Stencil,
        values: Option<&Values>,
        (room, row): (&mut Workspace, &mut MappedRow),
        (latents, source): (Latents, &[f64]),
        (first, mut block): (usize, ArrayViewMut2<f64>),
    ) -> bool {
        let mut solved = true;
        for (point, column) in (first..).zip(block.columns_mut()) {
            let own = room.solve_window(&self.prior, stencil, values, point);
            solved &= room.posterior.take_roots(latents);
            let mean = self.prior.law.mean[point] + room.posterior.increment[own];
            row.resize(room.components.len());
            row.take(&room.posterior, latents, own);
            row.apply(source, &room.components, mean, column);
        }
        solved
    }

    fn all(&self) -> Vec<usize> {
        (0..self.prior.law.dim()).collect()
    }
}

/// Linear observations and, for windows, where they are.
pub(super) struct Values<'a> {
    pub linear: LinearObservations<'a>,
    /// Values near a component, of [`Pieces::Windows`].
    pub neighbours: Option<Neighbours>,
}

/// One row of the map, and what it makes of the members.
struct MappedRow {
    half: Vec<f64>,
    row: Vec<f64>,
    moved: Vec<f64>,
}

impl MappedRow {
    fn new(law: &EnsembleGaussian) -> Self {
        Self { half: vec![0.0; law.dim()], row: vec![0.0; law.dim()], moved: vec![0.0; law.members()] }
    }

    fn resize(&mut self, size: usize) {
        self.half.resize(size, 0.0);
        self.row.resize(size, 0.0);
    }

    fn take(&mut self, posterior: &Posterior, latents: Latents, own: usize) {
        posterior.row(latents, own, &mut self.half, &mut self.row);
    }

    /// mean + row x for each member, with x of `components` in `source`, `[component, member]`.
    fn apply(&mut self, source: &[f64], components: &[usize], mean: f64, column: ArrayViewMut1<f64>) {
        let members = self.moved.len();
        self.moved.fill(mean);
        for (weight, i) in self.row.iter().zip(components) {
            add_scaled(&mut self.moved, *weight, &source[i * members..(i + 1) * members]);
        }
        column.into_iter().zip(&self.moved).for_each(|(value, moved)| *value = *moved);
    }
}

/// The room of one thread.
struct Workspace {
    posterior: Posterior,
    components: Vec<usize>,
    /// Where each component of the state is among `components`; [`ELSEWHERE`] for the others.
    local: Vec<u32>,
    near: Vec<(usize, f64)>,
    /// The rows of H of the values near, `[value, component]`, and their innovations.
    h: Vec<f64>,
    d: Vec<f64>,
    factor: Vec<f64>,
}

const ELSEWHERE: u32 = u32::MAX;

impl Workspace {
    /// For states of `dim` components, all at once.
    fn new(dim: usize) -> Self {
        Self {
            posterior: Posterior::new(dim),
            components: Vec::new(),
            local: vec![ELSEWHERE; dim],
            near: Vec::new(),
            h: Vec::new(),
            d: Vec::new(),
            factor: Vec::new(),
        }
    }

    /// For windows.
    fn windowed(stencil: &Stencil) -> Self {
        let mut size = 0;
        stencil.runs(stencil.grid().dim() / 2, |run, _| size += run.len());
        Self {
            posterior: Posterior::new(size),
            ..Self { local: vec![ELSEWHERE; stencil.grid().dim()], ..Self::new(0) }
        }
    }

    /// The posterior of the components around `point`; says where it is among them.
    fn solve_window(&mut self, prior: &Tapered, stencil: &Stencil, values: Option<&Values>, point: usize) -> usize {
        let mut components = std::mem::take(&mut self.components);
        components.clear();
        stencil.runs(point, |run, weights| {
            components.extend(run.zip(weights).filter(|(_, weight)| **weight > 0.0).map(|(i, _)| i));
        });
        self.solve(prior, &components, values, Some(point));
        let own = components.iter().position(|&i| i == point).unwrap_or_default();
        self.components = components;
        own
    }

    /// The posterior of `components` given the values near `point`, or all of them.
    fn solve(&mut self, prior: &Tapered, components: &[usize], values: Option<&Values>, point: Option<usize>) {
        self.posterior.begin(prior, components);
        let Some(Values { linear, neighbours }) = values else { return };
        match (point, neighbours) {
            (Some(point), Some(neighbours)) => neighbours.near(point, &mut self.near),
            _ => {
                self.near.clear();
                self.near.extend((0..linear.d.len()).map(|value| (value, 1.0)));
            }
        }
        self.gather(linear, components);
        for (value, (h, d)) in self.h.chunks_exact(components.len()).zip(&self.d).enumerate() {
            let r = if linear.errors.is_some() { 1.0 } else { linear.variance[self.near[value].0] };
            self.posterior.observe(h, *d, r);
        }
    }

    /// The rows of H of the values near in `components`, and their innovations; made independent where errors are not.
    fn gather(&mut self, linear: &LinearObservations, components: &[usize]) {
        let w = components.len();
        components.iter().enumerate().for_each(|(at, &i)| self.local[i] = at as u32);
        self.h.clear();
        self.h.resize(self.near.len() * w, 0.0);
        self.d.clear();
        for (row, &(value, _)) in self.h.chunks_exact_mut(w).zip(&self.near) {
            for &(i, slope) in linear.rows.row(value) {
                if let Some(entry) = row.get_mut(self.local[i] as usize) {
                    *entry += slope;
                }
            }
            self.d.push(linear.d[value]);
        }
        components.iter().for_each(|&i| self.local[i] = ELSEWHERE);
        if let Some(errors) = &linear.errors {
            errors.factorize(&self.near, &mut self.factor);
            half_solve(&self.factor, &mut self.h, w);
            half_solve(&self.factor, &mut self.d, 1);
        }
    }
}
