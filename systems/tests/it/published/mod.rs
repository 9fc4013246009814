//! Systems against published figures and against plain scalar code.

mod chaotic_systems;
mod fitzhugh_nagumo;
mod lorenz;
mod lyapunov;
mod spectral;
