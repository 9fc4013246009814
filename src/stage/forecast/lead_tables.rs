//! The scores of one forecaster, a table a lead step.

use std::sync::Arc;

use crate::results::{ForecastRow, PairedRow, RankHistogram};
use crate::score::{Column, Ensemble, Of};
use crate::stage::rows::{self, Labelled};
use crate::stage::score_table::ScoreTable;

/// The tables of lead steps 1, 2, ...
pub struct LeadTables(Vec<ScoreTable>);

impl LeadTables {
    /// Empty tables for the columns, at so many lead steps.
    pub fn new(columns: &Arc<[Column]>, leads: usize) -> Self {
        Self((0..leads).map(|_| ScoreTable::new(columns)).collect())
    }

    /// Measures a forecast of trajectory `case` from `start` at lead step `lead`, from 1 on.
    pub fn measure<'e>(&mut self, lead: usize, case: usize, start: usize, ensemble: &'e Ensemble<'e>) {
        self.0[lead - 1].ensemble(Of::Analysis, case, start, ensemble);
    }

    /// Measures what is left of a forecast, one member, at lead step `lead`, from 1 on.
    pub fn single<'e>(&mut self, lead: usize, case: usize, start: usize, ensemble: &'e Ensemble<'e>) {
        self.0[lead - 1].single(Of::Analysis, case, start, ensemble);
    }

    /// The table of a lead step, from 1 on.
    pub fn at(&self, lead: usize) -> &ScoreTable {
        &self.0[lead - 1]
    }

    /// The table of a lead step, from 1 on, to be added to.
    pub fn at_mut(&mut self, lead: usize) -> &mut ScoreTable {
        &mut self.0[lead - 1]
    }

    /// Says that all forecasts have lost the truth at a lead step, from 1 on.
    pub fn mark_lost(&mut self, lead: usize) {
        self.0[lead - 1].mark_all_lost();
    }

    /// The tables of a forecaster of several seeds, from those of each; none where there is none.
    pub fn of_seeds(seeds: Vec<Self>) -> Option<Self> {
        let mut seeds: Vec<_> = seeds.into_iter().map(|tables| tables.0.into_iter()).collect();
        let leads = seeds.first()?.len();
        let at_lead = |_| ScoreTable::of_seeds(seeds.iter_mut().filter_map(Iterator::next));
        Some(Self((0..leads).filter_map(at_lead).collect()))
    }

    /// Adds the cases of other tables with the same columns and lead steps.
    pub fn append(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| own.append(other));
    }

    /// The rows of all lead steps.
    pub fn rows(&self, label: &str) -> Vec<ForecastRow> {
        self.rows_at(label, &(1..=self.0.len()).collect::<Vec<_>>())
    }

    /// The rows of all lead steps, each under the number that it has in a table.
    pub fn rows_at(&self, label: &str, numbers: &[usize]) -> Vec<ForecastRow> {
        let lead = |(table, number): (&ScoreTable, &usize)| rows::forecast(label, table, Some(*number));
        self.0.iter().zip(numbers).flat_map(lead).collect()
    }

    /// The rank histogram of the first lead step, where there is one.
    pub fn rank_histogram(&self, label: &str) -> Option<RankHistogram> {
        rows::rank_histogram(self.0.first()?, "forecast", label, "")
    }
}

/// Compares forecasters with the best at some lead steps.
pub fn compare(forecasters: &[(String, &LeadTables)], leads: &[usize]) -> Vec<PairedRow> {
    let at = |lead: &usize| -> Vec<PairedRow> {
        let rows: Vec<Labelled> = forecasters.iter().map(|(label, tables)| (label.clone(), tables.at(*lead))).collect();
        rows::all_against_best_at(*lead, &rows)
    };
    leads.iter().flat_map(at).collect()
}
