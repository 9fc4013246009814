//! The posterior of some components in closed form, and the linear map that carries a member's anomaly there.
//!
//! With P = C + Q the prior covariance and L = (P^-1 + H^T R^-1 H)^-1 that of the posterior, the members' way to noise under
//! N(m, C) and back under N(m, C + Q) with the observations as guidance is, for Gaussian laws, linear h and noise without
//! bounds, x -> m_a + L^1/2 C^-1/2 (x - m) with symmetric roots: the way there makes C^-1/2 (x - m) of x, times sigma, and the
//! way back L^1/2 of that. Where C = V Lam V^T, Q = q I, R = I and H = I this is V [(Lam + q) / ((1 + Lam + q) Lam)]^1/2 V^T.
//!
//! Values are used one after the other, which is exact for independent errors: with p = P h, s = h^T p + r,
//! m <- m + p (d - h^T (m_a - m)) / s and P <- P - p p^T / s.

use super::taper::Tapered;
use crate::linalg::{Spectrum, add_scaled, dot};

/// Eigenvalues of C below this share of the mean variance count as that: directions in which the members are alike.
const LEAST: f64 = 1e-10;

/// What the members' latents are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latents {
    /// Where each member comes to when it is carried to noise.
    Transported,
    /// Independent noise.
    Fresh,
}

/// Room for the posteriors of up to some components.
pub(super) struct Posterior {
    size: usize,
    /// P and then L, row by row.
    p: Vec<f64>,
    /// C.
    c: Vec<f64>,
    /// m_a - m.
    pub increment: Vec<f64>,
    image: Vec<f64>,
    of_c: Spectrum,
    of_p: Spectrum,
    /// q where L is still C + q I.
    isotropic: Option<f64>,
}

impl Posterior {
    pub fn new(size: usize) -> Self {
        let matrix = || vec![0.0; size * size];
        Self {
            size,
            p: matrix(),
            c: matrix(),
            increment: vec![0.0; size],
            image: vec![0.0; size],
            of_c: Spectrum::new(size),
            of_p: Spectrum::new(size),
            isotropic: None,
        }
    }

    /// Begins with the prior of `components`.
    pub fn begin(&mut self, prior: &Tapered, components: &[usize]) {
        let w = components.len();
        self.size = w;
        for matrix in [&mut self.c, &mut self.p] {
            matrix.resize(w * w, 0.0);
        }
        for vector in [&mut self.increment, &mut self.image] {
            vector.clear();
            vector.resize(w, 0.0);
        }
        prior.fill(components, &mut self.c);
        self.p.copy_from_slice(&self.c);
        prior.law.noise.add_to(components, &mut self.p);
        self.isotropic = prior.law.noise.isotropic(components);
    }

    /// Uses a value with the row `h` of H, the innovation `d` at m, and the error variance `r`.
    pub fn observe(&mut self, h: &[f64], d: f64, r: f64) {
        let w = self.size;
        self.image.fill(0.0);
        for (row, h) in self.p.chunks_exact(w).zip(h).filter(|(_, h)| **h != 0.0) {
            add_scaled(&mut self.image, *h, row);
        }
        let s = dot(h, &self.image) + r;
        let rest = d - dot(h, &self.increment);
        add_scaled(&mut self.increment, rest / s, &self.image);
        for (row, image) in self.p.chunks_exact_mut(w).zip(&self.image) {
            add_scaled(row, -image / s, &self.image);
        }
        self.isotropic = None;
    }

    /// Takes the roots of C and L. False where they are not finite.
    pub fn take_roots(&mut self, latents: Latents) -> bool {
        let of_c = latents == Latents::Fresh && self.isotropic.is_none() || self.of_c.decompose(self.size, &self.c);
        of_c && (self.isotropic.is_some() || self.of_p.decompose(self.size, &self.p))
    }

    /// Row `i` of L^1/2 C^-1/2, or of L^1/2 for fresh latents, into `row`; `half` is room.
    pub fn row(&self, latents: Latents, i: usize, half: &mut [f64], row: &mut [f64]) {
        let trace: f64 = (0..self.size).map(|k| self.c[k * self.size + k]).sum();
        let least = (LEAST * trace / self.size as f64).max(f64::MIN_POSITIVE);
        match (self.isotropic, latents) {
            (Some(q), Latents::Transported) => {
                self.of_c.column(|l| ((l.max(least) + q) / l.max(least)).sqrt(), i, row);
            }
            (Some(q), Latents::Fresh) => self.of_c.column(|l| (l.max(0.0) + q).sqrt(), i, row),
            (None, Latents::Fresh) => self.of_p.column(|l| l.max(0.0).sqrt(), i, row),
            (None, Latents::Transported) => {
                self.of_p.column(|l| l.max(0.0).sqrt(), i, half);
                self.of_c.times(|l| 1.0 / l.max(least).sqrt(), half, row);
            }
        }
    }
}
