//! What a metric is: a mean of per-case terms, and then one function of the means.
//!
//! With t_i the terms of case i and n cases, the value is f(sum_i t_i / n): [`Metric::measure`] gives t_i and
//! [`Metric::value`] is f. Its registry entry says the rest: title, direction, meaning, and the columns that tables have of
//! it.

use super::about::{About, Of, Orientation};
use super::case::{Case, Input};
use super::statistics::{Summary, summarise};
use super::terms::Terms;
use crate::systems::{Entry, Geometry, Result, Settings};

/// What the mean is taken over before the final function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// Over all cases and components; the function (a root, say) comes last. The convention of forecast tables.
    All,
    /// The function is applied at each time, then the mean over times is taken: the filters' convention (DAPPER's).
    EachTime,
}

impl Pool {
    /// The name in a row: `all` or `each_time`.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::EachTime => "each_time",
        }
    }
}

/// A score or a diagnostic.
pub trait Metric: Send + Sync {
    /// What [`Metric::measure`] must be given.
    fn input(&self) -> Input {
        Input::Ensemble
    }

    /// The number of terms of a case.
    fn terms(&self) -> usize {
        1
    }

    /// The terms of one case into `out` (`[terms]`). Non-finite terms mean that the case diverged.
    fn measure(&self, case: &Case, out: &mut [f64]);

    /// The metric, given the means of the terms over cases (`[terms]`).
    fn value(&self, means: &[f64]) -> f64 {
        means[0]
    }

    /// The fewest members of an ensemble of which it says something where others have more: 2 for what spread is part of.
    fn least_members(&self) -> usize {
        1
    }

    /// How it is estimated, to be printed beside every value.
    fn estimator(&self) -> &str;

    /// What the mean is taken over before the final function.
    fn pool(&self) -> Pool {
        Pool::All
    }

    /// How the value is estimated from ensembles of which the smallest has so many members.
    fn estimator_of(&self, members: usize) -> &str {
        let _ = members;
        self.estimator()
    }

    /// How many cases are bounds: what they measure may be more, for it was not looked at any longer.
    fn censored(&self, _terms: &Terms) -> usize {
        0
    }

    /// The value over a table of terms, with its standard error.
    fn summarise(&self, terms: &Terms) -> Summary {
        summarise(terms, &|means| self.value(means))
    }

    /// The counts of a histogram, for those that are one: what the report draws.
    fn histogram(&self, _terms: &Terms) -> Option<Vec<f64>> {
        None
    }
}

impl Terms {
    /// Measures a case of (cluster, time) and adds its terms.
    pub fn measure(&mut self, metric: &dyn Metric, cluster: usize, time: usize, case: &Case) {
        let mut out = vec![0.0; self.width()];
        metric.measure(case, &mut out);
        self.push(cluster, time, &out);
    }
}

/// What a metric may need to know of the experiment.
#[derive(Clone, Debug)]
pub struct Context {
    /// The pooling of `rmse` and `spread`: [`Pool::All`] in forecast tables, [`Pool::EachTime`] in assimilation tables.
    pub pool: Pool,
    /// The length of a lead step, in model time or `unit`.
    pub dt: f64,
    /// The unit of `dt` where a user's file has one; none of model time.
    pub unit: Option<String>,
    /// The time in which small errors grow by e, in model time, where it is known.
    pub lyapunov_time: Option<f64>,
    /// How the components of a state are laid out, where it is known.
    pub geometry: Geometry,
}

impl Context {
    /// Of lead steps of length 1, and components of which no place is known.
    pub const fn plain(pool: Pool) -> Self {
        Self { pool, dt: 1.0, unit: None, lyapunov_time: None, geometry: Geometry::Unstructured }
    }
}

/// A metric from its settings.
pub type MakeMetric = fn(&Settings, &Context) -> Result<Box<dyn Metric>>;

/// How a metric is built, and what is said of it wherever it is shown.
#[derive(Clone, Copy, Debug)]
pub struct MetricBuild {
    /// From its settings.
    pub make: MakeMetric,
    /// Title, direction, meaning, columns.
    pub about: About,
    /// Whether it is scored where an experiment names no metrics.
    pub by_default: bool,
}

impl MetricBuild {
    /// Of a metric with this title, direction and meaning. An assimilation table has a column of it for analyses alone, and no
    /// terminal shows it.
    pub(super) const fn new(
        title: &'static str,
        orientation: Orientation,
        meaning: &'static str,
        make: MakeMetric,
    ) -> Self {
        Self { make, about: About::new(title, orientation, meaning), by_default: true }
    }

    /// With these columns in an assimilation table ([`About::of`]).
    pub(super) const fn of(self, of: &'static [Of]) -> Self {
        Self { about: self.about.of(of), ..self }
    }

    /// With these of its columns shown on a terminal ([`About::headline`]).
    pub(super) const fn headline(self, headline: &'static [Of]) -> Self {
        Self { about: self.about.headline(headline), ..self }
    }

    /// On a log scale ([`About::logarithmic`]).
    pub(super) const fn logarithmic(self) -> Self {
        Self { about: self.about.logarithmic(), ..self }
    }

    /// A metric that is scored only where an experiment names it.
    pub(super) const fn on_request(self) -> Self {
        Self { by_default: false, ..self }
    }
}

/// A line of the registry of metrics.
pub type MetricEntry = Entry<MetricBuild>;
