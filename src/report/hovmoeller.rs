//! Space-time (Hovmöller 1949) pictures of a grid system: truth and observations, then each method's analysis mean above
//! its error, all on the same axes and two common colour scales.

use super::colour::{ERROR, FIELD};
use super::heatmap::{self, Scale, coarsen, difference, values};
use super::markup::escape;
use super::number;
use super::verdict::short_label;
use crate::results::{Field, Panel};

/// The page's share for pictures, in bytes of pixels before encoding.
const BUDGET: usize = 1_200_000;

/// One network's pictures; `pictures` is how many the whole page shows.
pub(super) fn section(panel: &Panel, pictures: usize) -> String {
    let limit = (BUDGET / pictures.max(1)).clamp(2_000, 60_000);
    let (field, error) = scales(panel);
    let observed =
        (!panel.observations.is_empty()).then(|| picture("observations", &panel.observations, &field, limit));
    let truth = (!panel.truth.is_empty()).then(|| picture("truth", &panel.truth, &field, limit));
    let first = card(panel, "Truth and observations", &[truth, observed]);
    let method = |row: &crate::results::PanelRow| {
        let wrong = difference(&row.mean, &panel.truth);
        let rmse = root_mean_square(&wrong)
            .map_or_else(String::new, |value| format!(" <small>rmse {} here</small>", number::significant(value, 2)));
        let error_picture =
            (!panel.truth.is_empty()).then(|| picture("analysis mean minus truth", &wrong, &error, limit));
        let label = format!("{}{rmse}", escape(&short_label(&row.label, &panel.observe)));
        card(panel, &label, &[Some(picture("analysis mean", &row.mean, &field, limit)), error_picture])
    };
    let cards: String = panel.rows.iter().map(method).collect();
    format!(
        r#"<h4>Observing network {}</h4><p class="note">{}{}</p><p class="note">Time runs right; component 1 is at the bottom, {}{} at the top. Grey: not observed.</p><div class="cards">{first}{cards}</div>"#,
        escape(&panel.observe),
        bar("field", &field),
        if panel.truth.is_empty() { String::new() } else { bar("error", &error) },
        components(panel),
        if panel.dim > components(panel) { format!(" of {}", panel.dim) } else { String::new() }
    )
}

/// How many pictures a panel needs.
pub(super) fn pictures(panel: &Panel) -> usize {
    2 + 2 * panel.rows.len()
}

/// The number of components.
pub(super) fn components(panel: &Panel) -> usize {
    let fields = [&panel.truth, &panel.observations].into_iter().chain(panel.rows.iter().map(|row| &row.mean));
    fields.filter_map(|field| field.first().map(Vec::len)).max().unwrap_or(0)
}

/// The colour scales of the field and of its errors. The field's spans the truth (or, without one, the analyses); the
/// errors' is symmetric and spans 99 % of them, so that a few large errors do not hide the rest.
pub(super) fn scales(panel: &Panel) -> (Scale, Scale) {
    let shown: Vec<f64> = match panel.truth.is_empty() {
        true => panel.rows.iter().flat_map(|row| values(&row.mean)).collect(),
        false => values(&panel.truth).collect(),
    };
    let (min, max) =
        (shown.iter().fold(f64::INFINITY, |a, &b| a.min(b)), shown.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b)));
    let errors = panel.rows.iter().flat_map(|row| values(&difference(&row.mean, &panel.truth)).collect::<Vec<_>>());
    let mut sizes: Vec<f64> = errors.map(f64::abs).collect();
    sizes.sort_by(f64::total_cmp);
    let largest = sizes.get(sizes.len().saturating_sub(1) * 99 / 100).copied().unwrap_or(1.0).max(1e-12);
    (Scale { min, max, map: FIELD }, Scale { min: -largest, max: largest, map: ERROR })
}

/// The root of the mean square of what is present.
pub(super) fn root_mean_square(field: &Field) -> Option<f64> {
    let (sum, n) = values(field).fold((0.0, 0.0), |(sum, n), v| (sum + v * v, n + 1.0));
    (n > 0.0).then(|| f64::sqrt(sum / n))
}

fn picture(name: &str, field: &Field, scale: &Scale, limit: usize) -> String {
    let uri = heatmap::uri(&coarsen(field, limit), scale);
    format!(r#"<span>{name}</span><img alt="{name}" src="{uri}">"#)
}

/// Pictures above each other with their common time axis.
fn card(panel: &Panel, label: &str, pictures: &[Option<String>]) -> String {
    let time = |index: usize| panel.times.get(index).map_or_else(String::new, |t| number::plain(*t));
    let (first, last) = (time(0), time(panel.times.len().saturating_sub(1)));
    let pictures: String = pictures.iter().flatten().map(String::as_str).collect();
    format!(
        r#"<figure><figcaption>{label}</figcaption>{pictures}<div class="ends"><span>{first}</span><span>model time</span><span>{last}</span></div></figure>"#
    )
}

/// A colour bar with its ends.
fn bar(name: &str, scale: &Scale) -> String {
    let (min, max) = (number::significant(scale.min, 2), number::significant(scale.max, 2));
    let gradient = scale.map.gradient();
    format!(r#"<span class="bar">{name} {min} <i style="background:{gradient}"></i> {max}</span> "#)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_stretch_of_a_large_state_says_so() {
        let mut panel = sample::small().panels.remove(0);
        assert!(section(&panel, 1).contains(", 2 at the top"));
        panel.dim = 5;
        assert!(section(&panel, 1).contains(", 2 of 5 at the top"));
    }

    #[test]
    fn scales_span_the_truth_and_are_symmetric_in_the_error() {
        let panel = &sample::small().panels[0];
        let (field, error) = scales(panel);
        assert_eq!((field.min, field.max), (-1.0, 2.0));
        assert_eq!((error.min, error.max), (-0.5, 0.5));
        assert_eq!(root_mean_square(&difference(&panel.rows[0].mean, &panel.truth)), Some(0.5));
    }
}
