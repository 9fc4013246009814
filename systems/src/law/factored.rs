//! A covariance C = diag(d) + W W^T for each member, told by d and W: r directions cost n r numbers a member, not n^2.

use ndarray::{Array2, Array3, ArrayView1, ArrayView2, Axis};

/// C_i = diag(d_i) + W_i W_i^T for each member i.
#[derive(Clone, Debug)]
pub struct FactoredCovariance {
    diagonal: Array2<f64>,
    factor: Array3<f64>,
}

impl FactoredCovariance {
    /// Of d, `[member, component]`, at least 0, and W, `[member, component, direction]`.
    pub fn new(diagonal: Array2<f64>, factor: Array3<f64>) -> Self {
        let (members, components, _) = factor.dim();
        assert_eq!(diagonal.dim(), (members, components), "d and W of the same members and components");
        Self { diagonal, factor }
    }

    /// d and W.
    pub fn into_factors(self) -> (Array2<f64>, Array3<f64>) {
        (self.diagonal, self.factor)
    }

    /// d, `[member, component]`.
    pub fn diagonal(&self) -> &Array2<f64> {
        &self.diagonal
    }

    /// W, `[member, component, direction]`.
    pub fn factor(&self) -> &Array3<f64> {
        &self.factor
    }

    /// The variances, `[member, component]`.
    pub fn variances(&self) -> Array2<f64> {
        &self.diagonal + &self.factor.map_axis(Axis(2), |row| row.dot(&row))
    }

    /// C of one member, `[component, component]`.
    pub fn of(&self, member: usize) -> Array2<f64> {
        let factor = self.factor.index_axis(Axis(0), member);
        factor.dot(&factor.t()) + Array2::from_diag(&self.diagonal.row(member))
    }

    /// H C of one member, for `h` `[value, component]`; C itself is not formed.
    pub fn times(&self, h: ArrayView2<f64>, member: usize) -> Array2<f64> {
        let factor = self.factor.index_axis(Axis(0), member);
        h.dot(&factor).dot(&factor.t()) + &h * &self.diagonal.row(member)
    }

    /// sum w_i C_i, `[component, component]`, for `weights` `[member]`.
    pub fn average(&self, weights: ArrayView1<f64>) -> Array2<f64> {
        let mut sum = Array2::from_diag(&weights.dot(&self.diagonal));
        for (factor, weight) in self.factor.outer_iter().zip(weights) {
            sum.scaled_add(*weight, &factor.dot(&factor.t()));
        }
        sum
    }

    /// The covariances of these members, in this order.
    #[must_use]
    pub fn select(&self, members: &[usize]) -> Self {
        Self { diagonal: self.diagonal.select(Axis(0), members), factor: self.factor.select(Axis(0), members) }
    }

    /// How many normals a draw takes of a member: one for each component, and then one for each direction.
    pub fn normals(&self) -> usize {
        self.diagonal.ncols() + self.factor.dim().2
    }

    /// d^(1/2) xi + W eta, member by member, `[member, component]`: a row of `normals` (`[member, component and then
    /// direction]`) has xi and, after it, eta.
    pub fn draw(&self, normals: ArrayView2<f64>) -> Array2<f64> {
        let (members, components) = self.diagonal.dim();
        assert_eq!(normals.dim(), (members, self.normals()), "a normal for each component and each direction");
        let (xi, eta) = normals.split_at(Axis(1), components);
        let mut drawn = self.diagonal.mapv(f64::sqrt) * xi;
        for ((mut row, factor), eta) in drawn.outer_iter_mut().zip(self.factor.outer_iter()).zip(eta.outer_iter()) {
            row += &factor.dot(&eta);
        }
        drawn
    }

    /// The covariances of components that are each `scale` times as large, `[member, component]` or what broadcasts to it.
    #[must_use]
    pub fn scaled(self, scale: ArrayView2<f64>) -> Self {
        let factor = self.factor * scale.insert_axis(Axis(2));
        Self { diagonal: self.diagonal * &(&scale * &scale), factor }
    }
}
