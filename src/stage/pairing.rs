//! Which cases of two files are the same ones: of the same time, the same lead time and the same truth.
//!
//! A case of one file is paired with the first case of the other that is of its time and whose truth is, at every lead time that
//! both have, the same number; or, where files differ in the precision of what they store, with the case at its own place if the
//! truths agree to six digits of their spread. A file without times is matched by its truths alone.

use std::collections::{HashMap, HashSet};

use ndarray::{Array4, ArrayView1, s};

/// What the cases of a file are of.
pub struct Ground {
    /// What happened, `[case, start, lead, component]`; NaN is missing.
    pub truth: Array4<f64>,
    /// The times of the starts, and the lead times, where the file has them.
    pub times: [Option<Vec<f64>>; 2],
    /// The units of both as the file says them.
    pub units: [Option<String>; 2],
}

/// A case: its trajectory and its start.
type Place = (usize, usize);

/// The cases and leads of a file that another has too.
pub struct Pairs {
    /// Place in the other file and place in this one, in the order of the other.
    pub cases: Vec<(Place, Place)>,
    /// Lead in the other file and lead in this one.
    pub leads: Vec<(usize, usize)>,
    /// How many cases of this file have no counterpart, and how many leads.
    pub left_out: [usize; 2],
}

impl Pairs {
    /// Whether every case is where it is in the other file.
    pub fn are_in_place(&self) -> bool {
        self.left_out == [0, 0]
            && self.cases.iter().all(|(other, own)| other == own)
            && self.leads.iter().all(|(other, own)| other == own)
    }
}

impl Ground {
    /// The cases that the file `first` has too.
    pub fn pairs(&self, first: &Self) -> Pairs {
        let leads = self.leads(first);
        let timed = self.is_timed_as(first);
        let (own_cases, own_starts, own_leads, width) = self.truth.dim();
        let mut left: HashMap<Vec<u64>, Vec<Place>> = HashMap::new();
        // popped from the end: the first of several comes first
        for place in first.places().into_iter().rev().filter(|_| first.truth.dim().3 == width) {
            let key = first.key(place, timed, leads.iter().map(|(other, _)| *other));
            left.entry(key).or_default().push(place);
        }
        let mut cases = Vec::new();
        let mut unpaired = Vec::new();
        for place in self.places().into_iter().filter(|_| !leads.is_empty()) {
            match left.get_mut(&self.key(place, timed, leads.iter().map(|(_, own)| *own))).and_then(Vec::pop) {
                Some(other) => cases.push((other, place)),
                None => unpaired.push(place),
            }
        }
        let taken: HashSet<Place> = cases.iter().map(|(other, _)| *other).collect();
        let near = unpaired.into_iter().filter(|place| !taken.contains(place) && self.is_near(first, *place, &leads));
        cases.extend(near.map(|place| (place, place)).collect::<Vec<_>>());
        cases.sort_unstable();
        let left_out = [own_cases * own_starts - cases.len(), own_leads - leads.len()];
        Pairs { cases, leads, left_out }
    }

    fn places(&self) -> Vec<Place> {
        let (cases, starts, _, _) = self.truth.dim();
        (0..cases).flat_map(|case| (0..starts).map(move |start| (case, start))).collect()
    }

    /// The leads that both have: by their lead times, or by their order where a file has none.
    fn leads(&self, first: &Self) -> Vec<(usize, usize)> {
        let [own, other] = [self, first].map(|ground| ground.truth.dim().2);
        let (Some(own_times), Some(times)) = (&self.times[1], &first.times[1]) else {
            return (0..own.min(other)).map(|lead| (lead, lead)).collect();
        };
        if !same_units(&self.units[1], &first.units[1]) {
            return Vec::new();
        }
        let own_lead = |time: &f64| own_times.iter().position(|own| same_time(*own, *time));
        times.iter().enumerate().filter_map(|(lead, time)| Some((lead, own_lead(time)?))).collect()
    }

    /// Whether times can be compared: both files have some, in one unit.
    fn is_timed_as(&self, first: &Self) -> bool {
        self.times[0].is_some() && first.times[0].is_some() && same_units(&self.units[0], &first.units[0])
    }

