//! The order of each integrator, measured for each kind of noise it steps: the slope of log2 of an error against log2 of
//! the step, within .15 of theory. All steps read one Brownian path, with its time integral.
//!
//! Strong: the mean over paths of |x - x_exact| at time 1. Weak: |mean of phi(x) - phi(x_exact)| with phi = |x|^2,
//! where
//! both follow the same path; without that coupling the noise of the mean would hide the difference. Where the exact
//! solution is not known a path eight times finer stands in for it.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::equations;

use std::sync::Arc;

use equations::*;
use scorecast_systems::brownian::{BrownianPath, Owner};
use scorecast_systems::integrate::{CLASSICAL, EULER, HEUN, Integrator, RungeKutta, SRA1, TSITOURAS};
use scorecast_systems::integrate::{TSITOURAS_ERROR, Tableau, Workspace, integrator};
use scorecast_systems::{Domain, Increment, Key, LANES, Noise, Sde};

type Block = Vec<[f64; LANES]>;

enum Quantity {
    /// Strong error over this many blocks of paths; one is enough without noise.
    Strong(u64),
    /// Weak error over this many blocks of paths.
    Weak(u64),
}
use Quantity::{Strong, Weak};

/// Builds the integrator of that name; `tsitouras` is the pair's scheme of order 5 in fixed steps.
fn scheme(name: &str, equation: &Equation, dt: f64) -> Box<dyn Integrator> {
    let sde: Arc<dyn Sde> = Arc::new(*equation);
    match name {
        "tsitouras" => Box::new(RungeKutta::new(sde, dt, &TSITOURAS)),
        name => integrator(name, sde, dt).unwrap(),
    }
}

fn owner(block: u64) -> Owner {
    Owner { key: Key::new(9, Domain::Score).at(block), members: 0..LANES }
}

/// The state at time 1 after `steps` equal steps along path `block`, or along its mirror image where `sign` is -1.
fn run(name: &str, equation: &Equation, steps: usize, (block, sign): (u64, f64)) -> Block {
    let scheme = scheme(name, equation, 1.0 / steps as f64);
    let (wiener, integrals) = (equation.wiener_dim(), scheme.reads_integrals());
    let (mut path, mut increment) =
        (BrownianPath::new(wiener, 1.0, steps, integrals), Increment::new(wiener, integrals));
    let owner = owner(block);
    let (mut x, mut work) = (equation.start(), Workspace::new(&*scheme, equation.dim));
    for step in 0..steps {
        path.read(step, &owner, &mut increment);
        increment.dw.iter_mut().chain(&mut increment.dz).flatten().for_each(|value| *value *= sign);
        scheme.step_block(step as f64 / steps as f64, &mut x, &increment, &mut work);
    }
    x
}

/// The exact state at time 1 along the same path, or that of the best scheme in `steps` steps.
fn reference(name: &str, equation: &Equation, steps: usize, (block, sign): (u64, f64)) -> Block {
    let wiener = equation.wiener_dim();
    let (mut path, mut whole) = (BrownianPath::new(wiener, 1.0, 1, false), Increment::new(wiener, false));
    path.read(0, &owner(block), &mut whole);
    whole.dw.iter_mut().flatten().for_each(|value| *value *= sign);
    let (name, steps) = match equation.noise {
        Noise::None => ("tsitouras", 4096),
        noise if noise.is_constant() => ("sra1", 8 * steps),
        _ => (name, 8 * steps),
    };
    equation.solution(&whole.dw).unwrap_or_else(|| run(name, equation, steps, (block, sign)))
}

/// |x - exact| or phi(x) - phi(exact), lane by lane.
fn differences(quantity: &Quantity, x: &Block, exact: &Block) -> Vec<f64> {
    let norm = |of: &dyn Fn(usize) -> f64| (0..x.len()).map(|i| of(i).powi(2)).sum::<f64>();
    let one = |lane: usize| match quantity {
        Strong(_) => norm(&|i| x[i][lane] - exact[i][lane]).sqrt(),
        Weak(_) => norm(&|i| x[i][lane]) - norm(&|i| exact[i][lane]),
    };
    (0..LANES).map(one).collect()
}

