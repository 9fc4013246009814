//! Gaussian laws in closed form.
