//! What is seen of a system, against the whole.

use super::*;

#[test]
fn what_is_seen_is_columns_of_the_whole() {
    let inside = [int("dim", 9), float("noise", 0.5)];
    let whole = system("lorenz96", &inside);
    let step = stepping("rk4", 0.05, 1);
    let all = simulate(Arc::clone(&whole), &step, 4, 20, 10, key(), |_, _| {}).unwrap();
    let components = ("components", Value::Indices(vec![1, 2, 7]));
    for (given, seen) in [
        (vec![int("stride", 3), int("offset", 1)], vec![1, 4, 7]),
        (vec![int("stride", 4)], vec![0, 4, 8]),
        (vec![components], vec![1, 2, 7]),
    ] {
        let partial = system("observe_partially", &[&[of("lorenz96", &inside)], &given[..]].concat());
        assert_eq!((partial.dim(), partial.partial().unwrap().visible), (3, &seen[..]));
        let made = simulate(Arc::clone(&partial), &step, 4, 20, 10, key(), |_, _| {}).unwrap();
        assert_eq!(made.states, all.states.select(Axis(2), &seen));
        assert_eq!(partial.initial(4, key()), whole.initial(4, key()).select(Axis(1), &seen));
        let Err(refused) = partial.forecaster(&step) else { panic!("there is a law of what is seen") };
        assert!(refused.to_string().contains("only 3 of 9 components are seen"), "{refused}");
    }
}

#[test]
fn a_ring_seen_evenly_is_a_ring() {
    let geometry = |dim, stride| {
        system("observe_partially", &[of("lorenz96", &[int("dim", dim)]), int("stride", stride)]).geometry()
    };
    assert_eq!(geometry(12, 3), scorecast_systems::Geometry::Ring);
    assert_eq!(geometry(13, 3), scorecast_systems::Geometry::Unstructured);
}

#[test]
fn observe_partially_says_what_does_not_fit() {
    let components = |list: &[usize]| mistake("observe_partially", &[("components", Value::Indices(list.to_vec()))]);
    assert!(components(&[]).contains("empty list"));
    assert!(components(&[0, 3]).contains("has 3, but the system inside has 3 components"));
    assert!(components(&[1, 1]).contains("in increasing order"));
    assert!(mistake("observe_partially", &[int("offset", 3)]).contains("take one below 3"));
}

/// A part of an embedded system with parameters of its own.
#[test]
fn a_part_of_a_nested_system_is_simulated() {
    let nested = of("embed", &[of("perturb_parameters", &[]), float("noise", 0.1)]);
    let partial = system("observe_partially", &[nested, int("stride", 2)]);
    let made = simulate(partial, &usual("observe_partially", &[]), 5, 10, 10, key(), |_, _| {}).unwrap();
    assert_eq!(made.states.dim(), (5, 11, 3));
    assert!(made.states.iter().all(|value| value.is_finite()));
}
