//! Methods in published settings, where their right and wrong answers are known numbers.

mod dps;
mod flowdas;
mod guidance_and_scores;
mod transported;
