//! How windows grow, move and end, and which sets they use; without a forecaster.

use ndarray::{Array1, array};

use super::*;
use crate::observe::{GaussianError, NoiseLaw, ObservationOperator, Stride};
use crate::state::{Owner, Saved, State, open, seal};

fn stride(offset: usize, sd: f64) -> Stride {
    Stride::new(6, 2, offset, &|dim| Ok(Box::new(GaussianError::new(&[sd], dim)?) as Box<dyn NoiseLaw>)).unwrap()
}

/// Takes in a set of three values.
fn push(window: &mut Window, step: usize, values: &Array1<f64>, operator: &dyn ObservationOperator) {
    window.push(&ObservationSet { step, time: 0.1 * step as f64, values: values.view(), operator });
}

fn owner(lag: usize, shift: usize) -> Owner {
    Owner::new("ienks").with("lag", lag).with("shift", shift)
}

/// The lead steps that leave when sets come at `steps`; the window is saved and restored after each.
fn run(lag: usize, shift: usize, steps: &[usize]) -> Vec<(usize, Vec<usize>)> {
    let (operator, values) = (stride(0, 1.0), array![1.0, f64::NAN, 3.0]);
    let (mut window, mut out) = (Window::new(lag, shift, 7), Vec::new());
    for (at, &step) in steps.iter().enumerate() {
        push(&mut window, step, &values, &operator);
        assert_eq!(window.legs().last().map(|(_, to)| to), Some(step));
        assert_eq!(window.legs().next().map(|(from, _)| from), Some(window.start));
        assert_eq!(window.is_due(), (at + 1).is_multiple_of(shift));
        let mut left = Vec::new();
        if window.is_due() {
            assert_eq!(window.sets.len(), lag.min(at + 1));
            let leaving = window.leaving();
            window.mark_used(at.is_multiple_of(2));
            for _ in 0..leaving {
                left.extend(window.smoothed());
                window.slide();
            }
        }
        out.push((window.sets.len(), left));
        assert!(window.sets.len() < lag && window.present() == step);
        let saved = seal(&owner(lag, shift), &[&window]);
        let mut again = Window::default();
        open(&saved, &owner(lag, shift), &mut [&mut again as &mut dyn Saved]).unwrap();
        assert_eq!(seal(&owner(lag, shift), &[&again]), saved);
        for (lag, shift) in [(lag + 1, shift), (lag + 1, shift + 1)] {
            assert!(open(&saved, &owner(lag, shift), &mut [&mut again as &mut dyn Saved]).is_err());
            assert!(window.check(&owner(lag, shift)).is_err());
        }
    }
    let mut left: Vec<usize> = window.smoothed().into_iter().collect();
    left.extend(window.ends());
    out.push((0, left));
    out
}

#[test]
fn each_time_leaves_once_and_a_restored_window_goes_on() {
    for lag in 1..7 {
        for shift in 1..=lag {
            let left: Vec<usize> =
                run(lag, shift, &[9, 9, 12, 15, 20, 21]).into_iter().flat_map(|(_, left)| left).collect();
            // the two sets of step 9 are one time, also where the last window did not move past the first of them
            let once: Vec<usize> = if left.starts_with(&[9, 9]) { left[1..].to_vec() } else { left };
            assert_eq!(once, [9, 12, 15, 20, 21], "lag {lag}, shift {shift}");
        }
    }
}

#[test]
fn windows_grow_by_the_shift_then_by_the_remainder_and_hold_lag_sets_from_then_on() {
    let steps: Vec<usize> = (8..17).collect();
    // lag 5, shift 2: analyses of 2, 4, 5, 5 sets, after which 0, 1, 2, 2 sets leave; the first start is no set
    let found = run(5, 2, &steps);
    let held: Vec<usize> = found.iter().map(|(held, _)| *held).collect();
    assert_eq!(held, [1, 2, 3, 3, 4, 3, 4, 3, 4, 0]);
    let left: Vec<&[usize]> = found.iter().map(|(_, left)| left.as_slice()).collect();
    let none: &[usize] = &[];
    assert_eq!(left, [none, none, none, none, none, &[8, 9], none, &[10, 11], none, &[12, 13, 14, 15, 16]]);
    // without overlap the last set of a window is the start of the next one
    let found = run(3, 3, &steps);
    let left: Vec<&[usize]> = found.iter().map(|(_, left)| left.as_slice()).collect();
    assert_eq!(left, [none, none, &[8, 9], none, none, &[10, 11, 12], none, none, &[13, 14, 15], &[16]]);
}