/// The differences from the exact state in each number of steps. With weak errors each path stands with its mirror image,
/// so that the part of the strong error that is odd in W cancels.
fn one_block((name, equation, quantity): (&str, &Equation, &Quantity), steps: &[usize], block: u64) -> Vec<Vec<f64>> {
    let along = |sign: f64| -> Vec<Vec<f64>> {
        let exact = reference(name, equation, steps[steps.len() - 1], (block, sign));
        steps.iter().map(|n| differences(quantity, &run(name, equation, *n, (block, sign)), &exact)).collect()
    };
    let mut found = along(1.0);
    if let Weak(_) = quantity {
        let mirrored = along(-1.0).into_iter().flatten();
        found.iter_mut().flatten().zip(mirrored).for_each(|(a, b)| *a = 0.5 * (*a + b));
    }
    found
}

/// Least-squares slope of log2(error) against log2(step).
fn slope(errors: &[(f64, f64)]) -> f64 {
    let points: Vec<_> = errors.iter().map(|(step, error)| (step.log2(), error.log2())).collect();
    let n = points.len() as f64;
    let (mx, my) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let sxy: f64 = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    sxy / points.iter().map(|p| (p.0 - mx).powi(2)).sum::<f64>()
}

/// The measured order; a weak error must stand out of its standard error five times.
fn order(name: &str, equation: &Equation, quantity: &Quantity, finest: usize) -> f64 {
    let steps = [finest / 8, finest / 4, finest / 2, finest];
    let (Strong(blocks) | Weak(blocks)) = *quantity;
    let mut found: [Vec<f64>; 4] = Default::default();
    for block in 0..blocks {
        let errors = one_block((name, equation, quantity), &steps, block);
        found.iter_mut().zip(errors).for_each(|(found, errors)| found.extend(errors));
    }
    let errors = found.iter().zip(steps).map(|(found, steps)| {
        let n = found.len() as f64;
        let mean = found.iter().sum::<f64>() / n;
        let se = (found.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / n / n).sqrt();
        let clear = mean.abs() > 5.0 * se || matches!(quantity, Strong(_));
        assert!(clear, "{name}: weak error {mean} +- {se} in {steps} steps");
        (1.0 / steps as f64, mean.abs())
    });
    slope(&errors.collect::<Vec<_>>())
}

