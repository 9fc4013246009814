//! The cycle of the iterative smoother: its window, and the sets that multiple assimilation uses again.

use ndarray::Array2;
use scorecast_systems::{Forecaster, Key, Purpose};

use super::IEnKs;
use super::minimise::{Problem, Term};
use super::passes::Pass;
use crate::linalg::{all_finite, anomalies};
use crate::method::inflation::rotation;
use crate::method::window::Window;
use crate::method::{require_dim, require_members, unchanged};
use crate::outcome::{Diagnostics, Outcome, Smoothed};
use crate::problem::{Cycle, Prior, Result, Seen, draw_prior};

/// The iterative smoother as a cycle over its window.
pub struct IEnKsCycle {
    pub(super) method: IEnKs,
    pub(super) members: usize,
    pub(super) window: Window,
    /// Members at the start, `[member, component]`; with `mda` each set in the window has only a part of its weight in them.
    pub(super) start: Array2<f64>,
    /// Members at the start given all sets with their whole weight, where those are others.
    pub(super) whole: Option<Array2<f64>>,
    /// Members at the present, carried from the start.
    pub(super) front: Array2<f64>,
    /// The sets in the window, where they are used again.
    pub(super) passes: Vec<Pass>,
    /// Members at each set in the window, the present among them, where the forecaster has noise.
    pub(super) trail: Vec<Array2<f64>>,
}

/// The members at the start after a set; none where they stay as they are.
#[derive(Default)]
struct Analysed {
    /// Those that the cycle goes on with.
    start: Option<Array2<f64>>,
    /// Those given all sets with their whole weight, where these are others.
    whole: Option<Array2<f64>>,
    diagnostics: Diagnostics,
}

impl IEnKsCycle {
    /// A smoother of `members` members over a window of `lag` sets, at least 1.
    pub fn new(method: IEnKs, members: usize, lag: usize) -> Self {
        let none = || Array2::zeros((0, 0));
        Self {
            method,
            members,
            window: Window::new(lag),
            start: none(),
            whole: None,
            front: none(),
            passes: Vec::new(),
            trail: Vec::new(),
        }
    }

    /// The sets in the window again, each with the weight that `weigh` gives it for the times it has been used; sets
    /// without a value are left out.
    fn terms<'a>(
        passes: &'a [Pass],
        window: &Window,
        seen: &Seen<'a>,
        weigh: impl Fn(usize) -> f64,
    ) -> Result<Vec<Term<'a>>> {
        let mut terms = Vec::with_capacity(passes.len() + 1);
        for ((leg, pass), (_, step)) in passes.iter().enumerate().zip(window.legs()) {
            terms.push(Term { leg, seen: pass.again(step, seen.operator)?, weight: weigh(passes.len() - leg) });
        }
        terms.push(Term { leg: passes.len(), seen: *seen, weight: weigh(0) });
        terms.retain(|term| term.seen.values.iter().any(|value| !value.is_nan()));
        Ok(terms)
    }

    /// What this set makes of the members at the start; `forecast` is what they become at the present.
    fn analyse<'a>(
        &'a self,
        model: &'a dyn Forecaster,
        seen: &Seen<'a>,
        key: Key,
        forecast: &Array2<f64>,
        observed: bool,
    ) -> Result<Analysed> {
        let method = &self.method;
        let (mean, a) = anomalies(self.start.view(), None);
        let noise = key.purpose(Purpose::ProcessNoise);
        let rotation = method.rotate.then(|| rotation(seen, key));
        let mut problem = Problem { model, window: &self.window, noise, mean, anomalies: a, terms: Vec::new() };
        let mut solve = |terms, forecast| -> Result<(Option<Array2<f64>>, Diagnostics)> {
            problem.terms = terms;
            if problem.terms.is_empty() {
                return Ok((None, Diagnostics::new()));
            }
            Ok(match method.minimise(&problem, forecast)? {
                Some(solution) => {
                    let diagnostics = solution.diagnostics.clone();
                    (Some(method.finish(&problem, solution, rotation)), diagnostics)
                }
                None => (None, Diagnostics::new()),
            })
        };
        if !(method.multiple && self.window.lag() > 1) {
            let newest = Term { leg: self.window.len() - 1, seen: *seen, weight: 1.0 };
            let (start, diagnostics) = solve(if observed { vec![newest] } else { Vec::new() }, Some(forecast))?;
            return Ok(Analysed { start, whole: None, diagnostics });
        }
        let share = 1.0 / self.window.lag() as f64;
        let (start, mut diagnostics) = solve(Self::terms(&self.passes, &self.window, seen, |_| share)?, None)?;
        let mut whole = None;
        if observed {
            let left = Self::terms(&self.passes, &self.window, seen, |used| 1.0 - share * used as f64)?;
            (whole, diagnostics) = solve(left, None)?;
        }
        Ok(Analysed { start, whole, diagnostics })
    }
}

