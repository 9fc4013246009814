//! Where the standard errors of a run are rough: what they are estimated from is too little.

use crate::results::AssimilationRow;

/// Standard errors of runs with fewer independent values than this are rough.
const FEW_INDEPENDENT: f64 = 8.0;

/// Standard errors of errors of a larger squared skewness, over their number, are rough. On 260 analyses of Lorenz-63 nine of
/// ten runs are above it (two of them cover .85 to .95), of runs whose standard errors cover one in fifty at most
/// (`benches/coverage`).
const BURSTS: f64 = 0.015;

/// The scores of which that is known.
const MEASURED: [&str; 4] = ["rmse", "crps_fair", "spread_skill", "innovation_log_score"];

/// What is rough about the rows of one network, each a sentence that begins with a small letter.
pub fn sentences(rows: &[&AssimilationRow]) -> Vec<String> {
    [persistent(rows), in_bursts(rows)].into_iter().flatten().collect()
}

/// Rows whose errors persist over so much of their runs that few are independent.
fn persistent(rows: &[&AssimilationRow]) -> Option<String> {
    let few = |row: &AssimilationRow| row.n_effective.filter(|effective| *effective < FEW_INDEPENDENT && row.n > 1);
    let short: Vec<String> = rows
        .iter()
        .filter(|row| row.metric == "rmse")
        .filter_map(|row| Some(format!("`{}` ({:.0} in {})", row.label, few(row)?, row.n)))
        .collect();
    (!short.is_empty()).then(|| {
        format!(
            "errors persist over so much of the run that few analyses are independent: {}. Standard errors and tests of \
             these rows are rough; run longer, or more replicates.",
            short.join(", ")
        )
    })
}

/// Scores that a few large errors decide. Runs without one find both a score and a standard error that are too small.
fn in_bursts(rows: &[&AssimilationRow]) -> Option<String> {
    let bursting =
        |row: &&&AssimilationRow| MEASURED.contains(&row.metric.as_str()) && row.skew.is_some_and(|skew| skew > BURSTS);
    let found: Vec<&&AssimilationRow> = rows.iter().filter(bursting).collect();
    let named: Vec<String> = found
        .chunk_by(|a, b| a.label == b.label)
        .map(|of_row| {
            let metrics: Vec<&str> = of_row.iter().map(|row| row.metric.as_str()).collect();
            format!("`{}` ({})", of_row[0].label, metrics.join(", "))
        })
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "errors come in bursts, so that a few analyses decide scores: {}. Their standard errors are rough, and too \
             small in runs without a burst; run longer, or more replicates.",
            named.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(label: &str, metric: &str, n_effective: f64, skew: f64) -> AssimilationRow {
        AssimilationRow {
            label: label.into(),
            metric: metric.into(),
            n: 260,
            n_effective: Some(n_effective),
            skew: Some(skew),
            ..AssimilationRow::default()
        }
    }

    #[test]
    fn rows_with_few_independent_errors_or_bursts_are_named() {
        let rows = [
            row("enkf", "rmse", 60.0, 0.01),
            row("enkf", "spread_skill", 50.0, 0.05),
            row("enkf", "effective_dimension", 50.0, 0.05),
            row("etkf", "rmse", 7.6, 0.002),
        ];
        let said = sentences(&rows.iter().collect::<Vec<_>>());
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].starts_with("errors persist") && said[0].contains("`etkf` (8 in 260)."), "{}", said[0]);
        assert!(
            said[1].starts_with("errors come in bursts") && said[1].contains("`enkf` (spread_skill)."),
            "{}",
            said[1]
        );
        assert!(sentences(&[&rows[0]]).is_empty());
    }
}
