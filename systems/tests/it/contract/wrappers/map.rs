//! The map F(z) = U z + c l V sin(W z / l + b) against its definition.

use super::*;

fn curved() -> Embedding {
    Embedding::new(3, 17, 5, 1.5, 10.0, Key::new(3, Domain::Data))
}

#[test]
fn an_orthonormal_map_keeps_distances() {
    let map = Embedding::new(3, 50, 0, 0.0, 1.0, Key::new(3, Domain::Data));
    assert!(map.is_orthonormal() && !curved().is_orthonormal());
    let z = normals(0, 30, 3) * 10.0;
    let x = map.apply(z.view());
    for i in 0..30 {
        for j in 0..i {
            let distance = |a: &Array2<f64>| (&a.row(i) - &a.row(j)).mapv(|v| v * v).sum().sqrt();
            assert!((distance(&x) - distance(&z)).abs() < 1e-13 * distance(&z));
        }
    }
    let gram = map.frame().t().dot(&map.frame());
    assert!(largest(&(gram - Array2::<f64>::eye(3))) < 1e-15);
}

#[test]
fn the_left_inverse_is_exact_and_distances_never_shrink() {
    let (map, z) = (curved(), normals(0, 200, 3) * 25.0);
    let x = map.apply(z.view());
    assert!(largest(&(map.left_inverse(x.view()) - &z)) < 1e-12);
    let gap = |a: &Array2<f64>| (&a.slice(s![1.., ..]) - &a.slice(s![..-1, ..])).mapv(|v| v * v).sum_axis(Axis(1));
    let (before, after) = (gap(&z), gap(&x));
    assert!(before.iter().zip(&after).all(|(before, after)| after >= before), "the map is not expanding");
    // it bends: x does not lie in the span of U, and doubling z does not double x
    let flat = Embedding::new(3, 17, 5, 0.0, 10.0, Key::new(3, Domain::Data)).apply(z.view());
    let bend = &x - &flat;
    let size = (bend.mapv(|v| v * v).sum() / 200.0 / 5.0).sqrt();
    // each of the 5 waves has amplitude c l = 15 and so, over many turns, an rms of 15 / sqrt 2 = 10.6
    assert!((size - 15.0 / 2f64.sqrt()).abs() < 1.0, "{size}");
}

#[test]
fn the_jacobian_is_the_derivative_and_its_adjoint() {
    let (map, z, dz) = (curved(), normals(0, 20, 3) * 10.0, normals(1, 20, 3));
    let h = 1e-4;
    let difference = (map.apply((&z + &(&dz * h)).view()) - map.apply((&z - &(&dz * h)).view())) / (2.0 * h);
    let tangent = map.tangent(z.view(), dz.view());
    // centred differences: h^2/6 times a third derivative of c |w dz|^3 / l^2, and rounding of 1e-15 x 40 / h
    assert!(largest(&(&tangent - &difference)) < 1e-8, "{}", largest(&(tangent - difference)));
    let v = normals(2, 20, 17);
    let adjoint = map.adjoint(z.view(), v.view());
    for member in 0..20 {
        let (left, right) = (tangent.row(member).dot(&v.row(member)), dz.row(member).dot(&adjoint.row(member)));
        assert!((left - right).abs() < 1e-13 * (1.0 + left.abs()) * 10.0, "{left} {right}");
    }
}

/// Of a uniform frame each squared entry has mean 1/n and variance 2 (n - 1) / (n^2 (n + 2)); entries of a column sum to 1.
#[test]
fn frames_are_uniform_over_seeds() {
    let n = 6;
    let first = |seed| Embedding::new(2, n, 0, 0.0, 1.0, Key::new(seed, Domain::Data)).frame();
    let entries: Vec<f64> = (0..4000).map(|seed| first(seed)[[3, 1]]).collect();
    let (mean, se) = mean_and_se(&entries);
    assert!(mean.abs() < 4.0 * se, "{mean} {se}");
    let squares: Vec<f64> = entries.iter().map(|u| u * u).collect();
    let (mean, se) = mean_and_se(&squares);
    assert!((mean - 1.0 / n as f64).abs() < 4.0 * se, "{mean} {se}");
}