fn check(rows: &[(&str, &str, Equation, Quantity, usize, f64)]) {
    let mut wrong = Vec::new();
    for (name, noise, equation, quantity, finest, expected) in rows {
        let found = order(name, equation, quantity, *finest);
        let what = if matches!(quantity, Strong(_)) { "strong" } else { "weak" };
        println!("{name:>15}  {noise:<26} {what:<7} {expected:.1}  {found:.3}");
        if (found - expected).abs() >= 0.15 {
            wrong.push(format!("{name}, {noise} noise: {what} order {found}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Butcher (1964); Tsitouras (2011). SRA1 and SRI1 have deterministic order 2 (Roessler 2010, tables 6.2 and 6.3).
#[test]
fn deterministic_orders() {
    check(&[
        ("euler_maruyama", "no", PLAIN, Strong(1), 1024, 1.0),
        ("milstein", "no", PLAIN, Strong(1), 1024, 1.0),
        ("heun", "no", PLAIN, Strong(1), 256, 2.0),
        ("sra1", "no", PLAIN, Strong(1), 256, 2.0),
        ("sri1", "no", PLAIN, Strong(1), 256, 2.0),
        ("rk4", "no", PLAIN, Strong(1), 128, 4.0),
        ("tsitouras", "no, linear", ROTATION, Strong(1), 128, 5.0),
        ("euler_maruyama", "no, time-dependent", DRIVEN, Strong(1), 1024, 1.0),
        ("heun", "no, time-dependent", DRIVEN, Strong(1), 256, 2.0),
        ("sra1", "no, time-dependent", DRIVEN, Strong(1), 256, 2.0),
        ("rk4", "no, time-dependent", DRIVEN, Strong(1), 128, 4.0),
    ]);
}

/// Kloeden and Platen (1992), 10.2 and 10.3; Ruemelin (1982); Roessler (2010).
#[test]
fn strong_orders_with_constant_noise() {
    check(&[
        ("euler_maruyama", "additive", ADDITIVE, Strong(16), 128, 1.0),
        ("milstein", "additive", ADDITIVE, Strong(16), 128, 1.0),
        ("heun", "additive", ADDITIVE, Strong(16), 128, 1.0),
        ("rk4", "additive", ADDITIVE, Strong(16), 128, 1.0),
        ("sra1", "additive", ADDITIVE, Strong(32), 512, 1.5),
        ("sri1", "additive", ADDITIVE, Strong(16), 512, 1.5),
        ("euler_maruyama", "constant matrix", MATRIX, Strong(16), 128, 1.0),
        ("heun", "constant matrix", MATRIX, Strong(16), 128, 1.0),
        ("rk4", "constant matrix", MATRIX, Strong(16), 128, 1.0),
        ("sra1", "constant matrix", MATRIX, Strong(32), 512, 1.5),
        ("euler_maruyama", "additive, time-dependent", ADDITIVE_IN_TIME, Strong(16), 128, 1.0),
        ("heun", "additive, time-dependent", ADDITIVE_IN_TIME, Strong(16), 128, 1.0),
        ("sra1", "additive, time-dependent", ADDITIVE_IN_TIME, Strong(32), 512, 1.5),
    ]);
}

/// Kloeden and Platen (1992), 10.2, 10.3 and 11.1; Ruemelin (1982): without commutativity no scheme that reads dW alone
/// has more than 1/2; Roessler (2010).
#[test]
fn strong_orders_with_multiplicative_noise() {
    check(&[
        ("euler_maruyama", "geometric Ito", GEOMETRIC_ITO, Strong(32), 256, 0.5),
        ("milstein", "geometric Ito", GEOMETRIC_ITO, Strong(32), 256, 1.0),
        ("sri1", "geometric Ito", GEOMETRIC_ITO, Strong(32), 256, 1.5),
        ("heun", "geometric Stratonovich", GEOMETRIC_STRATONOVICH, Strong(32), 256, 1.0),
        ("milstein", "geometric Stratonovich", GEOMETRIC_STRATONOVICH, Strong(32), 256, 1.0),
        ("euler_maruyama", "diagonal Ito", DIAGONAL_ITO, Strong(32), 256, 0.5),
        ("milstein", "diagonal Ito", DIAGONAL_ITO, Strong(32), 256, 1.0),
        ("sri1", "diagonal Ito", DIAGONAL_ITO, Strong(32), 256, 1.5),
        ("heun", "diagonal Stratonovich", DIAGONAL_STRATONOVICH, Strong(32), 256, 1.0),
        ("milstein", "diagonal Stratonovich", DIAGONAL_STRATONOVICH, Strong(32), 256, 1.0),
        ("euler_maruyama", "commutative Ito", COMMUTATIVE_ITO, Strong(32), 256, 0.5),
        ("milstein", "commutative Ito", COMMUTATIVE_ITO, Strong(32), 256, 1.0),
        ("heun", "commutative Stratonovich", COMMUTATIVE_STRATONOVICH, Strong(32), 256, 1.0),
        ("milstein", "commutative Stratonovich", COMMUTATIVE_STRATONOVICH, Strong(32), 256, 1.0),
        ("sri1", "single Ito", SINGLE_ITO, Strong(32), 256, 1.5),
        ("milstein", "single Ito", SINGLE_ITO, Strong(32), 256, 1.0),
        ("euler_maruyama", "general Ito", GENERAL_ITO, Strong(32), 256, 0.5),
        ("heun", "general Stratonovich", GENERAL_STRATONOVICH, Strong(32), 256, 0.5),
    ]);
}

/// Kloeden and Platen (1992), 14 and 15: 1 for Euler, Milstein and Heun; 2 for schemes that contain the terms of the weak
/// Taylor scheme of order 2, which the strong one of order 3/2 does.
#[test]
fn weak_orders_with_multiplicative_noise() {
    check(&[
        ("euler_maruyama", "geometric Ito", GEOMETRIC_ITO, Weak(500), 64, 1.0),
        ("milstein", "geometric Ito", GEOMETRIC_ITO, Weak(300), 64, 1.0),
        ("sri1", "geometric Ito", GEOMETRIC_ITO, Weak(1000), 32, 2.0),
        ("heun", "geometric Stratonovich", GEOMETRIC_STRATONOVICH, Weak(300), 64, 1.0),
        ("milstein", "geometric Stratonovich", GEOMETRIC_STRATONOVICH, Weak(300), 64, 1.0),
    ]);
}

/// The same for constant noise: 2 for Heun and SRA1; rk4 with its noise once a step splits drift and noise, which has
/// order 1.
#[test]
fn weak_orders_with_constant_noise() {
    check(&[
        ("euler_maruyama", "additive", GENTLE, Weak(30), 64, 1.0),
        ("rk4", "additive", GENTLE, Weak(30), 64, 1.0),
        ("heun", "additive", GENTLE, Weak(200), 64, 2.0),
        ("sra1", "additive", GENTLE, Weak(20), 128, 2.0),
        ("sra1", "constant matrix", GENTLE_MATRIX, Weak(30), 128, 2.0),
    ]);
}

/// The rooted-tree conditions up to order 5 (Butcher 1964), as sum_i b_i (value of the tree at i) = 1 / its density, for
/// the schemes and for the embedded weights of order 4; stages stand where their rows say.
#[test]
fn tableaus_satisfy_the_order_conditions() {
    let embedded: Vec<f64> = TSITOURAS.b.iter().zip(TSITOURAS_ERROR).map(|(b, error)| b - error).collect();
    let rows: [(&Tableau, &[f64], usize); 6] = [
        (&EULER, EULER.b, 1),
        (&HEUN, HEUN.b, 2),
        (&SRA1, SRA1.b, 2),
        (&CLASSICAL, CLASSICAL.b, 4),
        (&TSITOURAS, TSITOURAS.b, 5),
        (&TSITOURAS, &embedded, 4),
    ];
    for (tableau, b, order) in rows {
        let s = b.len();
        let apply = |v: &dyn Fn(usize) -> f64| -> Vec<f64> {
            (0..s).map(|i| tableau.a[i].iter().enumerate().map(|(j, a)| a * v(j)).sum()).collect()
        };
        let c = apply(&|_| 1.0);
        assert!(c.iter().zip(tableau.c).all(|(row, c)| (row - c).abs() < 1e-14), "{tableau:?}");
        let (ac, ac2, ac3) = (apply(&|i| c[i]), apply(&|i| c[i].powi(2)), apply(&|i| c[i].powi(3)));
        let (aac, aac2) = (apply(&|i| ac[i]), apply(&|i| ac2[i]));
        let (acac, aaac) = (apply(&|i| c[i] * ac[i]), apply(&|i| aac[i]));
        let trees: [(usize, f64, Value); 17] = [
            (1, 1.0, &|_| 1.0),
            (2, 2.0, &|i| c[i]),
            (3, 3.0, &|i| c[i].powi(2)),
            (3, 6.0, &|i| ac[i]),
            (4, 4.0, &|i| c[i].powi(3)),
            (4, 8.0, &|i| c[i] * ac[i]),
            (4, 12.0, &|i| ac2[i]),
            (4, 24.0, &|i| aac[i]),
            (5, 5.0, &|i| c[i].powi(4)),
            (5, 10.0, &|i| c[i].powi(2) * ac[i]),
            (5, 15.0, &|i| c[i] * ac2[i]),
            (5, 30.0, &|i| c[i] * aac[i]),
            (5, 20.0, &|i| ac[i].powi(2)),
            (5, 20.0, &|i| ac3[i]),
            (5, 40.0, &|i| acac[i]),
            (5, 60.0, &|i| aac2[i]),
            (5, 120.0, &|i| aaac[i]),
        ];
        for (nodes, density, tree) in trees.iter().filter(|(nodes, ..)| *nodes <= order) {
            let sum: f64 = (0..s).map(|i| b[i] * tree(i)).sum();
            assert!((sum - 1.0 / density).abs() < 1e-13, "tree of {nodes} nodes, density {density}: {sum}");
        }
        let next: f64 = (0..s).map(|i| b[i] * c[i].powi(order as i32)).sum();
        assert!((next - 1.0 / (order as f64 + 1.0)).abs() > 1e-6, "a scheme of order {order} is of no higher one");
    }
}

/// The value of a tree at stage i.
type Value<'a> = &'a dyn Fn(usize) -> f64;

/// The steps that are written out are those of their tableaus.
#[test]
fn written_schemes_are_their_tableaus() {
    for (name, tableau) in [("euler_maruyama", &EULER), ("heun", &HEUN), ("rk4", &CLASSICAL), ("milstein", &EULER)] {
        for equation in [PLAIN, DRIVEN, ADDITIVE, MATRIX, ADDITIVE_IN_TIME] {
            let generic = RungeKutta::new(Arc::new(equation), 0.1, tableau);
            let written = scheme(name, &equation, 0.1);
            let dw = vec![std::array::from_fn(|lane| 0.1 * lane as f64 - 0.3); equation.wiener_dim()];
            let step = |scheme: &dyn Integrator| {
                let (mut x, mut work) = (equation.start(), Workspace::new(scheme, 2));
                scheme.step_block(0.4, &mut x, &Increment { dw: dw.clone(), dz: Vec::new() }, &mut work);
                x
            };
            let (a, b) = (step(&generic), step(&*written));
            assert!(a.iter().flatten().zip(b.iter().flatten()).all(|(a, b)| (a - b).abs() < 1e-14), "{name}");
        }
    }
}

/// What each integrator steps, and where it sends whom it does not; `tsit5` also refuses equations that know the time.
#[test]
fn an_integrator_of_the_wrong_noise_or_calculus_is_refused() {
    const NOT: [(&str, &[(&str, &str)]); 7] = [
        ("rk4", &MULTIPLICATIVE),
        ("sra1", &MULTIPLICATIVE),
        (
            "tsit5",
            &[
                ("no, time-dependent", "rk4"),
                ("additive", "sra1"),
                ("constant matrix", "sra1"),
                ("diagonal Ito", "sri1"),
                ("diagonal Stratonovich", "milstein"),
                ("commutative Ito", "milstein"),
                ("commutative Stratonovich", "milstein"),
                ("single Ito", "milstein"),
                ("general Ito", "euler_maruyama"),
                ("general Stratonovich", "heun"),
            ],
        ),
        (
            "euler_maruyama",
            &[
                ("diagonal Stratonovich", "milstein"),
                ("commutative Stratonovich", "milstein"),
                ("general Stratonovich", "heun"),
            ],
        ),
        (
            "heun",
            &[
                ("diagonal Ito", "sri1"),
                ("commutative Ito", "milstein"),
                ("single Ito", "milstein"),
                ("general Ito", "euler_maruyama"),
            ],
        ),
        ("milstein", &[("general Ito", "euler_maruyama"), ("general Stratonovich", "heun")]),
        (
            "sri1",
            &[
                ("diagonal Stratonovich", "milstein"),
                ("commutative Ito", "milstein"),
                ("commutative Stratonovich", "milstein"),
                ("general Ito", "euler_maruyama"),
                ("general Stratonovich", "heun"),
            ],
        ),
    ];
    const MULTIPLICATIVE: [(&str, &str); 7] = [
        ("diagonal Ito", "sri1"),
        ("diagonal Stratonovich", "milstein"),
        ("commutative Ito", "milstein"),
        ("commutative Stratonovich", "milstein"),
        ("single Ito", "milstein"),
        ("general Ito", "euler_maruyama"),
        ("general Stratonovich", "heun"),
    ];
    for (name, refused) in NOT {
        for (noise, equation) in EQUATIONS {
            let built = integrator(name, Arc::new(*equation), 0.1);
            let remedy = refused.iter().find(|(refused, _)| refused == noise).map(|(_, remedy)| remedy);
            let sentence = built.err().map(|error| error.to_string());
            match (remedy, &sentence) {
                (None, None) => {}
                (Some(remedy), Some(sentence)) => {
                    assert!(sentence.ends_with(&format!("use `{remedy}`")), "{noise}: {sentence}");
                    assert!(integrator(remedy, Arc::new(*equation), 0.1).is_ok(), "{remedy} steps {noise} noise");
                }
                _ => panic!("{name}, {noise} noise: {sentence:?}"),
            }
        }
    }
    let unknown = integrator("rk5", Arc::new(PLAIN), 0.1).err().unwrap().to_string();
    assert!(unknown.contains("did you mean `rk4`?"), "{unknown}");
}
