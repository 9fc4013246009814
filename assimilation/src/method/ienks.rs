//! The iterative ensemble Kalman smoother (Bocquet and Sakov 2012, 2013, 2014; Bocquet 2016); of lag 1 it is the iterative
//! ensemble Kalman filter (Sakov, Oliver and Bertino 2012).
//!
//! The state at the start of a window of `lag` sets is x_0 = mean + A^T w / sqrt(N - 1), w ~ N(0, I), with the anomalies A of
//! the members there. The newest set y is that of x_k = M(x_0): J(w) = |y - h(M(x_0))|^2_{R^-1} / 2 + |w|^2 / 2 is minimised by
//! Gauss-Newton's steps ([`descent`]); members at the start become mean + (w / sqrt(N - 1) + T) A with
//! T = (I + Z Z^T)^-1/2, inflated, and are carried to the present by the forecaster. Z, the derivative of the scaled
//! predictions in w, comes from members around the present iterate:
//! - `transform`: of anomalies T A, with the T of the step before; Z = T^-1 R^-1/2 Y / sqrt(N - 1) (a secant over the spread
//!   of the posterior);
//! - `bundle`: of anomalies e A, e = 1e-4; Z = R^-1/2 Y / (e sqrt(N - 1)) (a tangent).
//!
//! One step of `transform` in a window of one set is the smoother of `etkf`. A set has the innovation y - mean h over these
//! members. Multiple assimilation (`mda`) uses each set `lag` times as it goes through the window, with weight 1 / lag
//! (its R times lag), which makes each step smaller; what is given as the ensemble, and as the smoothed start, comes from a
//! second minimisation, of the whole weight that each set has left, so that nothing is counted less than once
//! (Bocquet and Sakov 2014, their balancing step). Where all is linear it changes nothing.
//!
//! The forecaster is taken as perfect: its noise, if it has any, is the same draw for each member in every iteration (a
//! lead step draws from its own address), and is not updated. Then a member's image does not tell start from noise, so
//! only the first step of `transform` is taken and the anomalies count the noise as spread.

mod descent;
mod passes;

use ndarray::{Array1, Array2, Axis, concatenate};
use scorecast_systems::registry::Default;
use scorecast_systems::{Entry, Forecaster, Key, Kind, Param, Purpose, Settings};

use self::descent::Descent;
use self::passes::Pass;
use super::etkf::{ROTATE, rotation, scaled};
use super::inflation::{Inflation, RTPP, RTPS};
use super::window::{LAG, Window};
use super::{Build, INFLATION, MEMBERS, require_members, step_law, unchanged};
use crate::linalg::{all_finite, anomalies, rotate_anomalies};
use crate::outcome::{Diagnostics, Outcome, Smoothed};
use crate::problem::{Cycle, Error, Prior, Result, Seen, draw_prior};
use crate::state::{pack, unpack};

pub(super) const ENTRY: Entry<Build> = Entry {
    name: "ienks",
    about: "iterative ensemble Kalman smoother: Gauss-Newton over the members of a window's start",
    reference: "Bocquet and Sakov 2014; Sakov et al. 2012",
    params: &[
        MEMBERS,
        INFLATION,
        RTPP,
        RTPS,
        ROTATE,
        LAG,
        Param {
            key: "iterations",
            kind: Kind::Int { min: 1, max: i64::MAX },
            default: Default::Int(10),
            about: "Gauss-Newton steps at most",
        },
        Param {
            key: "tolerance",
            kind: Kind::Float { min: 0.0, max: f64::INFINITY },
            default: Default::Float(1e-3),
            about: "length of a step, in standard deviations of the prior, that ends the iteration",
        },
        Param {
            key: "linearization",
            kind: Kind::Choice(&["transform", "bundle"]),
            default: Default::Text("transform"),
            about: "derivative from members as wide as the posterior (transform) or very near each other (bundle)",
        },
        Param {
            key: "mda",
            kind: Kind::Bool,
            default: Default::Bool(false),
            about: "use each set `lag` times with 1/lag of its weight (multiple data assimilation)",
        },
        Param {
            key: "finite_size",
            kind: Kind::Float { min: f64::MIN_POSITIVE, max: f64::INFINITY },
            default: Default::Unset,
            about: "finite-size form, which needs no inflation: certainty of the spread, 1 is N members'; unset is off",
        },
    ],
    build: |settings: &Settings| {
        let [multiplicative, rtpp, rtps] = ["inflation", "rtpp", "rtps"].map(|key| settings.number(key));
        let bundle = settings.text("linearization") == "bundle";
        let method = IEnKs {
            inflation: Inflation { multiplicative, rtpp, rtps, ..Inflation::default() },
            rotate: settings.flag("rotate"),
            iterations: settings.count("iterations"),
            tolerance: settings.number("tolerance"),
            linearization: if bundle { Linearization::Bundle } else { Linearization::Transform },
            multiple: settings.flag("mda"),
            finite_size: settings.optional_number("finite_size"),
        };
        Ok(Box::new(IEnKsCycle::new(method, settings.count("members"), settings.count("lag"))))
    },
};

