//! The terms of all metrics of one row, and the rows of a table that they become.

use crate::failure::Result;
use crate::results::PairedRow;
use crate::score::{
    self, Case, Context, Ensemble, Input, Metric, Orientation, SeriesMean, Summary, Terms, compare, holm,
};

/// A metric under the name of its column.
pub struct Column {
    /// The column's name; a metric may appear under several (`rmse`, `rmse_forecast`).
    pub name: String,
    /// The metric.
    pub metric: Box<dyn Metric>,
}

impl Column {
    /// A registered metric.
    ///
    /// # Errors
    /// An unknown name.
    pub fn registered(column: &str, metric: &str, context: &Context) -> Result<Self> {
        Ok(Self { name: column.to_owned(), metric: score::build(metric, context)? })
    }

    /// The mean of a series of numbers.
    pub fn series(column: &str, orientation: Orientation) -> Self {
        Self { name: column.to_owned(), metric: Box::new(SeriesMean { orientation }) }
    }
}

/// The terms of one row, one table a column.
#[derive(Clone, Debug)]
pub struct Board {
    terms: Vec<Terms>,
}

impl Board {
    /// Empty tables for the columns.
    pub fn new(columns: &[Column]) -> Self {
        Self { terms: columns.iter().map(|column| Terms::new(column.metric.terms())).collect() }
    }

    /// The table of column `index`.
    pub fn terms(&self, index: usize) -> &Terms {
        &self.terms[index]
    }

    /// Measures an ensemble with every column that takes ensembles and that `wanted` lets through.
    pub fn ensemble<'e>(
        &mut self,
        columns: &[Column],
        cluster: usize,
        time: usize,
        ensemble: &'e Ensemble<'e>,
        wanted: impl Fn(&str) -> bool,
    ) {
        for (column, terms) in columns.iter().zip(&mut self.terms) {
            if column.metric.input() == Input::Ensemble && wanted(&column.name) {
                terms.measure(column.metric.as_ref(), cluster, time, &Case::Ensemble(ensemble));
            }
        }
    }

    /// Measures one case with the column of that name, if there is one.
    pub fn case(&mut self, columns: &[Column], name: &str, cluster: usize, time: usize, case: &Case) {
        if let Some(index) = columns.iter().position(|column| column.name == name) {
            self.terms[index].measure(columns[index].metric.as_ref(), cluster, time, case);
        }
    }

    /// Says that a cluster diverged, in every column that scores; diagnostics keep what they had until then.
    pub fn mark_diverged(&mut self, columns: &[Column], cluster: usize) {
        // a filter has no smoothed columns that could be without a value, nor a network that withholds nothing verified ones
        let optional = |name: &str| name.ends_with("_smoothed") || name.ends_with("_withheld");
        let scores = |column: &Column, terms: &Terms| {
            column.metric.input() != Input::Number && !(optional(&column.name) && terms.is_empty())
        };
        let scoring = columns.iter().zip(&mut self.terms).filter(|(column, terms)| scores(column, terms));
        scoring.for_each(|(_, terms)| terms.mark_diverged(cluster));
    }

    /// Says that a cluster diverged in the column of that name, whatever it holds.
    pub fn mark(&mut self, columns: &[Column], name: &str, cluster: usize) {
        if let Some(index) = columns.iter().position(|column| column.name == name) {
            self.terms[index].mark_diverged(cluster);
        }
    }

    /// Adds the cases of another board with the same columns.
    pub fn append(&mut self, other: &Self) {
        self.terms.iter_mut().zip(&other.terms).for_each(|(own, other)| own.append(other));
    }

    /// The value of column `index`, with its standard error; none where nothing was measured.
    pub fn summary(&self, columns: &[Column], index: usize) -> Option<Summary> {
        let terms = &self.terms[index];
        (!terms.is_empty() || terms.diverged()).then(|| columns[index].metric.summarise(terms))
    }
}

/// The value of column `name` over the replicates that did not diverge, with its standard error and the number of these.
pub fn survivors(columns: &[Column], name: &str, board: &Board) -> Option<(f64, f64, usize)> {
    let index = columns.iter().position(|column| column.name == name)?;
    let survivors = board.terms(index).survivors();
    let summary = columns[index].metric.summarise(&survivors);
    Some((summary.value?, summary.se?, survivors.clusters()))
}

/// Compares every row of a column with its best row; `rows` are labels and boards.
///
/// The best row is the one with the least loss among those that did not diverge. P-values carry Holm's correction over
/// the comparisons of the column.
pub fn against_best(columns: &[Column], index: usize, rows: &[(String, &Board)], table: &str) -> Vec<PairedRow> {
    let metric = columns[index].metric.as_ref();
    let losses: Vec<Option<f64>> = rows
        .iter()
        .map(|(_, board)| board.summary(columns, index)?.value.map(|value| metric.orientation().loss(value)))
        .collect();
    let best = (0..rows.len())
        .filter(|&i| losses[i].is_some_and(f64::is_finite))
        .min_by(|&a, &b| losses[a].unwrap_or(f64::NAN).total_cmp(&losses[b].unwrap_or(f64::NAN)));
    let Some(best) = best else { return Vec::new() };
    let mut out: Vec<PairedRow> = Vec::new();
    for (other, (label, board)) in rows.iter().enumerate() {
        if other == best {
            continue;
        }
        if let Some(paired) = compare(board.terms(index), rows[best].1.terms(index), metric) {
            out.push(PairedRow {
                table: table.to_owned(),
                metric: columns[index].name.clone(),
                lead_step: None,
                best: rows[best].0.clone(),
                other: label.clone(),
                difference: paired.difference,
                se: paired.se,
                p: paired.p,
                p_holm: paired.p,
            });
        }
    }
    let corrected = holm(&out.iter().map(|row| row.p).collect::<Vec<_>>());
    out.iter_mut().zip(corrected).for_each(|(row, p)| row.p_holm = p);
    out
}
