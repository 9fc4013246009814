//! Which cases of two files are the same ones: of the same time, the same lead times and the same truth.
//!
//! Times are compared in one unit and from one reference date ([`Clock::as_of`]). A case of one file is paired with a case of the
//! other that is of its time and whose truth y is, at every lead time that both have, the same number; or else with the first
//! whose truth y' is near it: |y - y'| <= a + a' + r |y| + r' |y'| with the resolutions (a, r) in which the two files store their
//! truths, and six digits of the largest of them in any case. A file without times is matched by its truths alone.

use std::collections::HashSet;

use ndarray::{Array4, ArrayView1, s};

use crate::store::netcdf::{Clock, Resolution};

/// What the cases of a file are of.
pub struct Ground {
    /// What happened, `[case, start, lead, component]`; NaN is missing.
    pub truth: Array4<f64>,
    /// How finely that is stored.
    pub resolution: Resolution,
    /// The times of the starts, where the file has them.
    pub time: Option<Clock>,
    /// Whether those are times of the cases, each of which is a start.
    pub timed_cases: bool,
}

/// A case: its trajectory and its start.
pub type Place = (usize, usize);

/// The cases of a file that another has too.
pub struct Pairs {
    /// Place in the other file and place in this one, in the order of the other.
    pub cases: Vec<(Place, Place)>,
    /// How many cases of this file have no counterpart.
    pub left_out: usize,
}

/// Two files whose cases are compared.
struct Match<'a> {
    own: &'a Ground,
    other: &'a Ground,
    /// Times of the own starts and those of the other's, in one unit; none where one of the files has none.
    times: Option<[Vec<f64>; 2]>,
    /// How far apart the same times may be.
    tolerance: f64,
    /// The lead times that both have: in the other file, and in this one.
    leads: &'a [(usize, usize)],
}

impl Ground {
    /// The cases that the file `other` has too, by the leads (in the other, in this one) that both have.
    pub fn pairs(&self, other: &Self, leads: &[(usize, usize)]) -> Pairs {
        let all = self.truth.dim().0 * self.truth.dim().1;
        let matched = Match::new(self, other, leads).filter(|_| !leads.is_empty());
        let cases = matched.map_or_else(Vec::new, |matched| matched.cases());
        Pairs { left_out: all - cases.len(), cases }
    }

    fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let (cases, starts, _, _) = self.truth.dim();
        (0..cases).flat_map(move |case| (0..starts).map(move |start| (case, start)))
    }

    /// The time of a case among those of the file.
    fn at((case, start): Place, timed_cases: bool, times: &[f64]) -> f64 {
        times[if timed_cases { case } else { start }]
    }

    fn truth(&self, (case, start): Place, lead: usize) -> ArrayView1<'_, f64> {
        self.truth.slice(s![case, start, lead, ..])
    }
}

impl<'a> Match<'a> {
    /// None where nothing of one file can be in the other: their states have other sizes, or their times cannot be compared.
    fn new(own: &'a Ground, other: &'a Ground, leads: &'a [(usize, usize)]) -> Option<Self> {
        if own.truth.dim().3 != other.truth.dim().3 {
            return None;
        }
        let (times, tolerance) = match (&own.time, &other.time) {
            (Some(time), Some(others)) => {
                let times = time.as_of(others)?;
                let tolerance = time.tolerance(&times, others);
                (Some([times, others.values.clone()]), tolerance)
            }
            _ => (None, 0.0),
        };
        Some(Self { own, other, times, tolerance, leads })
    }

    /// Pairs of places, in the order of the other file: first those that are the same to the last bit, then those that are near.
    fn cases(&self) -> Vec<(Place, Place)> {
        let mut others: Vec<(f64, Place)> = self.other.places().map(|place| (self.other_key(place), place)).collect();
        others.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let (mut cases, mut taken) = (Vec::new(), HashSet::new());
        let mut left: Vec<Place> = self.own.places().collect();
        for same in [Self::is_same, Self::is_near] {
            left.retain(|&place| {
                let mut near = self.near(place, &others).iter().map(|(_, other)| *other);
                let found = near.find(|other| !taken.contains(other) && same(self, *other, place));
                found.is_none_or(|other| {
                    taken.insert(other);
                    cases.push((other, place));
                    false
                })
            });
        }
        cases.sort_unstable();
        cases
    }

