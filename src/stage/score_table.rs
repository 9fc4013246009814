//! The terms of all columns of one row of a table.

use std::sync::Arc;

use crate::score::statistics::{over_seeds, paired_over_seeds};
use crate::score::{Case, Column, Ensemble, Input, Metric, Of, Paired, Series, Summary, Terms, compare};

/// The terms of one row (a forecaster at a lead step, a method on its replicates), one table of terms a column.
#[derive(Clone)]
pub struct ScoreTable {
    columns: Arc<[Column]>,
    terms: Vec<Terms>,
    /// Of the smallest ensemble that was measured.
    members: Option<usize>,
    /// The tables of the other seeds, where this is the first of several.
    others: Vec<ScoreTable>,
}

/// What belongs to each row, those of the seeds of one put together under the first; `is_first` says whether a row begins
/// anew or is a further seed of the one before.
pub fn by_row<K, T>(each: impl IntoIterator<Item = (K, T)>, is_first: impl Fn(&K) -> bool) -> Vec<(K, Vec<T>)> {
    let mut rows: Vec<(K, Vec<T>)> = Vec::new();
    for (row, one) in each {
        match rows.last_mut().filter(|_| !is_first(&row)) {
            Some((_, seeds)) => seeds.push(one),
            None => rows.push((row, vec![one])),
        }
    }
    rows
}

/// The value of a column over the replicates that did not diverge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Survivors {
    /// The value.
    pub value: f64,
    /// Its standard error.
    pub se: f64,
    /// How many replicates these are.
    pub replicates: usize,
}

impl ScoreTable {
    /// Empty tables for the columns.
    pub fn new(columns: &Arc<[Column]>) -> Self {
        let terms = columns.iter().map(|column| Terms::new(column.metric.terms())).collect();
        Self { columns: Arc::clone(columns), terms, members: None, others: Vec::new() }
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The terms of column `index`.
    pub fn terms(&self, index: usize) -> &Terms {
        &self.terms[index]
    }

    /// The index of the column of this metric or series, if there is one.
    pub fn index(&self, of: Of, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.measures(of, name))
    }

