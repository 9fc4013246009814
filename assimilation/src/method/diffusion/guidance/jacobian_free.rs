//! Guidance without a Jacobian: D's is taken as that of unit normals, J = alpha / (alpha^2 + sigma^2) I (as Meng and Kabashima
//! 2022 take it as I / alpha, that of a flat law).
//!
//! Then C = r_t^2 I and V = R + r_t^2 H S S H^T as in pseudo-inverse guidance, and the guided denoiser is D + r_t^2 S H^T w:
//! no vector-Jacobian product is taken, a network is run forward alone. Exact where the components of z are independent
//! unit normals. What is observed says nothing of the other components, except through D at the next step.

use std::sync::Arc;

use scorecast_systems::{Entry, Result};

use super::point::Point;
use super::pseudo_inverse::unit_variance;
use super::rule::{BuildGuidance, Guidance, Jacobian, Terms};
use super::without_products::solve;

pub(super) const ENTRY: Entry<BuildGuidance> = Entry {
    name: "jacobian_free",
    about: "the denoiser's Jacobian taken as that of unit normals: no vector-Jacobian products",
    reference: "Meng and Kabashima 2022; Song et al. 2023",
    params: &[],
    build: |_| Arc::new(JacobianFree),
};

/// Guidance without a Jacobian.
#[derive(Clone, Copy, Debug)]
pub struct JacobianFree;

impl Guidance for JacobianFree {
    fn terms(&self, at: &Point) -> Result<Terms> {
        solve(at, unit_variance)
    }

    fn jacobian(&self) -> Jacobian {
        Jacobian::OfUnitNormals
    }

    fn caveat(&self) -> Option<&'static str> {
        Some(
            "is guided as if the components were independent and of unit variance, without the denoiser's derivative; its \
             draws are those of the posterior for such laws only.",
        )
    }
}