    /// What places are sorted by: their time, or the first number of their truth; missing ones come last.
    fn other_key(&self, place: Place) -> f64 {
        let key = match &self.times {
            Some([_, times]) => Ground::at(place, self.other.timed_cases, times),
            None => self.other.truth(place, self.leads[0].0).first().copied().unwrap_or(0.0),
        };
        if key.is_nan() { f64::NAN } else { key }
    }

    /// The places of the other file that may be that of this one.
    fn near<'o>(&self, place: Place, others: &'o [(f64, Place)]) -> &'o [(f64, Place)] {
        let (key, tolerance) = match &self.times {
            Some([times, _]) => (Ground::at(place, self.own.timed_cases, times), self.tolerance),
            None => {
                let truth = self.own.truth(place, self.leads[0].1);
                let key = truth.first().copied().unwrap_or(0.0);
                // as wide as any of its neighbours allows
                (key, 2.0 * self.allowed(key, key, largest(truth)))
            }
        };
        let finite = others.partition_point(|(other, _)| !other.is_nan());
        if key.is_nan() {
            // a time that is missing is that of no other
            return if self.times.is_some() { &[] } else { &others[finite..] };
        }
        let first = others[..finite].partition_point(|(other, _)| *other < key - tolerance);
        let last = others[..finite].partition_point(|(other, _)| *other <= key + tolerance);
        &others[first..last.max(first)]
    }

    /// Whether the truths of two cases are the same to the last bit.
    fn is_same(&self, other: Place, own: Place) -> bool {
        let same = |(a, b): (&f64, &f64)| a == b || a.is_nan() && b.is_nan();
        self.leads
            .iter()
            .all(|&(theirs, lead)| self.own.truth(own, lead).iter().zip(self.other.truth(other, theirs)).all(same))
    }

    /// Whether they are, but for the precision in which they are stored.
    fn is_near(&self, other: Place, own: Place) -> bool {
        self.leads.iter().all(|&(theirs, lead)| {
            let (own, other) = (self.own.truth(own, lead), self.other.truth(other, theirs));
            let most = largest(other);
            let near = |(a, b): (&f64, &f64)| (a - b).abs() <= self.allowed(*a, *b, most) || a.is_nan() && b.is_nan();
            own.iter().zip(other).all(near)
        })
    }

    /// How far apart the same number may be in both files, beside others of which `largest` is the largest.
    fn allowed(&self, own: f64, other: f64, largest: f64) -> f64 {
        let stored = self.own.resolution.at(own) + self.other.resolution.at(other);
        // integers lie on the very edge of what rounding allows
        (stored * (1.0 + 1e-6)).max(1e-6 * largest)
    }
}

