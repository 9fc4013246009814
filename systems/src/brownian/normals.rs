//! Where the normals of a path's intervals come from.
//!
//! An interval takes two normals a Brownian motion: for W and H where it is a whole piece, for z and n where it is halved.
//! A stream gives 32 numbers for the price of one, so the top of the tree of intervals, its *crown*, shares a member's
//! first stream: the pieces and as many levels of halving as make at most [`CROWN`] normals. The crown is drawn level by
//! level, for each level first W (or z) of all its intervals and then H (or n): a path that is read less deeply, or
//! without integrals, needs a shorter beginning of the same sequence. Below the crown, or where the Brownian motions are
//! too many for one, each interval has a stream of its own.

use super::{Interval, Node, Owner};

/// The most normals in a crown: with a block of members they fill the first cache of a processor.
const CROWN: usize = 256;

/// The normals of up to `L` members' paths over one lead step.
#[derive(Clone, Debug)]
pub(super) struct Normals<const L: usize> {
    wiener: usize,
    pieces: usize,
    /// How many levels the crown has, the pieces being the first; 0 without a crown.
    crown_levels: u32,
    /// The normals of the crown that are needed, and whose they are.
    crown: Vec<[f64; L]>,
    owner: Option<Owner>,
}

impl<const L: usize> Normals<L> {
    /// For pieces that are halved `levels` times; `integrals` says whether the finest intervals need H.
    pub(super) fn new(wiener: usize, pieces: usize, levels: u32, integrals: bool) -> Self {
        let level = 2 * wiener * pieces;
        // the crown of c levels has 2^{c-1} times the normals of its first
        let crown_levels = CROWN.checked_div(level).filter(|ratio| *ratio > 0).map_or(0, |ratio| ratio.ilog2() + 1);
        let read = (levels + 1).min(crown_levels);
        let all = if read == 0 { 0 } else { level << (read - 1) };
        // the last level that is read needs no H without integrals: half of the first level, a quarter of a later crown
        let spared = match (integrals || read <= levels, read) {
            (true, _) | (_, 0) => 0,
            (false, 1) => level / 2,
            (false, _) => all / 4,
        };
        Self { wiener, pieces, crown_levels, crown: vec![[0.0; L]; all - spared], owner: None }
    }

    /// The normals of a piece into `out.w`, and into `out.h` where it needs H.
    pub(super) fn of_piece(&mut self, piece: usize, with_area: bool, owner: &Owner, out: &mut Node<L>) {
        self.write(0, [piece, self.pieces + piece], with_area, owner, out);
    }

    /// The normals that halve an interval into `out.w`, and into `out.h` where the halves need H.
    pub(super) fn of_halves(&mut self, parent: Interval, with_area: bool, owner: &Owner, out: &mut Node<L>) {
        let Interval { piece, level, index } = parent;
        let intervals = self.pieces << level;
        let place = 2 * intervals + index as usize * self.pieces + piece;
        self.write(level + 1, [place, place + intervals], with_area, owner, out);
    }

    /// The normals at two places of the sequence, counted in Brownian motions.
    fn write(&mut self, level: u32, places: [usize; 2], with_area: bool, owner: &Owner, out: &mut Node<L>) {
        if level < self.crown_levels {
            self.draw_crown(owner);
            let [w, h] = places.map(|place| place * self.wiener);
            out.w.copy_from_slice(&self.crown[w..w + self.wiener]);
            if with_area {
                out.h.copy_from_slice(&self.crown[h..h + self.wiener]);
            }
            return;
        }
        for (lane, mut stream) in owner.streams(places[0] as u64) {
            out.w.iter_mut().for_each(|w| w[lane] = stream.normal());
            if with_area {
                out.h.iter_mut().for_each(|h| h[lane] = stream.normal());
            }
        }
    }

    fn draw_crown(&mut self, owner: &Owner) {
        if self.owner.as_ref() == Some(owner) {
            return;
        }
        for (lane, mut stream) in owner.streams(0) {
            self.crown.iter_mut().for_each(|cell| cell[lane] = stream.normal());
        }
        self.owner = Some(owner.clone());
    }
}
