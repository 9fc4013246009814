//! Settings that methods of several families share.

use scorecast_systems::Param;

/// The setting `members` of every method.
pub(crate) const MEMBERS: Param = Param::int("members", 40, 2, "members of the ensemble");

/// Lists of settings one after the other, `N` of them in all.
pub(crate) const fn join<const N: usize>(lists: &[&[Param]]) -> [Param; N] {
    let mut all = [MEMBERS; N];
    let (mut list, mut count) = (0, 0);
    while list < lists.len() {
        let mut i = 0;
        while i < lists[list].len() {
            all[count] = lists[list][i];
            (i, count) = (i + 1, count + 1);
        }
        list += 1;
    }
    assert!(count == N, "N is the number of settings");
    all
}

/// The setting `members` of the methods that carry a mean and a covariance.
pub(crate) const DRAWS: Param = Param { about: "draws of the posterior to give beside its moments", ..MEMBERS };