/// Where the derivative of the predictions comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linearization {
    /// Members of the spread of the posterior.
    Transform,
    /// Members very near each other.
    Bundle,
}

/// The anomalies of a bundle, in those of the prior.
const EPSILON: f64 = 1e-4;

/// The rules of the iterative smoother.
#[derive(Clone, Debug)]
pub struct IEnKs {
    /// What is done to the anomalies at the window's start after the last step.
    pub inflation: Inflation,
    /// Whether to rotate those anomalies at random.
    pub rotate: bool,
    /// Gauss-Newton steps at most, at least 1.
    pub iterations: usize,
    /// Length of a step, in standard deviations of the prior, that ends the iteration.
    pub tolerance: f64,
    /// Where the derivative comes from.
    pub linearization: Linearization,
    /// Whether each set is used `lag` times.
    pub multiple: bool,
    /// Certainty of the spread in the finite-size form; none is the Gaussian form.
    pub finite_size: Option<f64>,
}

/// A set of observations at the end of a leg of the window, and its weight.
struct Term<'a> {
    leg: usize,
    seen: Seen<'a>,
    weight: f64,
}

/// One minimisation.
struct Problem<'a> {
    model: &'a dyn Forecaster,
    window: &'a Window,
    noise: Key,
    /// At the start, `[component]`.
    mean: Array1<f64>,
    /// At the start, `[member, component]`.
    anomalies: Array2<f64>,
    /// In the order of the legs; each has a value.
    terms: Vec<Term<'a>>,
}

impl Problem<'_> {
    /// Members around mean + A^T w / sqrt(N - 1), of anomalies T A.
    fn members(&self, w: &Array1<f64>, spread: Array2<f64>) -> Array2<f64> {
        spread + &(&self.mean + &(w.dot(&self.anomalies) / (w.len() as f64 - 1.0).sqrt()))
    }

    /// R^-1/2 Y / sqrt(N - 1) (`[member, present]`) and R^-1/2 (y - mean h) (`[present]`) of all terms, of members at the
    /// start, or those of the last leg at the present; none where they are not finite.
    fn predict(&self, mut x: Array2<f64>, from_present: bool) -> Result<Option<(Array2<f64>, Array1<f64>)>> {
        let (mut blocks, mut innovations) = (Vec::new(), Vec::new());
        let mut terms = self.terms.iter().peekable();
        for (leg, (from, to)) in self.window.legs().enumerate() {
            if !from_present {
                self.model.advance(from, to - from, &mut x, self.noise)?;
            }
            while let Some(term) = terms.next_if(|term| term.leg == leg) {
                let (mut z, mut d) = scaled(term.seen.restrict(x.view())?.whiten());
                if term.weight != 1.0 {
                    z *= term.weight.sqrt();
                    d *= term.weight.sqrt();
                }
                blocks.push(z);
                innovations.push(d);
            }
        }
        let (z, d) = match (blocks.len(), innovations.len()) {
            (1, 1) => (blocks.remove(0), innovations.remove(0)),
            _ => {
                let z: Vec<_> = blocks.iter().map(|z| z.view()).collect();
                let d: Vec<_> = innovations.iter().map(|d| d.view()).collect();
                let shapes = |_| Error::Shape("the sets of a window have different numbers of members".to_owned());
                (concatenate(Axis(1), &z).map_err(shapes)?, concatenate(Axis(0), &d).map_err(shapes)?)
            }
        };
        Ok((all_finite(z.view()) && d.iter().all(|value| value.is_finite())).then_some((z, d)))
    }
}

/// Where a minimisation ended.
struct Solution {
    /// w, `[member]`.
    weights: Array1<f64>,
    /// T A, `[member, component]`.
    anomalies: Array2<f64>,
    diagnostics: Diagnostics,
}

