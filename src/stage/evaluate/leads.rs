//! Which lead steps the forecast table has: the lead times of all files together, in order.
//!
//! Lead times of two files are one where they are equal in one unit; those that cannot be compared (hours and model time) are apart.
//! A file that says no unit is taken to be in that of the first which says one, and one without lead times to have those of the
//! first that has some, in its order.

use crate::results::Lead;
use crate::store::netcdf::{Clock, TimeUnit, same_lead};

/// The lead steps of all files, and which of them each lead of a file is.
pub struct LeadSteps {
    /// The lead steps.
    pub all: Vec<Lead>,
    /// Of each file the number in `all`, from 1, of each lead.
    pub of: Vec<Vec<usize>>,
}

/// A lead time that some file has.
struct Found {
    /// Units that cannot be compared, in the order in which they were found; the last are of no lead time.
    kind: usize,
    /// In the unit of its kind; the order in the file where it is not known.
    time: f64,
}

impl LeadSteps {
    /// Of files with so many leads, at lead times where they say them.
    pub fn new(files: &[(usize, Option<&Clock>)]) -> Self {
        let clocks = || files.iter().filter_map(|(_, clock)| *clock);
        let said = clocks().find_map(|clock| clock.unit.clone()).unwrap_or_default();
        let mut kinds: Vec<TimeUnit> = Vec::new();
        let mut found: Vec<Found> = Vec::new();
        let mut of: Vec<Vec<usize>> = Vec::new();
        for (leads, clock) in files {
            let times = match clock.or_else(|| clocks().next()) {
                Some(clock) => clock.values.iter().map(|time| (clock.unit.as_ref().unwrap_or(&said), *time)).collect(),
                None => Vec::new(),
            };
            let place = |lead: usize| match times.get(lead) {
                Some((unit, time)) => in_kind(&mut kinds, unit, *time),
                None => Found { kind: usize::MAX, time: lead as f64 },
            };
            let own: Vec<Found> = (0..*leads).map(place).collect();
            of.push(own.into_iter().map(|lead| lead.among(&mut found)).collect());
        }
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_by(|&a, &b| {
            let [a, b] = [a, b].map(|at| &found[at]);
            a.kind.cmp(&b.kind).then(a.time.total_cmp(&b.time))
        });
        let mut number = vec![0; order.len()];
        order.iter().enumerate().for_each(|(place, &at)| number[at] = place + 1);
        let lead = |(place, &at): (usize, &usize)| found[at].lead(place + 1, &kinds);
        let all = order.iter().enumerate().map(lead).collect();
        Self { all, of: of.into_iter().map(|leads| leads.into_iter().map(|at| number[at]).collect()).collect() }
    }

    /// The leads that two files have: in the first, and in the second.
    pub fn shared(&self, first: usize, second: usize) -> Vec<(usize, usize)> {
        let place = |number: &usize| self.of[second].iter().position(|other| other == number);
        self.of[first].iter().enumerate().filter_map(|(lead, number)| Some((lead, place(number)?))).collect()
    }
}

/// A lead time in the unit of its kind; one of a new kind where none of those that there are can be compared with it.
fn in_kind(kinds: &mut Vec<TimeUnit>, unit: &TimeUnit, time: f64) -> Found {
    let known = kinds.iter().enumerate().find_map(|(kind, known)| Some((kind, known.in_these(unit)?)));
    let (kind, factor) = known.unwrap_or((kinds.len(), 1.0));
    if kind == kinds.len() {
        kinds.push(unit.clone());
    }
    Found { kind, time: time * factor }
}

impl Found {
    /// Its place among those that were found, which it joins if it is not there.
    fn among(self, found: &mut Vec<Self>) -> usize {
        let same = |other: &Self| other.kind == self.kind && same_lead(other.time, self.time);
        if let Some(place) = found.iter().position(same) {
            return place;
        }
        found.push(self);
        found.len() - 1
    }

    fn lead(&self, lead_step: usize, kinds: &[TimeUnit]) -> Lead {
        let unit = kinds.get(self.kind);
        let time = unit.map(|_| self.time);
        Lead { lead_step, time, unit: unit.and_then(TimeUnit::stated).map(str::to_owned) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(values: &[f64], units: Option<&str>) -> Clock {
        Clock::new(values.to_vec(), units, None)
    }

    #[test]
    fn lead_times_of_all_files_are_in_one_order() {
        let (late, all) = (clock(&[12.0], Some("hours")), clock(&[18.0, 6.0, 12.0], Some("hours")));
        let days = clock(&[0.25, 1.0], Some("days"));
        let steps = LeadSteps::new(&[(1, Some(&late)), (3, Some(&all)), (2, Some(&days))]);
        assert_eq!(steps.of, [vec![2], vec![3, 1, 2], vec![1, 4]]);
        let times: Vec<_> = steps.all.iter().map(|lead| (lead.time, lead.unit.as_deref())).collect();
        assert_eq!(times, [6.0, 12.0, 18.0, 24.0].map(|time| (Some(time), Some("hours"))));
        assert_eq!((steps.shared(0, 1), steps.shared(0, 2)), (vec![(0, 2)], Vec::new()));
    }

    #[test]
    fn lead_times_that_cannot_be_compared_are_apart() {
        let (hours, model) = (clock(&[6.0, 1.0], Some("hours")), clock(&[1.0], Some("1")));
        let steps = LeadSteps::new(&[(1, Some(&model)), (2, Some(&hours))]);
        assert_eq!(steps.of, [vec![1], vec![3, 2]]);
        assert_eq!((steps.all[0].unit.as_deref(), steps.all[1].unit.as_deref()), (None, Some("hours")));
        // nothing said: the unit, and the lead times, of others
        let unsaid = clock(&[6.0], None);
        assert_eq!(
            LeadSteps::new(&[(2, Some(&hours)), (1, Some(&unsaid)), (3, None)]).of[1..],
            [vec![2], vec![2, 1, 3]]
        );
        let none = LeadSteps::new(&[(2, None), (1, None)]);
        assert_eq!((none.of, none.all[1].time), (vec![vec![1, 2], vec![1]], None));
    }
}