    /// The bits of the time, if `timed`, and of the truth of a case at some leads.
    fn key(&self, (case, start): Place, timed: bool, leads: impl Iterator<Item = usize>) -> Vec<u64> {
        let bits = |value: f64| if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() };
        let time = self.times[0].as_ref().filter(|_| timed).map_or(0, |times| bits(times[start]));
        let truth = leads.flat_map(|lead| self.truth.slice(s![case, start, lead, ..]).into_iter().copied());
        [time].into_iter().chain(truth.map(bits)).collect()
    }

    /// Whether the case at a place is that of the other file there, but for the precision in which it is stored.
    fn is_near(&self, first: &Self, (case, start): Place, leads: &[(usize, usize)]) -> bool {
        let (cases, starts, _, width) = first.truth.dim();
        if case >= cases || start >= starts || width != self.truth.dim().3 {
            return false;
        }
        if let (true, [Some(own), Some(other)]) = (self.is_timed_as(first), [&self.times[0], &first.times[0]])
            && !same_time(own[start], other[start])
        {
            return false;
        }
        leads.iter().all(|&(other, own)| {
            let [own, other] =
                [(self, own), (first, other)].map(|(of, lead)| of.truth.slice(s![case, start, lead, ..]));
            alike(own, other)
        })
    }
}

fn same_units(a: &Option<String>, b: &Option<String>) -> bool {
    a.is_none() || b.is_none() || a == b
}

fn same_time(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(b.abs()).max(1e-6)
}

/// Whether truths differ by no more than the sixth digit of the largest of them.
fn alike(a: ArrayView1<f64>, b: ArrayView1<f64>) -> bool {
    let largest = b.iter().filter(|value| value.is_finite()).fold(0.0f64, |largest, value| largest.max(value.abs()));
    let same = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-6 * largest || a.is_nan() && b.is_nan() || a == b;
    a.len() == b.len() && a.iter().zip(b).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ground(times: Option<&[f64]>, leads: &[f64], truth: impl Fn(usize, usize) -> f64) -> Ground {
        let starts = times.map_or(4, <[f64]>::len);
        let truth = Array4::from_shape_fn((1, starts, leads.len(), 1), |(_, start, lead, _)| truth(start, lead));
        Ground { truth, times: [times.map(<[f64]>::to_vec), Some(leads.to_vec())], units: [None, None] }
    }

    #[test]
    fn cases_are_found_by_time_lead_and_truth_wherever_they_are() {
        let wave = |start: usize, lead: usize| (start as f64 * 0.7 + lead as f64).sin();
        let first = ground(Some(&[0.0, 1.0, 2.0, 3.0]), &[1.0, 2.0], wave);
        let turned = ground(Some(&[3.0, 2.0, 1.0, 0.0]), &[1.0, 2.0], |start, lead| wave(3 - start, lead));
        let pairs = turned.pairs(&first);
        assert_eq!(pairs.cases, (0..4).map(|start| ((0, start), (0, 3 - start))).collect::<Vec<_>>());
        assert!(pairs.left_out == [0, 0] && !pairs.are_in_place() && first.pairs(&first).are_in_place());
        // other times of the same truths, other truths at the same times, another lead
        assert_eq!(ground(Some(&[4.0, 5.0, 6.0, 7.0]), &[1.0, 2.0], wave).pairs(&first).left_out, [4, 0]);
        let other = |start, lead| wave(start, lead) + 1.0;
        assert_eq!(ground(Some(&[0.0, 1.0, 2.0, 3.0]), &[1.0, 2.0], other).pairs(&first).left_out, [4, 0]);
        let late = ground(Some(&[0.0, 1.0, 2.0, 3.0]), &[2.0, 10.0], |start, lead| wave(start, lead + 1));
        let pairs = late.pairs(&first);
        assert_eq!((pairs.leads.as_slice(), pairs.cases.len(), pairs.left_out), (&[(1, 0)][..], 4, [0, 1]));
        // without times by truth alone; in single precision by place
        let bare = ground(None, &[1.0, 2.0], |start, lead| wave((start + 1) % 4, lead));
        let nameless = Ground { times: [None, Some(vec![1.0, 2.0])], ..ground(None, &[1.0, 2.0], wave) };
        assert_eq!(bare.pairs(&nameless).left_out, [0, 0]);
        let single = ground(Some(&[0.0, 1.0, 2.0, 3.0]), &[1.0, 2.0], |s, l| f64::from(wave(s, l) as f32));
        assert!(single.pairs(&first).are_in_place());
    }
}