/// The largest magnitude among values.
fn largest(values: ArrayView1<f64>) -> f64 {
    values.iter().filter(|value| value.is_finite()).fold(0.0f64, |largest, value| largest.max(value.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ground(times: Option<&[f64]>, leads: usize, truth: impl Fn(usize, usize) -> f64) -> Ground {
        let starts = times.map_or(4, <[f64]>::len);
        let truth = Array4::from_shape_fn((1, starts, leads, 1), |(_, start, lead, _)| truth(start, lead));
        let time = times.map(|times| Clock::new(times.to_vec(), Some("hours since 2000-01-01"), None));
        Ground { truth, resolution: Resolution::default(), time, timed_cases: false }
    }

    fn wave(start: usize, lead: usize) -> f64 {
        (start as f64 * 0.7 + lead as f64).sin()
    }

    fn turned() -> Vec<(Place, Place)> {
        (0..4).map(|start| ((0, start), (0, 3 - start))).collect()
    }

    const BOTH: &[(usize, usize)] = &[(0, 0), (1, 1)];

    #[test]
    fn cases_are_found_by_time_lead_and_truth_wherever_they_are() {
        let first = ground(Some(&[0.0, 1.0, 2.0, 3.0]), 2, wave);
        let back = ground(Some(&[3.0, 2.0, 1.0, 0.0]), 2, |start, lead| wave(3 - start, lead));
        let pairs = back.pairs(&first, BOTH);
        assert_eq!((pairs.cases, pairs.left_out), (turned(), 0));
        // other times of the same truths, other truths at the same times, no lead in common
        assert_eq!(ground(Some(&[4.0, 5.0, 6.0, 7.0]), 2, wave).pairs(&first, BOTH).left_out, 4);
        let other = |start, lead| wave(start, lead) + 1.0;
        assert_eq!(ground(Some(&[0.0, 1.0, 2.0, 3.0]), 2, other).pairs(&first, BOTH).left_out, 4);
        assert_eq!(first.pairs(&first, &[]).left_out, 4);
        let late = ground(Some(&[0.0, 1.0, 2.0, 3.0]), 1, |start, _| wave(start, 1));
        assert_eq!(late.pairs(&first, &[(1, 0)]).cases.len(), 4);
        // without times by truth alone
        let bare = ground(None, 2, |start, lead| wave((start + 1) % 4, lead));
        assert_eq!(bare.pairs(&ground(None, 2, wave), BOTH).left_out, 0);
        // truths that are missing on both sides are the same
        let gap = |start: usize, lead: usize| if start == 1 { f64::NAN } else { wave(start, lead) };
        assert_eq!(ground(None, 2, gap).pairs(&ground(None, 2, gap), BOTH).left_out, 0);
        assert_eq!(ground(None, 2, gap).pairs(&ground(None, 2, wave), BOTH).left_out, 1);
    }

    #[test]
    fn truths_of_other_precision_are_found_in_any_order() {
        let first = ground(Some(&[0.0, 1.0, 2.0, 3.0]), 2, wave);
        let hundredths = Resolution { absolute: 0.005, relative: 0.0 };
        let single = Resolution { absolute: 0.0, relative: f64::from(f32::EPSILON) / 2.0 };
        for (resolution, stored) in
            [(hundredths, (|x| (x * 100.0).round() / 100.0) as fn(f64) -> f64), (single, |x| f64::from(x as f32))]
        {
            let back = ground(Some(&[3.0, 2.0, 1.0, 0.0]), 2, |start, lead| stored(wave(3 - start, lead)));
            let back = Ground { resolution, ..back };
            assert_eq!(back.pairs(&first, BOTH).cases, turned());
            assert_eq!(first.pairs(&back, BOTH).left_out, 0);
            let bare = Ground { time: None, ..back };
            assert_eq!(bare.pairs(&first, BOTH).cases, turned());
        }
        // what is further off than the storage explains is another truth
        let off = ground(Some(&[0.0, 1.0, 2.0, 3.0]), 2, |start, lead| wave(start, lead) + 0.006);
        assert_eq!(Ground { resolution: hundredths, ..off }.pairs(&first, BOTH).left_out, 4);
    }

    #[test]
    fn times_are_compared_from_one_date_in_one_unit() {
        let first = ground(Some(&[0.0, 6.0, 12.0, 18.0]), 2, wave);
        let of = |times: &[f64], units: &str| {
            let time = Some(Clock::new(times.to_vec(), Some(units), None));
            Ground { time, ..ground(Some(times), 2, wave) }
        };
        for (times, units, left_out) in [
            ([1.0, 1.25, 1.5, 1.75], "days since 1999-12-31", 0),
            ([0.0, 6.0, 12.0, 18.0], "hours since 1999-12-31", 4),
            ([1.0, 7.0, 13.0, 19.0], "hours since 2000-01-01", 4),
            ([3600.0, 25_200.0, 46_800.0, 68_400.0], "seconds since 1999-12-31 23:00", 0),
            ([0.0, 6.0, 12.0, 18.0], "hours", 4),
        ] {
            assert_eq!(of(&times, units).pairs(&first, BOTH).left_out, left_out, "{units}");
        }
    }
}
