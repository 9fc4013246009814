//! Laws, orders and balances against what is known exactly.

mod adaptive_steps;
mod balances;
mod diagnose;
mod equations;
mod etdrk4;
mod factored_laws;
mod gaussian_laws;
mod heston;
mod integrator_order;
mod jump_ring;
mod langevin;
mod low_rank;
mod molrg;
mod ou_and_double_well;
mod transitions;