    /// Measures an ensemble with every column of `of` that takes ensembles.
    pub fn ensemble<'e>(&mut self, of: Of, cluster: usize, time: usize, ensemble: &'e Ensemble<'e>) {
        self.members = fewer(self.members, Some(ensemble.members.nrows()));
        for (column, terms) in self.columns.iter().zip(&mut self.terms) {
            if column.of == of && column.metric.input() == Input::Ensemble {
                terms.measure(column.metric.as_ref(), cluster, time, &Case::Ensemble(ensemble));
            }
        }
    }

    /// Measures what is left of an ensemble, one member, with every column of `of` that needs no more: a single member among
    /// ensembles has no spread, and no fair score.
    pub fn single<'e>(&mut self, of: Of, cluster: usize, time: usize, ensemble: &'e Ensemble<'e>) {
        for (column, terms) in self.columns.iter().zip(&mut self.terms) {
            let metric = column.metric.as_ref();
            if column.of == of && metric.input() == Input::Ensemble && metric.least_members() < 2 {
                terms.measure(metric, cluster, time, &Case::Ensemble(ensemble));
            }
        }
    }

    /// Measures one case with the column of this metric, if there is one.
    pub fn case(&mut self, of: Of, name: &str, cluster: usize, time: usize, case: &Case) {
        if let Some(index) = self.index(of, name) {
            self.measure(index, cluster, time, case);
        }
    }

    /// Adds a number to the column of this series, if there is one.
    pub fn number(&mut self, of: Of, series: &Series, cluster: usize, time: usize, value: f64) {
        self.case(of, series.name, cluster, time, &Case::Number(value));
    }

    /// Adds a number to the column of this series of an estimated parameter, if there is one.
    pub fn of_parameter(&mut self, parameter: &str, series: &Series, cluster: usize, time: usize, value: f64) {
        if let Some(index) = self.index_of_parameter(parameter, series) {
            self.measure(index, cluster, time, &Case::Number(value));
        }
    }

    fn index_of_parameter(&self, parameter: &str, series: &Series) -> Option<usize> {
        self.columns.iter().position(|column| column.measures_parameter(parameter, series))
    }

    fn measure(&mut self, index: usize, cluster: usize, time: usize, case: &Case) {
        let metric: &dyn Metric = self.columns[index].metric.as_ref();
        self.terms[index].measure(metric, cluster, time, case);
    }

    /// Says that a cluster diverged, in every column that scores; diagnostics keep what they had until then.
    pub fn mark_diverged(&mut self, cluster: usize) {
        for (column, terms) in self.columns.iter().zip(&mut self.terms) {
            // a filter has no smoothed columns that could be without a value, nor a network that withholds nothing verified ones
            let optional = matches!(column.of, Of::Smoothed | Of::Withheld);
            if column.metric.input() != Input::Number && !(optional && terms.is_empty()) {
                terms.mark_diverged(cluster);
            }
        }
    }

    /// Says that a cluster lost the truth in every column of `of` that scores.
    pub fn mark_lost(&mut self, of: Of, cluster: usize) {
        for (column, terms) in self.columns.iter().zip(&mut self.terms) {
            if column.of == of && column.metric.input() != Input::Number && !terms.is_empty() {
                terms.mark_diverged(cluster);
            }
        }
    }

    /// Says that all clusters lost the truth, in every column that scores ensembles.
    pub fn mark_all_lost(&mut self) {
        for (column, terms) in self.columns.iter().zip(&mut self.terms) {
            if column.metric.input() == Input::Ensemble {
                terms.mark_all_diverged();
            }
        }
    }

    /// Says that a cluster diverged in the column of this series of a parameter, whatever it holds.
    pub fn mark_parameter(&mut self, parameter: &str, series: &Series, cluster: usize) {
        if let Some(index) = self.index_of_parameter(parameter, series) {
            self.terms[index].mark_diverged(cluster);
        }
    }

    /// Adds the cases of another table with the same columns.
    pub fn append(&mut self, other: &Self) {
        self.terms.iter_mut().zip(&other.terms).for_each(|(own, other)| own.append(other));
        self.members = fewer(self.members, other.members);
    }

    /// The cases that `place` knows under another (cluster, time), under that one.
    #[must_use]
    pub fn placed(&self, place: &dyn Fn((usize, usize)) -> Option<(usize, usize)>) -> Self {
        let terms = self.terms.iter().map(|terms| terms.placed(place)).collect();
        let others = self.others.iter().map(|other| other.placed(place)).collect();
        Self { columns: Arc::clone(&self.columns), terms, members: self.members, others }
    }

    /// Forgets all cases.
    pub fn clear(&mut self) {
        *self = Self::new(&self.columns);
    }

    /// The table of a forecaster of several seeds, from those of each, in their order: what is shown of one is of the first.
    ///
    /// None where there is none.
    pub fn of_seeds(seeds: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut seeds = seeds.into_iter();
        let first = seeds.next()?;
        Some(Self { others: seeds.collect(), ..first })
    }

    /// How many seeds it is of; 1 where that was not asked for.
    pub fn seeds(&self) -> usize {
        1 + self.others.len()
    }

    /// The tables of all seeds.
    fn each(&self) -> impl Iterator<Item = &Self> + Clone {
        std::iter::once(self).chain(&self.others)
    }

    /// The value of column `index`, with its standard error; none where nothing was measured.
    pub fn summary(&self, index: usize) -> Option<Summary> {
        let of = |table: &Self| {
            let terms = &table.terms[index];
            (!terms.is_empty() || terms.diverged()).then(|| self.columns[index].metric.summarise(terms))
        };
        match self.others.is_empty() {
            true => of(self),
            false => over_seeds(&self.each().map(of).collect::<Option<Vec<_>>>()?),
        }
    }

    /// The comparison of column `index` with that of another row on the cases that both have; none where it means nothing.
    pub fn compare(&self, other: &Self, index: usize) -> Option<Paired> {
        let column = &self.columns[index];
        let (metric, orientation) = (column.metric.as_ref(), column.about.orientation);
        let pair = |a: &Self, b: &Self| compare(&a.terms[index], &b.terms[index], metric, orientation);
        if self.others.is_empty() && other.others.is_empty() {
            return pair(self, other);
        }
        let losses = |table: &Self| -> Option<Vec<f64>> {
            let loss = |seed: &Self| Some(orientation.loss(metric.summarise(&seed.terms[index]).value?));
            table.each().map(loss).collect()
        };
        // each seed of the longer list with one of the other
        let count = self.seeds().max(other.seeds());
        let pairs = self.each().cycle().zip(other.each().cycle()).take(count);
        let pairs: Option<Vec<Paired>> = pairs.map(|(a, b)| pair(a, b)).collect();
        paired_over_seeds(&pairs?, [&losses(self)?, &losses(other)?])
    }

    /// How many cases of column `index` are lost, of all seeds.
    pub fn lost_cases(&self, index: usize) -> usize {
        self.each().map(|seed| seed.terms[index].lost_cases()).sum()
    }

    /// How many clusters of column `index` are said to have diverged, of all seeds.
    pub fn marked_clusters(&self, index: usize) -> usize {
        self.each().map(|seed| seed.terms[index].marked_clusters()).sum()
    }

    /// How column `index` is estimated.
    pub fn estimator(&self, index: usize) -> &str {
        let metric = &self.columns[index].metric;
        self.members.map_or_else(|| metric.estimator(), |members| metric.estimator_of(members))
    }

    /// The value of the column of this metric over the replicates that did not diverge.
    pub fn survivors(&self, of: Of, name: &str) -> Option<Survivors> {
        let index = self.index(of, name)?;
        let survivors = self.terms(index).survivors();
        let summary = self.columns[index].metric.summarise(&survivors);
        Some(Survivors { value: summary.value?, se: summary.se?, replicates: survivors.clusters() })
    }
}

/// The smaller of two numbers of members, of which either may be unknown.
fn fewer(a: Option<usize>, b: Option<usize>) -> Option<usize> {
    a.into_iter().chain(b).min()
}
