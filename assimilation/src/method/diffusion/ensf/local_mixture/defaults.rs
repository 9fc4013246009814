//! Settings for a number of members: those that did best at 40, 100 and 400, and powers between.

/// A setting at 40, 100 and 400 members.
type Measured = [f64; 3];

const MEMBERS: Measured = [40.0, 100.0, 400.0];

/// The share of the variance that a kernel has.
pub(super) fn bandwidth(members: usize) -> f64 {
    between([0.7, 0.3, 0.2], members)
}

/// The radius of the covariance.
pub(super) fn radius(members: usize) -> f64 {
    between([4.0, 4.5, 6.0], members)
}

/// The radius of the weights.
pub(super) fn weight_radius(members: usize) -> f64 {
    between([1.5, 2.0, 2.5], members)
}

/// The setting for so many members, a power of them between two measured ones, and the same beyond them.
fn between([few, some, many]: Measured, members: usize) -> f64 {
    let members = (members as f64).clamp(MEMBERS[0], MEMBERS[2]);
    let (from, to, low, high) =
        if members < MEMBERS[1] { (MEMBERS[0], MEMBERS[1], few, some) } else { (MEMBERS[1], MEMBERS[2], some, many) };
    low * (high / low).powf((members / from).ln() / (to / from).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_the_measured_ones_there_and_between_them_between() {
        assert_eq!([40, 100, 400, 4000, 2].map(radius).map(|r| (r * 1e9).round() / 1e9), [4.0, 4.5, 6.0, 6.0, 4.0]);
        assert!((0.2..0.3).contains(&bandwidth(200)) && (0.3..0.7).contains(&bandwidth(60)));
    }
}