impl IEnKs {
    /// The minimum; `forecast` is what the members at the start become at the present, where that is known. None where
    /// the first iterate has diverged.
    fn minimise(&self, problem: &Problem, forecast: Option<&Array2<f64>>) -> Result<Option<Solution>> {
        let members = problem.anomalies.nrows();
        let deterministic = step_law::is_deterministic(
            problem.model,
            problem.window.start(),
            problem.mean.view(),
            problem.noise,
        )?;
        let bundle = self.linearization == Linearization::Bundle;
        if bundle && !deterministic {
            return Err(Error::Unsupported(
                "method `ienks` cannot take a bundle's derivative through a forecaster with noise; set linearization to \
                 \"transform\""
                    .to_owned(),
            ));
        }
        let iterations = if deterministic { self.iterations } else { 1 };
        let mut weights = Array1::zeros(members);
        let mut last: Option<Descent> = None;
        let (mut taken, mut length) = (0, f64::INFINITY);
        while taken < iterations && length > self.tolerance {
            let known = forecast.filter(|_| taken == 0 && !bundle);
            let x = match (known, &last) {
                (Some(present), _) => present.clone(),
                (None, Some(descent)) if !bundle => problem.members(&weights, descent.transform().dot(&problem.anomalies)),
                (None, _) if bundle => problem.members(&weights, EPSILON * &problem.anomalies),
                (None, _) => problem.members(&weights, problem.anomalies.clone()),
            };
            let Some((mut z, d)) = problem.predict(x, known.is_some())? else {
                break;
            };
            if bundle {
                z /= EPSILON;
            } else if let Some(descent) = &last {
                z = descent.inverse().dot(&z);
            }
            let descent = Descent::new(&z, &d, &weights, self.finite_size)?;
            weights += &descent.step;
            length = descent.step.dot(&descent.step).sqrt();
            last = Some(descent);
            taken += 1;
        }
        Ok(last.map(|descent| {
            let mut diagnostics = Diagnostics::from([("steps", taken as f64), ("last_step", length)]);
            if self.finite_size.is_some() {
                diagnostics.insert("inflation", 1.0 / descent.g.sqrt());
            }
            Solution { weights, anomalies: descent.transform().dot(&problem.anomalies), diagnostics }
        }))
    }

    /// Members at the start after the analysis.
    fn finish(&self, problem: &Problem, mut solution: Solution, rotation: Option<Key>) -> Array2<f64> {
        if let Some(key) = rotation {
            rotate_anomalies(solution.anomalies.view_mut(), key);
        }
        self.inflation.spread(&problem.anomalies, &mut solution.anomalies);
        problem.members(&solution.weights, solution.anomalies)
    }
}

/// The iterative smoother as a cycle over its window.
pub struct IEnKsCycle {
    method: IEnKs,
    members: usize,
    window: Window,
    /// Members at the start, `[member, component]`; with `mda` each set in the window has only a part of its weight in them.
    start: Array2<f64>,
    /// Members at the start given all sets with their whole weight, where those are others.
    whole: Option<Array2<f64>>,
    /// Members at the present, carried from the start.
    front: Array2<f64>,
    /// The sets in the window, where they are used again.
    passes: Vec<Pass>,
}

impl IEnKsCycle {
    /// A smoother of `members` members over a window of `lag` sets, at least 1.
    pub fn new(method: IEnKs, members: usize, lag: usize) -> Self {
        let none = || Array2::zeros((0, 0));
        Self { method, members, window: Window::new(lag), start: none(), whole: None, front: none(), passes: Vec::new() }
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

    /// The members at the start after this set: those that the cycle goes on with and those given all sets with their
    /// whole weight, where those are others.
    fn analyse<'a>(
        &'a self,
        model: &'a dyn Forecaster,
        seen: &Seen<'a>,
        key: Key,
        forecast: &Array2<f64>,
        observed: bool,
    ) -> Result<(Option<Array2<f64>>, Option<Array2<f64>>, Diagnostics)> {
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
            return Ok((start, None, diagnostics));
        }
        let share = 1.0 / self.window.lag() as f64;
        let (start, mut diagnostics) = solve(Self::terms(&self.passes, &self.window, seen, |_| share)?, None)?;
        let mut whole = None;
        if observed {
            let left = Self::terms(&self.passes, &self.window, seen, |used| 1.0 - share * used as f64)?;
            (whole, diagnostics) = solve(left, None)?;
        }
        Ok((start, whole, diagnostics))
    }
}

