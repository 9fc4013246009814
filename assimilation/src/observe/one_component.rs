//! Values that each read one component of a state, h(x)_j = f_j(x_l): what a method needs that updates such a component by the
//! likelihood p(y_j | x_l) as a function of one number.

/// The components that observed values read, and how.
pub trait OneComponent: Send + Sync {
    /// The one component of the present state that observed value `value` is a function of; none where there are several.
    fn component(&self, value: usize) -> Option<usize>;

    /// h(x) of observed value `value` at model time `t` where the component that it reads is `x`; NaN where it reads several.
    fn value_at(&self, t: f64, value: usize, x: f64) -> f64;

    /// h of the observed values from `first` on where the components that they read are `x`, in place of it, and its
    /// derivative by them into `slope`, for methods that go through many components together. Returns whether it can, which
    /// does not depend on how many there are; by default it cannot.
    fn linearize(&self, t: f64, first: usize, x: &mut [f64], slope: &mut [f64]) -> bool {
        let _ = (t, first, x, slope);
        false
    }
}
