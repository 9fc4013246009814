//! Scratch arrays that begin where a cache line begins.

use std::ops::{Deref, DerefMut};

use super::Lanes;
use crate::lanes::LANES;

/// Bytes of a cache line. Wide loads that straddle two of them take twice as long, and an array of numbers of eight
/// bytes begins anywhere.
const LINE: usize = 64;

/// The numbers of a line: what is left free to move the beginning.
const SLACK: usize = LINE / size_of::<f64>();

/// An array `[component][lane]`.
#[derive(Clone, Debug)]
pub(super) struct Cells(Vec<f64>);

impl Cells {
    /// Zeros.
    pub(super) fn new(components: usize) -> Self {
        Self(vec![0.0; components * LANES + SLACK])
    }

    /// Where the array begins; a clone begins elsewhere.
    fn first(&self) -> usize {
        self.0.as_ptr().align_offset(LINE).min(SLACK)
    }
}

impl Deref for Cells {
    type Target = [Lanes];

    fn deref(&self) -> &[Lanes] {
        let (first, length) = (self.first(), self.0.len() - SLACK);
        self.0[first..first + length].as_chunks().0
    }
}

impl DerefMut for Cells {
    fn deref_mut(&mut self) -> &mut [Lanes] {
        let (first, length) = (self.first(), self.0.len() - SLACK);
        self.0[first..first + length].as_chunks_mut().0
    }
}