impl Cycle for IEnKsCycle {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        self.window.begin(step);
        self.start = draw_prior(prior, self.members, key)?;
        self.whole = None;
        self.front = self.start.clone();
        self.passes.clear();
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, seen: &Seen, key: Key) -> Result<Outcome> {
        seen.require_gaussian("ienks")?;
        seen.check(self.start.ncols())?;
        require_members(self.start.nrows())?;
        let noise = key.purpose(Purpose::ProcessNoise);
        let before = self.window.present();
        self.window.push(seen.step);
        let mut forecast = self.front.clone();
        model.advance(before, self.window.present() - before, &mut forecast, noise)?;
        let observed = seen.values.iter().any(|value| !value.is_nan());
        let finite = all_finite(forecast.view()) && all_finite(self.start.view());
        let (start, whole, diagnostics) = if finite {
            // views do not shorten their lifetime by themselves
            let seen = Seen { step: seen.step, time: seen.time, values: seen.values.view(), operator: seen.operator };
            self.analyse(model, &seen, key, &forecast, observed)?
        } else {
            (None, None, Diagnostics::new())
        };
        if self.method.multiple {
            self.passes.push(Pass::of(seen));
        }
        let changed = observed && (whole.is_some() || start.is_some());
        // without a value the older sets alone go on, and what is thought of the start stays
        self.start = start.unwrap_or_else(|| std::mem::take(&mut self.start));
        self.whole = whole.or_else(|| self.whole.take());
        let mut outcome = unchanged(forecast);
        let slides = self.window.is_full();
        let best = self.whole.as_ref().unwrap_or(&self.start);
        outcome.smoothed.extend(self.window.smoothed().filter(|_| slides).map(|step| Smoothed::new(step, best.clone())));
        // members one leg further, needed where the window slides
        let first = if changed {
            let (first, front) = self.window.carry(model, best, noise)?;
            outcome.ensemble = front;
            first
        } else {
            first_leg(model, &self.window, best, noise, slides)?
        };
        self.front.clone_from(&outcome.ensemble);
        if slides {
            match &mut self.whole {
                Some(whole) => {
                    *whole = first;
                    self.start = first_leg(model, &self.window, &self.start, noise, true)?;
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
        let out = self.window.drain(model, &mut best, key.purpose(Purpose::ProcessNoise))?;
        self.start = best;
        self.front.clone_from(&self.start);
        self.passes.clear();
        Ok(out)
    }

    fn save(&self) -> Vec<u8> {
        let mut numbers = self.window.numbers();
        numbers.extend(&self.front);
        numbers.extend([f64::from(u8::from(self.whole.is_some())), self.passes.len() as f64]);
        numbers.extend(self.whole.iter().flatten());
        self.passes.iter().for_each(|pass| pass.write(&mut numbers));
        pack(self.window.start(), &self.start, &numbers)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let (step, start, numbers) = unpack(bytes)?;
        let foreign = || Error::State("its further numbers are not those of `ienks`".to_owned());
        if start.nrows() != self.members {
            return Err(Error::State(format!(
                "it has {} members but the method is set to {}; set `members` to {}",
                start.nrows(),
                self.members,
                start.nrows()
            )));
        }
        let mut window = self.window.clone();
        let rest = window.restore(step, &numbers)?;
        let array = |numbers: &[f64]| Array2::from_shape_vec(start.raw_dim(), numbers.to_vec()).map_err(|_| foreign());
        let (front, rest) = rest.split_at_checked(start.len()).ok_or_else(foreign)?;
        let (head, mut rest) = rest.split_at_checked(2).ok_or_else(foreign)?;
        let mut whole = None;
        if head[0] == 1.0 {
            let (numbers, behind) = rest.split_at_checked(start.len()).ok_or_else(foreign)?;
            (whole, rest) = (Some(array(numbers)?), behind);
        }
        let mut passes = Vec::new();
        while !rest.is_empty() {
            let (pass, behind) = Pass::read(rest).ok_or_else(foreign)?;
            passes.push(pass);
            rest = behind;
        }
        let expected = if self.method.multiple { window.len() } else { 0 };
        if passes.len() != expected || head[1] != expected as f64 {
            return Err(Error::State("it was saved with another setting of `mda`; set it as it was".to_owned()));
        }
        self.front = array(front)?;
        (self.window, self.start, self.whole, self.passes) = (window, start, whole, passes);
        Ok(())
    }
}

/// Members after the first leg of the window, where that is wanted.
fn first_leg(
    model: &dyn Forecaster,
    window: &Window,
    start: &Array2<f64>,
    noise: Key,
    wanted: bool,
) -> Result<Array2<f64>> {
    let mut x = start.clone();
    if let (true, Some((from, to))) = (wanted, window.legs().next()) {
        model.advance(from, to - from, &mut x, noise)?;
    }
    Ok(x)
}
