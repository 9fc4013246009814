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

    /// The number of lead steps.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Measures a forecast of trajectory `case` from `start` at lead step `lead`, from 1 on.
    pub fn measure<'e>(&mut self, lead: usize, case: usize, start: usize, ensemble: &'e Ensemble<'e>) {
        self.0[lead - 1].ensemble(Of::Analysis, case, start, ensemble);
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

    /// Adds the cases of other tables with the same columns and lead steps.
    pub fn append(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| own.append(other));
    }

    /// The rows of all lead steps.
    pub fn rows(&self, label: &str) -> Vec<ForecastRow> {
        let lead = |(index, table): (usize, &ScoreTable)| rows::forecast(label, table, Some(index + 1));
        self.0.iter().enumerate().flat_map(lead).collect()
    }

    /// The rank histogram of the first lead step, where there is one.
    pub fn rank_histogram(&self, label: &str) -> Option<RankHistogram> {
        rows::rank_histogram(self.0.first()?, "forecast", label, "")
    }
}

/// Compares forecasters with the best, at the lead steps that tables show of so many.
pub fn compare(forecasters: &[(String, &LeadTables)], leads: usize) -> Vec<PairedRow> {
    let at = |lead: usize| -> Vec<PairedRow> {
        let rows: Vec<Labelled> = forecasters.iter().map(|(label, tables)| (label.clone(), tables.at(lead))).collect();
        rows::all_against_best_at(lead, &rows)
    };
    shown_leads(leads).into_iter().flat_map(at).collect()
}

/// The lead steps at which forecasters are compared: those that the tables show.
fn shown_leads(leads: usize) -> Vec<usize> {
    let mut shown: Vec<usize> =
        [1, leads / 8, leads / 4, leads / 2, leads].into_iter().filter(|&lead| lead > 0).collect();
    shown.sort_unstable();
    shown.dedup();
    shown
}
