//! The table of per-case terms: what is measured once, and what every summary and every test reads.

/// Terms of one metric for one row of a result, by cluster and time.
///
/// A cluster is a trajectory or a replicate: clusters are independent of each other, times of one cluster may be
/// autocorrelated. A time is any index that orders the cases of a cluster (an analysis time, the start of a forecast).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    width: usize,
    keys: Vec<(usize, usize)>,
    values: Vec<f64>,
    marked: Vec<usize>,
}

impl Terms {
    /// An empty table of `width` terms a case.
    pub fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    /// The number of terms of a case.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The number of cases.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no case.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Adds the terms (`[terms]`) of one case. Cases may come in any order; each (cluster, time) comes once.
    pub fn push(&mut self, cluster: usize, time: usize, terms: &[f64]) {
        assert_eq!(terms.len(), self.width, "{} terms for a table of {}", terms.len(), self.width);
        let key = (cluster, time);
        match self.keys.last() {
            Some(last) if *last >= key => self.insert(key, terms),
            _ => {
                self.keys.push(key);
                self.values.extend_from_slice(terms);
            }
        }
    }

    /// Keeps the table sorted when a case comes out of order.
    fn insert(&mut self, key: (usize, usize), terms: &[f64]) {
        let place = self.keys.partition_point(|other| *other < key);
        assert!(self.keys.get(place) != Some(&key), "cluster {} has time {} twice", key.0, key.1);
        self.keys.insert(place, key);
        self.values.splice(place * self.width..place * self.width, terms.iter().copied());
    }

    /// Adds all cases of another table of the same metric (one replicate measured by another thread, say).
    pub fn append(&mut self, other: &Self) {
        other.rows().for_each(|(cluster, time, row)| self.push(cluster, time, row));
        other.marked.iter().for_each(|cluster| self.mark_diverged(*cluster));
    }

    /// The cases that `place` knows under another (cluster, time), under that one; a cluster that diverged did so wherever its
    /// cases are.
    #[must_use]
    pub fn placed(&self, place: &dyn Fn((usize, usize)) -> Option<(usize, usize)>) -> Self {
        let known = self.rows().filter_map(|(cluster, time, row)| Some((place((cluster, time))?, cluster, row)));
        let mut known: Vec<((usize, usize), usize, &[f64])> = known.collect();
        known.sort_unstable_by_key(|(key, ..)| *key);
        let mut placed = Self::new(self.width);
        for ((cluster, time), was, row) in known {
            placed.push(cluster, time, row);
            if self.marked.binary_search(&was).is_ok() {
                placed.mark_diverged(cluster);
            }
        }
        placed
    }

    /// Says that a cluster diverged by a criterion of the caller, though its terms are finite.
    pub fn mark_diverged(&mut self, cluster: usize) {
        if let Err(place) = self.marked.binary_search(&cluster) {
            self.marked.insert(place, cluster);
        }
    }

    /// Says that all clusters diverged by a criterion of the caller.
    pub fn mark_all_diverged(&mut self) {
        self.marked = self.keys.chunk_by(|a, b| a.0 == b.0).map(|cluster| cluster[0].0).collect();
    }

    /// The cases in order of (cluster, time), as (cluster, time, terms).
    pub fn rows(&self) -> impl Iterator<Item = (usize, usize, &[f64])> {
        self.keys.iter().zip(self.values.chunks(self.width.max(1))).map(|((cluster, time), row)| (*cluster, *time, row))
    }

    /// Whether any case or cluster diverged: then the row has no value, for a mean over survivors flatters.
    pub fn diverged(&self) -> bool {
        !self.marked.is_empty() || self.values.iter().any(|value| !value.is_finite())
    }

    /// The cases of the clusters that did not diverge. Their mean flatters: it is for comparison with survivors alone.
    pub fn survivors(&self) -> Self {
        let lost = self.lost();
        let mut kept = Self::new(self.width);
        let rows = self.rows().filter(|(cluster, _, _)| lost.binary_search(cluster).is_err());
        rows.for_each(|(cluster, time, row)| kept.push(cluster, time, row));
        kept
    }

