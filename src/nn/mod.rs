//! Networks and their training on Candle.
