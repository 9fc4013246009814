//! The one-step law of a component as several forecasters see it from one state: densities of their draws.
//!
//! Gaussian kernels of width h = 0.9 s n^(-1/5) (Silverman 1986, eq. 3.31), with s taken from the shortest interval that
//! holds a quarter of the draws, as a Gaussian of standard deviation s would have it (0.637 s). The standard deviation
//! itself would smear the two sides of a two-sided law into one.

use super::chart::Chart;
use super::legend::{self, Styles};
use super::markup::prose;
use super::scale::Axis;
use super::verdict::distinct;
use crate::results::{LawPicture, Report};

/// Points of a curve.
const POINTS: usize = 160;
/// Length of the shortest interval with a quarter of a standard normal's probability.
const QUARTER: f64 = 0.637_279;

/// The section.
pub(super) fn section(report: &Report, styles: &Styles) -> String {
    let labels = distinct(report.laws.iter().flat_map(|law| law.draws.iter().map(|(label, _)| label.clone())));
    let entries: Vec<_> = labels.into_iter().map(|label| (label.clone(), styles.forecaster(&label))).collect();
    let figure = |law: &LawPicture| {
        format!("<figure><figcaption>{}</figcaption>{}</figure>", prose(&law.about), chart(law, styles).svg())
    };
    let charts: String = report.laws.iter().map(figure).collect();
    format!(r#"{}<div class="charts">{charts}</div>"#, legend::html(&entries))
}

fn chart(law: &LawPicture, styles: &Styles) -> Chart {
    let sorted: Vec<(&str, Vec<f64>)> = law.draws.iter().map(|(label, draws)| (label.as_str(), sort(draws))).collect();
    let (low, high) = range(&sorted);
    let x = Axis::linear(low, high, 6, "next value");
    let grid: Vec<f64> = (0..=POINTS).map(|i| low + (high - low) * i as f64 / POINTS as f64).collect();
    let curves: Vec<(&str, Vec<f64>)> =
        sorted.iter().map(|(label, draws)| (*label, density(draws, &grid, (high - low) / 400.0))).collect();
    // A spike (persistence, say) may leave the picture; the truth, which stands first, may not.
    let peak = |curve: &(&str, Vec<f64>)| curve.1.iter().fold(0.0f64, |a, &b| a.max(b));
    let truth = curves.first().map_or(1.0, peak);
    let top = curves.iter().map(peak).fold(0.0, f64::max).min(2.0 * truth).max(1e-12);
    let mut chart = Chart::new(360.0, 210.0, "", x, Axis::rounded(0.0, top, 4, ""));
    for (label, curve) in curves.iter().rev() {
        let points: Vec<_> = grid.iter().zip(curve).map(|(&x, &y)| (x, Some(y))).collect();
        let style = styles.forecaster(label);
        if style.colour.is_none() {
            let area: Vec<_> = points.iter().map(|&(x, y)| (x, y.map(|y| (0.0, y)))).collect();
            chart.band(style, 0.1, &area);
        }
        chart.line(style, 1.6, &points, label);
    }
    chart
}

fn sort(draws: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = draws.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// From the least to the greatest of the middle 99 % of every forecaster's draws, with a margin.
fn range(sorted: &[(&str, Vec<f64>)]) -> (f64, f64) {
    let at =
        |draws: &Vec<f64>, share: f64| draws.get(((draws.len().max(1) - 1) as f64 * share).round() as usize).copied();
    let low = sorted.iter().filter_map(|(_, draws)| at(draws, 0.005)).fold(f64::INFINITY, f64::min);
    let high = sorted.iter().filter_map(|(_, draws)| at(draws, 0.995)).fold(f64::NEG_INFINITY, f64::max);
    let margin = if high > low { 0.06 * (high - low) } else { 1.0 };
    if low.is_finite() { (low - margin, high + margin) } else { (0.0, 1.0) }
}

/// The kernel density of sorted draws at the grid's points; `least` is the narrowest kernel.
fn density(sorted: &[f64], grid: &[f64], least: f64) -> Vec<f64> {
    let n = sorted.len();
    let span = n.div_ceil(4);
    let shortest = sorted.windows(span + 1).map(|window| window[span] - window[0]).fold(f64::INFINITY, f64::min);
    let scale = if shortest.is_finite() { shortest / QUARTER } else { 0.0 };
    let h = (0.9 * scale * (n as f64).powf(-0.2)).max(least);
    let at = |x: f64| {
        let (from, to) = (sorted.partition_point(|&v| v < x - 5.0 * h), sorted.partition_point(|&v| v <= x + 5.0 * h));
        let sum: f64 = sorted[from..to].iter().map(|v| (-0.5 * ((x - v) / h).powi(2)).exp()).sum();
        sum / (n.max(1) as f64 * h * (2.0 * std::f64::consts::PI).sqrt())
    };
    grid.iter().map(|&x| at(x)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systems::{Domain, Key};

    fn two_sided(n: usize) -> Vec<f64> {
        let noise = Key::new(1, Domain::Score).normals(n, 1);
        sort(
            &noise
                .iter()
                .enumerate()
                .map(|(i, z)| if i % 2 == 0 { 1.0 + 0.2 * z } else { -1.0 + 0.2 * z })
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn a_density_integrates_to_one_and_has_the_laws_height() {
        let draws = sort(Key::new(2, Domain::Score).normals(4000, 1).as_slice().unwrap());
        let grid: Vec<f64> = (0..=400).map(|i| -5.0 + 0.025 * f64::from(i)).collect();
        let curve = density(&draws, &grid, 1e-3);
        assert!((curve.iter().sum::<f64>() * 0.025 - 1.0).abs() < 1e-3);
        // Height at 0: 0.399 / sqrt(1 + h^2) = 0.393 at h = 0.17; its Monte Carlo sd is
        // sqrt(0.399 / (2 sqrt(pi) n h)) = 0.013, of which three are allowed.
        assert!((curve[200] - 0.393).abs() < 0.039, "{}", curve[200]);
    }

    #[test]
    fn a_two_sided_law_stays_two_sided() {
        let curve = density(&two_sided(2000), &[-1.0, 0.0, 1.0], 1e-3);
        // Half a Gaussian of sd 0.2 a side: 0.997 at the centres, 4e-6 between them. The kernel (h = 0.4 of the sd at
        // most) lowers the centres by 7 % at most; three Monte Carlo sd are 0.15.
        assert!(curve[0] > 0.77 && curve[2] > 0.77 && curve[1] < 0.01, "{curve:?}");
    }
}