#[test]
fn each_set_is_used_in_as_many_windows_as_is_said() {
    let (operator, values) = (stride(0, 1.0), array![1.0, f64::NAN, 3.0]);
    for lag in 1..9 {
        for shift in 1..=lag {
            let mut window = Window::new(lag, shift, 0);
            // by the lead step, which is the number of the set
            let mut said = std::collections::BTreeMap::new();
            for step in 1..60 {
                push(&mut window, step, &values, &operator);
                if !window.is_due() {
                    continue;
                }
                for (leg, end) in window.ends().enumerate() {
                    let (used, all) = window.uses(leg);
                    let (so_far, first) = said.get(&end).copied().unwrap_or((0, all));
                    assert_eq!((used, all), (so_far, first), "lag {lag}, shift {shift}, set {end}");
                    said.insert(end, (used + 1, all));
                }
                let leaving = window.leaving();
                window.mark_used(true);
                (0..leaving).for_each(|_| window.slide());
            }
            // of those that have left
            let left = said.iter().filter(|(end, _)| **end <= window.start);
            assert!(left.clone().count() > 40 && left.clone().all(|(_, (used, all))| used == all));
        }
    }
}

#[test]
fn what_is_no_window_is_refused() {
    let (operator, values) = (stride(0, 1.0), array![1.0, f64::NAN, 3.0]);
    let mut good = Window::new(3, 1, 7);
    for step in [9, 12] {
        push(&mut good, step, &values, &operator);
        good.mark_used(true);
    }
    good.after_set = true;
    assert!(good.check(&owner(3, 1)).is_ok());
    let bad: [fn(&mut Window); 9] = [
        |w| w.lag = 2,
        |w| w.lag = 0,
        |w| w.shift = 0,
        |w| w.shift = 2,
        |w| w.waiting = 1,
        |w| w.sets.push(w.sets[1].clone()),
        |w| w.start = 10,
        |w| w.sets[0].step = 6,
        |w| w.sets[1].step = 8,
    ];
    for (at, bad) in bad.iter().enumerate() {
        let mut window = good.clone();
        bad(&mut window);
        assert!(window.check(&owner(3, 1)).is_err(), "mistake {at}");
    }
    // with a shift, where one of the two sets waits
    let good = Window { shift: 2, waiting: 1, ..good };
    assert!(good.check(&owner(3, 2)).is_ok() && good.check(&owner(3, 1)).is_err());
    let bad: [fn(&mut Window); 7] = [
        |w| w.shift = 3,
        |w| w.shift = 1,
        |w| w.shift = usize::MAX,
        |w| w.waiting = 2,
        |w| w.waiting = 0,
        |w| w.sets.clear(),
        |w| w.sets.push(w.sets[1].clone()),
    ];
    for (at, bad) in bad.iter().enumerate() {
        let mut window = good.clone();
        bad(&mut window);
        assert!(window.check(&owner(3, 2)).is_err(), "mistake {at} with a shift");
    }
}

#[test]
fn refusals_name_the_settings_and_only_values_are_waited_for() {
    let (operator, other) = (stride(0, 1.0), stride(0, 1.5));
    let (values, nothing) = (array![1.0, 2.0, 3.0], array![f64::NAN, f64::NAN, f64::NAN]);
    let mut window = Window::new(4, 2, 0);
    for (step, values) in [(2, &values), (3, &values), (4, &nothing)] {
        push(&mut window, step, values, &operator);
    }
    // as a window of this shift, where all sets but the first wait, or all are used again
    let of = |shift| Window { shift, waiting: 2, ..window.clone() };
    assert!(of(3).require_same(&operator, false, "ienks").is_ok());
    let refused = |shift, mda| of(shift).require_same(&other, mda, "ienks").unwrap_err().to_string();
    assert!(refused(1, true).ends_with("set mda to false") && refused(3, false).ends_with("set shift to 1"));
    assert!(refused(2, true).ends_with("set mda to false and shift to 1"));
    let waiting = |count| Window { waiting: count, ..window.clone() }.require_none_waits("ienks");
    assert!(waiting(1).is_ok() && waiting(2).is_err());
    // the first is used already
    window.waiting = 2;
    let newest = ObservationSet { step: 5, time: 0.5, values: values.view(), operator: &operator };
    window.push(&newest);
    let found: Vec<_> = window.to_use(&operator, false).iter().map(|set| (set.leg, set.observed.step)).collect();
    assert_eq!(found, [(1, 3), (3, 5)]);
    let found: Vec<_> = window.to_use(&operator, true).iter().map(|set| (set.leg, set.observed.step)).collect();
    assert_eq!(found, [(0, 2), (1, 3), (3, 5)]);
}
