//! `[score]`: metrics, and the forecasters whose forecasts are scored.

use super::super::document::Table;
use super::super::keys::{DATA, SCORE};
use super::super::plan::{DataPlan, DataSource, ForecasterPlan, ScorePlan};
use super::super::read::{Reader, entry};
use super::assimilate::CheckedRow;
use super::context::Context;
use super::forecasters::{baselines, check_label};
use crate::score::{METRICS, default_names};
use crate::systems::registry::nearest;

static EMPTY: Table = Table { entries: Vec::new() };

/// Baselines that are scored beside the forecasters of a file.
const BESIDE: [&str; 3] = ["perfect", "persistence", "climatology"];

/// The plan, and the labels of the forecasters whose forecasts are scored.
pub(super) fn check(
    cx: &Context,
    (declared, rows): (&[ForecasterPlan], &[CheckedRow]),
    data: Option<&DataPlan>,
    no_perfect: Option<&str>,
) -> Option<(ScorePlan, Vec<String>)> {
    let empty =
        Reader { section: &SCORE, path: SCORE.name.to_owned(), table: &EMPTY, place: cx.place, mistakes: cx.mistakes };
    let reader = cx.one(&SCORE).filter(|_| cx.scored).unwrap_or(empty);
    reader.refuse_unknown(&[]);
    let own = reader.own()?;
    let score = ScorePlan {
        metrics: metrics(&reader),
        lead_steps: own.count("lead_steps"),
        members: own.count("members"),
        starts: own.count("starts"),
        against: against(&reader, rows),
    };
    let forecast = match reader.words("forecasters") {
        Some(given) => given
            .into_iter()
            .filter(|(label, place)| check_label(cx, declared, label, place, "score.forecasters", no_perfect))
            .map(|(label, _)| label)
            .collect(),
        None => by_default(declared, no_perfect),
    };
    if cx.scored && !forecast.is_empty() {
        check_lengths(cx, &reader, &score, data);
    }
    Some((score, forecast))
}

fn by_default(declared: &[ForecasterPlan], no_perfect: Option<&str>) -> Vec<String> {
    if declared.is_empty() {
        return Vec::new();
    }
    let undeclared = |name: &str| declared.iter().all(|plan| plan.label != name);
    let beside = BESIDE.iter().filter(|&&name| (name != "perfect" || no_perfect.is_none()) && undeclared(name));
    let known = beside.filter(|&&name| baselines().any(|entry| entry.name == name)).map(|&name| name.to_owned());
    known.chain(declared.iter().map(|plan| plan.label.clone())).collect()
}

fn metrics(reader: &Reader) -> Vec<String> {
    let Some(given) = reader.words("metrics") else {
        return default_names();
    };
    if given.is_empty() {
        reader.wrong("metrics", "[score]: `metrics` is an empty list; name at least one, or leave it out for all");
    }
    let mut names: Vec<String> = Vec::new();
    for (name, place) in given {
        if entry(METRICS, "metric", &name, place, "score.metrics", reader.mistakes).is_some() && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

/// The labels of the rows that all are compared with.
fn against(reader: &Reader, rows: &[CheckedRow]) -> Vec<String> {
    let known = || rows.iter().map(|row| row.plan.label.as_str());
    let mut labels: Vec<String> = Vec::new();
    for (label, place) in reader.words("against").unwrap_or_default() {
        if known().all(|known| known != label) {
            let near = nearest(&label, known()).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            let what = format!("[score]: `against` names `{label}`, which is no row of [[assimilate]]{near}");
            reader.mistakes.add(place, "score.against", &what);
        } else if !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels
}

/// Every start must leave `lead_steps` steps of its trajectory. What the file does not say is told as what it is by default,
/// at the length of the trajectories.
fn check_lengths(cx: &Context, reader: &Reader, score: &ScorePlan, data: Option<&DataPlan>) {
    let Some(DataPlan { source: DataSource::Simulated { steps, .. }, .. }) = data else { return };
    let ScorePlan { lead_steps, starts, .. } = *score;
    let says = |key: &str| reader.table.get(key).is_some();
    let (most_leads, most_starts) = (steps.saturating_sub(1), steps.saturating_sub(lead_steps));
    let by_default = |what: String| {
        let place = cx.one(&DATA).map_or(cx.place, |data| data.place_of("steps"));
        cx.mistakes.add(place, "data.steps", what);
    };
    if lead_steps >= *steps && !says("lead_steps") {
        by_default(format!(
            "forecasts are scored up to lead step {lead_steps} unless [score] says otherwise, but a test trajectory has \
             {steps} steps; raise `steps` of [data], or set `lead_steps` in [score] to at most {most_leads}"
        ));
    } else if starts > most_starts && lead_steps < *steps && !says("starts") {
        by_default(format!(
            "forecasts start {starts} times in each test trajectory unless [score] says otherwise, but {steps} steps with \
             {lead_steps} lead steps leave {most_starts}; raise `steps` of [data], or set `starts` in [score] to at most \
             {most_starts}"
        ));
    } else if lead_steps >= *steps {
        let what = format!(
            "[score]: `lead_steps` is {lead_steps}, but a test trajectory has {steps} steps; lower it, or raise data.steps"
        );
        reader.wrong("lead_steps", what);
    } else if starts > most_starts {
        let most = most_starts;
        let what = format!(
            "[score]: `starts` is {starts}, but {steps} steps with {lead_steps} lead steps leave {most}; set at most {most}"
        );
        reader.wrong("starts", what);
    }
}
