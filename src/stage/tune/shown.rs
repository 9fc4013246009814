//! A surface as text.

use super::surface::{Tried, Tuned};
use crate::report::{aligned, with_se};

/// The surface: a table of two settings, or a line a point.
pub(super) fn shown(tuned: &Tuned) -> String {
    let mut out = format!("{}: {}\n", tuned.row, tuned.metric);
    let value = |point: &Tried, at: usize| point.settings[at].1.to_string();
    if let [first, second] = &tuned.axes[..] {
        let mut columns: Vec<String> = Vec::new();
        let mut rows: Vec<Vec<String>> = Vec::new();
        for point in &tuned.points {
            let (row, column) = (value(point, 0), value(point, 1));
            if !columns.contains(&column) {
                columns.push(column);
            }
            match rows.last_mut().filter(|last| last[0] == row) {
                Some(last) => last.push(cell(point)),
                None => rows.push(vec![row, cell(point)]),
            }
        }
        let head: Vec<String> = std::iter::once(format!("{first} \\ {second}")).chain(columns).collect();
        out.push_str(&aligned(&head, &rows));
    } else {
        let head: Vec<String> = tuned.axes.iter().cloned().chain([tuned.metric.clone()]).collect();
        let rows: Vec<Vec<String>> = tuned
            .points
            .iter()
            .map(|point| (0..tuned.axes.len()).map(|at| value(point, at)).chain([cell(point)]).collect())
            .collect();
        out.push_str(&aligned(&head, &rows));
    }
    out.push_str(&verdict(tuned));
    out.push('\n');
    out
}

fn cell(point: &Tried) -> String {
    let mark = if point.best {
        " *"
    } else if point.tied {
        " ~"
    } else {
        "  "
    };
    match point.value {
        Some(value) => format!("{}{mark}", with_se(value, point.se)),
        None => format!("diverged {}/{}  ", point.diverged, point.replicates),
    }
}

/// The best point, and how far it could be from the best.
fn verdict(tuned: &Tuned) -> String {
    let Some(best) = tuned.points.iter().find(|point| point.best) else {
        return "every point diverged\n".to_owned();
    };
    let words: Vec<String> = best.settings.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    let ties: Vec<&Tried> = tuned.points.iter().filter(|point| point.tied || point.best).collect();
    let mut ranges = Vec::new();
    for (at, axis) in tuned.axes.iter().enumerate() {
        let numbers: Vec<f64> = ties.iter().filter_map(|point| point.settings[at].1.as_f64()).collect();
        if let (Some(low), Some(high)) =
            (numbers.iter().copied().reduce(f64::min), numbers.iter().copied().reduce(f64::max))
        {
            ranges.push(format!("{axis} {low} to {high}"));
        }
    }
    let value = best.value.map_or_else(String::new, |value| with_se(value, best.se));
    let edge = if on_edge(tuned, best) { "; it lies on the edge of the grid, so widen that" } else { "" };
    format!(
        "best: {} with {value} (n = {}); not told from it: {} of {} points ({}){edge}\n",
        words.join(", "),
        best.n,
        ties.len() - 1,
        tuned.points.len() - 1,
        ranges.join(", ")
    )
}

/// Whether a number of the best point is the least or the greatest of its axis, of three or more.
fn on_edge(tuned: &Tuned, best: &Tried) -> bool {
    (0..tuned.axes.len()).any(|at| {
        let mut values: Vec<f64> = tuned.points.iter().filter_map(|point| point.settings[at].1.as_f64()).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        let own = best.settings[at].1.as_f64();
        values.len() > 2 && (own == values.first().copied() || own == values.last().copied())
    })
}
