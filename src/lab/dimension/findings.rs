//! Where estimators differ, and what that means, in sentences.

use super::estimate::{Dimension, Estimator, Of};
use super::noise_floor::NoiseFloor;
use super::pieces::{MOST, Pieces};
use crate::systems::Entry;

/// What sentences are made of.
pub struct Found<'a> {
    /// Estimators with what they gave.
    pub estimates: &'a [(&'static Entry<Estimator>, Option<Dimension>)],
    /// The noise around the set.
    pub floor: Option<&'a NoiseFloor>,
    /// The pieces, where they were looked for.
    pub pieces: Option<&'a Pieces>,
    /// The points.
    pub points: usize,
    /// The components.
    pub components: usize,
}

/// Estimates differ where they are apart by more than this share, and by more than 1.
const DISAGREEMENT: f64 = 0.25;

impl Found<'_> {
    fn values(&self, wanted: fn(&Of) -> bool) -> impl Iterator<Item = f64> {
        let of = move |(entry, found): &(&'static Entry<Estimator>, Option<Dimension>)| {
            found.as_ref().filter(|_| wanted(&entry.build.of)).map(|found| found.value)
        };
        self.estimates.iter().filter_map(of)
    }

    /// Least and largest of the set's dimension, by what looks around each point; none where nothing does.
    fn range(&self, wanted: fn(&Of) -> bool) -> Option<(f64, f64)> {
        self.values(wanted).fold(None, |range, value| {
            let (low, high) = range.unwrap_or((value, value));
            Some((low.min(value), high.max(value)))
        })
    }

    fn value(&self, name: &str) -> Option<&Dimension> {
        self.estimates.iter().find(|(entry, _)| entry.name == name)?.1.as_ref()
    }

    /// The range of the dimension that all of this leaves open: of the set around each point and of its pieces.
    pub fn dimension(&self) -> Option<(f64, f64)> {
        let local = self.range(|of| matches!(of, Of::Set(_)))?;
        let ranks = self.pieces.filter(|found| !found.is_at_the_most() && found.pieces.iter().all(|p| p.rank > 0));
        let ranks = ranks.into_iter().flat_map(|found| found.pieces.iter().map(|piece| piece.rank as f64));
        let all = ranks.filter(|rank| *rank < self.components as f64);
        Some(all.fold(local, |(low, high), rank| (low.min(rank), high.max(rank))))
    }

    /// The directions that the flat of all points needs.
    pub fn flat(&self) -> f64 {
        self.value("pca_variance").map_or(self.components as f64, |found| found.value)
    }

    /// The sentences, most important first.
    pub fn sentences(&self) -> Vec<String> {
        let all = [
            self.local_against_flat(),
            self.scales(),
            self.noise(),
            self.too_few(),
            self.local_among_themselves(),
            self.law_against_data(),
            self.several_pieces(),
        ];
        let found: Vec<String> = all.into_iter().flatten().collect();
        if !found.is_empty() {
            return found;
        }
        self.dimension().map_or_else(Vec::new, |range| vec![format!("The estimators agree: {}.", in_words(range))])
    }

    fn has_pieces(&self) -> Option<&Pieces> {
        self.pieces.filter(|found| found.pieces.len() > 1 && !found.is_at_the_most())
    }

    /// The set is curved, or of several pieces.
    fn local_against_flat(&self) -> Option<String> {
        let (_, local) = self.range(|of| matches!(of, Of::Set(_)))?;
        let flat = self.value("pca_variance")?.value;
        if !differ(local, flat) || flat < local {
            return None;
        }
        let begin = format!(
            "Around a point the data have about {local:.1} dimensions, but the flat that holds 99 % of all needs {flat:.0}: "
        );
        let end = match self.has_pieces() {
            Some(found) => format!("they are {} low-rank pieces in different directions.", found.pieces.len()),
            None if self.noise_fills() => {
                "noise fills the other directions; the rank before the gap is that of the set.".to_owned()
            }
            None => {
                "the set is curved (or of more pieces than were looked for). A linear projection needs the larger number, what \
                 can bend the smaller."
                    .to_owned()
            }
        };
        Some(begin + &end)
    }

    /// Whether the flat's rank before the gap is about the local dimension.
    fn noise_fills(&self) -> bool {
        let (Some(gap), Some((low, high))) = (self.value("pca_gap"), self.range(|of| matches!(of, Of::Set(_)))) else {
            return false;
        };
        gap.value >= low - 1.0 && !differ(gap.value, high.min(gap.value.max(low)))
    }

    /// The dimension grows towards small scales.
    fn scales(&self) -> Option<String> {
        let points = &self.value("two_nn")?.curve.points;
        let (finest, coarsest) = (points.first()?, points.last()?);
        if !differ(coarsest.1, finest.1) {
            return None;
        }
        let of = |at: &(f64, f64)| format!("{:.1} from {:.0} points", at.1, at.0);
        let begin = format!("The nearest two neighbours give {} and {}: ", of(finest), of(coarsest));
        let end = if finest.1 > coarsest.1 {
            "the dimension grows as the scale shrinks, as noise makes it, or as too few points do; the figure of no scale is the \
             answer by itself."
        } else {
            "the dimension shrinks with the scale, as a curved set makes it; the figure of the smallest scale is the better one."
        };
        Some(begin + end)
    }

    fn noise(&self) -> Option<String> {
        let floor = self.floor?;
        let scale = floor.scale?;
        floor.is_seen_by_neighbours().then(|| {
            format!(
                "Nearest neighbours are {} apart and the noise alone moves points {} apart: estimators of neighbours see the noise, \
                 and are too large.",
                short(floor.nearest),
                short(scale)
            )
        })
    }

    /// No estimator of neighbours can give more than 2 log10 N (Eckmann and Ruelle 1992).
    fn too_few(&self) -> Option<String> {
        let (_, local) = self.range(|of| matches!(of, Of::Set(_)))?;
        let most = 2.0 * (self.points as f64).log10();
        (local > most).then(|| {
            format!(
                "{} points tell dimensions up to about 2 log10 N = {most:.1} by their neighbours: {local:.1} is beyond that, and where \
                 there is no noise too small.",
                self.points
            )
        })
    }

    fn local_among_themselves(&self) -> Option<String> {
        let (low, high) = self.range(|of| matches!(of, Of::Set(_)))?;
        differ(low, high).then(|| {
            format!(
                "The estimators around each point range from {low:.1} to {high:.1}: they look at different scales, so that density, \
                 curvature or noise change between these; their curves against the scale say where."
            )
        })
    }

    fn law_against_data(&self) -> Option<String> {
        let (low, high) = self.range(|of| matches!(of, Of::Law(_)))?;
        differ(low, high).then(|| {
            format!(
                "The figures of the denoiser range from {low:.1} to {high:.1}: its law has no one dimension, or it was not learned \
                 well at the noise levels that tell; see the sweep."
            )
        })
    }

    fn several_pieces(&self) -> Option<String> {
        let found = self.pieces?;
        if found.is_at_the_most() {
            return Some(format!(
                "{MOST} Gaussians, the most that were tried, fit the data better than fewer: a curved set or a law far from \
                 Gaussian is followed by many, and these are no pieces."
            ));
        }
        let ranks: Vec<String> = found.pieces.iter().map(|piece| piece.rank.to_string()).collect();
        (found.pieces.len() > 1).then(|| {
            format!("The data are likeliest as {} low-rank pieces, of ranks {}.", ranks.len(), ranks.join(", "))
        })
    }
}

/// Whether two dimensions are not alike.
fn differ(one: f64, other: f64) -> bool {
    let apart = (one - other).abs();
    apart > 1.0 && apart > DISAGREEMENT * one.max(other)
}

/// A range of dimensions in words.
pub fn in_words((low, high): (f64, f64)) -> String {
    if high - low < 0.15 {
        format!("about {:.1}", 0.5 * (low + high))
    } else {
        format!("between {low:.1} and {high:.1}")
    }
}

fn short(value: f64) -> String {
    crate::report::with_se(value, None)
}