    /// How many cases have a non-finite term.
    pub fn diverged_cases(&self) -> usize {
        self.rows().filter(|(_, _, row)| row.iter().any(|value| !value.is_finite())).count()
    }

    /// How many cases have a non-finite term or are of a cluster of which the caller says that it has diverged.
    pub fn lost_cases(&self) -> usize {
        let lost = |(cluster, _, row): &(usize, usize, &[f64])| {
            self.marked.binary_search(cluster).is_ok() || row.iter().any(|value| !value.is_finite())
        };
        self.rows().filter(lost).count()
    }

    /// How many clusters the caller says have diverged ([`Terms::mark_diverged`]).
    pub fn marked_clusters(&self) -> usize {
        self.marked.len()
    }

    /// How many clusters diverged: by a non-finite term or by [`Terms::mark_diverged`].
    pub fn diverged_clusters(&self) -> usize {
        self.lost().len()
    }

    /// The clusters that diverged, in order.
    fn lost(&self) -> Vec<usize> {
        let mut clusters = self.marked.clone();
        let bad = self.rows().filter(|(_, _, row)| row.iter().any(|value| !value.is_finite()));
        clusters.extend(bad.map(|(cluster, _, _)| cluster));
        clusters.sort_unstable();
        clusters.dedup();
        clusters
    }

    /// The number of clusters.
    pub fn clusters(&self) -> usize {
        self.keys.chunk_by(|a, b| a.0 == b.0).count()
    }

    /// The mean of each term over all cases, `[terms]`.
    pub fn means(&self) -> Vec<f64> {
        let mut means = vec![0.0; self.width];
        for (_, _, row) in self.rows() {
            means.iter_mut().zip(row).for_each(|(mean, value)| *mean += value);
        }
        means.iter_mut().for_each(|mean| *mean /= self.len() as f64);
        means
    }

    /// The cases that both tables have, in order, as (cluster, own terms, other's terms).
    pub fn matched<'a>(&'a self, other: &'a Self) -> Vec<(usize, &'a [f64], &'a [f64])> {
        let mut theirs = other.rows().peekable();
        let mut pairs = Vec::new();
        for (cluster, time, row) in self.rows() {
            while theirs.next_if(|(c, t, _)| (*c, *t) < (cluster, time)).is_some() {}
            if let Some((_, _, other)) = theirs.next_if(|(c, t, _)| (*c, *t) == (cluster, time)) {
                pairs.push((cluster, row, other));
            }
        }
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_may_come_in_any_order_and_tables_match_on_what_they_share() {
        let (mut a, mut b) = (Terms::new(1), Terms::new(1));
        [(1, 0), (0, 2), (0, 1), (1, 1)].iter().for_each(|(c, t)| a.push(*c, *t, &[(10 * c + t) as f64]));
        [(0, 2), (1, 1), (1, 2)].iter().for_each(|(c, t)| b.push(*c, *t, &[0.0]));
        let order: Vec<_> = a.rows().map(|(c, t, row)| (c, t, row[0])).collect();
        assert_eq!(order, [(0, 1, 1.0), (0, 2, 2.0), (1, 0, 10.0), (1, 1, 11.0)]);
        let shared: Vec<_> = a.matched(&b).iter().map(|(c, row, _)| (*c, row[0])).collect();
        assert_eq!(shared, [(0, 2.0), (1, 11.0)]);
    }

    #[test]
    fn divergence_is_counted_by_case_and_by_cluster() {
        let mut terms = Terms::new(2);
        terms.push(0, 0, &[1.0, f64::NAN]);
        terms.push(0, 1, &[f64::INFINITY, 0.0]);
        terms.push(1, 0, &[1.0, 1.0]);
        terms.push(2, 0, &[1.0, 1.0]);
        terms.mark_diverged(2);
        assert_eq!((terms.diverged_cases(), terms.diverged_clusters(), terms.clusters()), (2, 2, 3));
        let survivors = terms.survivors();
        assert_eq!((survivors.clusters(), survivors.diverged()), (1, false));
        assert_eq!(survivors.rows().collect::<Vec<_>>(), [(1, 0, &[1.0, 1.0][..])]);
    }
}
