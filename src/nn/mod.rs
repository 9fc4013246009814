//! Networks and their training on Candle.

pub mod ops;
