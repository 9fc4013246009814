//! Methods that minimise: the state, or the members, of one time or of the start of a window, given several sets of
//! observations. What they keep between sets is in `window`.

pub(crate) mod envar;
pub(crate) mod four_d_envar;
pub(crate) mod four_d_var;
pub(crate) mod hybrid;
pub(crate) mod ienks;
pub(crate) mod line_search;
pub(crate) mod schur;
pub(crate) mod three_d_var;
pub(crate) mod window;