impl Cycle for IEnKsCycle {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        self.window.begin(step);
        self.start = draw_prior(prior, self.members, key)?;
        self.whole = None;
        self.front = self.start.clone();
        self.passes.clear();
        self.trail.clear();
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, seen: &Seen, key: Key) -> Result<Outcome> {
        seen.require_gaussian("ienks")?;
        seen.check(self.start.ncols())?;
        require_members(self.start.nrows())?;
        require_dim(self.start.ncols(), model)?;
        let noise = key.purpose(Purpose::ProcessNoise);
        let before = self.window.present();
        self.window.push(seen.step);
        let mut forecast = self.front.clone();
        model.advance(before, self.window.present() - before, &mut forecast, noise)?;
        let observed = seen.values.iter().any(|value| !value.is_nan());
        let finite = all_finite(forecast.view()) && all_finite(self.start.view());
        if finite && self.window.is_noisy(model, &self.start, noise)? {
            return self.step_with_noise(model, seen, key, forecast, observed);
        }
        self.trail.clear();
        let Analysed { start, whole, diagnostics } = if finite {
            // views do not shorten their lifetime by themselves
            let seen = Seen { step: seen.step, time: seen.time, values: seen.values.view(), operator: seen.operator };
            self.analyse(model, &seen, key, &forecast, observed)?
        } else {
            Analysed::default()
        };
        let changed = observed && (whole.is_some() || start.is_some());
        if self.method.multiple {
            self.passes.push(Pass::of(seen));
        }
        // without a value the older sets alone go on, and what is thought of the start stays
        self.start = start.unwrap_or_else(|| std::mem::take(&mut self.start));
        self.whole = whole.or_else(|| self.whole.take());
        let mut outcome = unchanged(forecast);
        let slides = self.window.is_full();
        let best = self.whole.as_ref().unwrap_or(&self.start);
        outcome
            .smoothed
            .extend(self.window.smoothed().filter(|_| slides).map(|step| Smoothed::new(step, best.clone())));
        let first = if changed {
            let (first, front) = self.window.carry(model, best, noise)?;
            outcome.ensemble = front;
            first
        } else {
            self.window.carry_first(model, best, noise)?
        };
        self.front.clone_from(&outcome.ensemble);
        if slides {
            match &mut self.whole {
                Some(whole) => {
                    *whole = first;
                    self.start = self.window.carry_first(model, &self.start, noise)?;
                }
                None => self.start = first,
            }
            self.window.slide();
            if !self.passes.is_empty() {
                self.passes.remove(0);
            }
        }
        outcome.diagnostics = diagnostics;
        Ok(outcome)
    }

    fn finish(&mut self, model: &dyn Forecaster, key: Key) -> Result<Vec<Smoothed>> {
        let mut best = self.whole.take().unwrap_or_else(|| self.start.clone());
        let trail = std::mem::take(&mut self.trail);
        let out = self.window.drain(model, &mut best, trail, key.purpose(Purpose::ProcessNoise))?;
        self.start = best;
        self.front.clone_from(&self.start);
        self.passes.clear();
        Ok(out)
    }

    fn save(&self) -> Vec<u8> {
        self.to_bytes()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        self.set_from_bytes(bytes)
    }
}
