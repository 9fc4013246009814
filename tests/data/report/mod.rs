//! Reports to test with: a small one whose every number is known, and a rich one with the sizes of a real run.

mod rich;

pub(super) use rich::rich;

use crate::results::*;

fn assimilation(
    observe: &str,
    label: &str,
    metric: &str,
    value: Option<(f64, f64)>,
    n: usize,
    diverged: usize,
) -> AssimilationRow {
    let (method, forecaster) = label.split_once(" / ").unwrap();
    AssimilationRow {
        method: method.into(),
        forecaster: forecaster.split(" / ").next().unwrap().into(),
        observe: observe.into(),
        label: label.into(),
        metric: metric.into(),
        estimator: if metric.contains("fair") { "fair" } else { "mean" }.into(),
        pool: "each_time".into(),
        value: value.map(|v| v.0),
        se: value.map(|v| v.1),
        n,
        n_effective: None,
        skew: None,
        diverged,
        replicates: 20,
        seeds: 0,
    }
}

fn forecast(forecaster: &str, metric: &str, lead_step: Option<usize>, value: f64, se: f64) -> ForecastRow {
    ForecastRow {
        forecaster: forecaster.into(),
        metric: metric.into(),
        estimator: if metric.contains("fair") { "fair" } else { "mean" }.into(),
        pool: "all".into(),
        lead_step,
        value: value.is_finite().then_some(value),
        se: Some(se),
        n: 512,
        n_effective: None,
        skew: None,
        n_diverged: 0,
        censored: 0,
        seeds: 0,
    }
}

fn pair(table: &str, metric: &str, lead_step: Option<usize>, best: &str, other: &str, p_holm: f64) -> PairedRow {
    let (best, other) = (best.to_string(), other.to_string());
    let metric = metric.to_string();
    PairedRow {
        table: table.into(),
        metric,
        lead_step,
        best,
        other,
        difference: 0.003,
        se: 0.002,
        p: p_holm / 2.0,
        p_holm,
        interval: Some([-0.001, 0.007]),
        verdict: if p_holm < 0.05 { Verdict::Worse } else { Verdict::Alike },
    }
}

/// Three rows, two forecasters, one network; `ensf` diverged in 3 of 20.
pub(super) fn small() -> Report {
    let rows = [
        ("etkf / perfect", "rmse", Some((0.18943, 0.0042)), 0),
        ("etkf / perfect", "spread", Some((0.1801, 0.002)), 0),
        ("etkf / perfect", "spread_skill", Some((0.98, 0.0101)), 0),
        ("etkf / ar", "rmse", Some((0.192, 0.0042)), 0),
        ("etkf / ar", "spread", Some((0.1801, 0.002)), 0),
        ("etkf / ar", "spread_skill", Some((1.02, 0.0101)), 0),
        ("ensf / perfect", "rmse", None, 3),
        ("ensf / perfect", "spread", None, 3),
        ("ensf / perfect", "spread_skill", None, 3),
    ];
    let some = |rows: &[[f64; 2]]| -> Field { rows.iter().map(|row| row.iter().map(|v| Some(*v)).collect()).collect() };
    let row =
        |label: &str, mean: &[[f64; 2]]| PanelRow { label: label.into(), mean: some(mean), sd: some(&[[0.1; 2]; 2]) };
    Report {
        title: "a <small> twin experiment".into(),
        findings: vec!["`etkf` with the true system is best: rmse 0.189.".into()],
        warnings: vec!["ensf diverged.".into()],
        dt: 0.05,
        assimilation: rows.iter().map(|(l, m, v, d)| assimilation("full", l, m, *v, 13_000, *d)).collect(),
        forecast: [("perfect", 0.10, 0.010), ("ar", 0.10, 0.013)]
            .iter()
            .flat_map(|(label, base, slope)| {
                [1usize, 2, 4].map(|lead| forecast(label, "rmse", Some(lead), base + slope * lead as f64, 0.002))
            })
            .collect(),
        paired: vec![pair("assimilation", "rmse", None, "etkf / perfect", "etkf / ar", 0.4)],
        panels: vec![Panel {
            observe: "full".into(),
            grid: true,
            dim: 2,
            times: vec![0.0, 0.05],
            truth: some(&[[-1.0, 0.0], [1.0, 2.0]]),
            observations: vec![vec![Some(-0.9), None], vec![Some(1.1), None]],
            rows: vec![
                row("etkf / perfect", &[[-0.5, 0.5], [1.5, 2.5]]),
                row("etkf / ar", &[[-1.5, -0.5], [0.5, 1.5]]),
            ],
        }],
        ..Report::default()
    }
}

/// Writes what there is to look at: `cargo test --release report::sample::look -- --ignored`, with `LOOK` naming a folder.
#[test]
#[ignore = "writes files for a person to look at"]
fn look() {
    let folder = std::path::PathBuf::from(std::env::var("LOOK").expect("LOOK names a folder"));
    for (name, report) in [("small", small()), ("rich", rich())] {
        std::fs::write(folder.join(format!("{name}.html")), super::html(&report)).unwrap();
        std::fs::write(folder.join(format!("{name}.svg")), super::figure_svg(&report)).unwrap();
        std::fs::write(folder.join(format!("{name}.txt")), super::text(&report)).unwrap();
    }
}
