//! The residual trunk as one operation with passes written by hand: with h_0 = stem(x), for each block
//! h <- h + second(silu((1 + g) first(h) + s)), and out = head(h). The gain g and shift s are affine in an embedding of the
//! noise level, e = silu(W_2 silu(W_1 f + b_1) + b_2) of its features f, and 0 where there is none.
//!
//! With v the gradient of out, backwards: dh = head^T v; for each block u = slope . second^T dh, ds = sum u,
//! dg = sum u first(h), dz = (1 + g) u and dh <- dh + first^T dz; dx = stem^T dh. `field` says where channels stand,
//! `affine` how they are mapped, `forward` and `backward` are the passes on the buffers of a workspace, `workspaces` are
//! those of a network, `operation` is what Candle sees, and `gathered` is how a training has the gradients of
//! weights: over all shards of a batch at once, into their place in the flat vector.

mod affine;
mod backward;
mod field;
mod forward;
mod gathered;
mod layers;
mod operation;
#[cfg(test)]
mod tests;
mod workspace;
mod workspaces;

pub use field::{Boundary, Field};
pub use gathered::{Gathered, Place, Shard};
pub use layers::{Operations, Shape};
pub(in crate::nn) use operation::SharedWorkspaces;
pub use operation::{Route, Trunk};
