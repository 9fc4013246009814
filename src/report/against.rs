//! What every row of a network is more or less by than one that was asked for (`score.against`), of all metrics side by side.

use super::markup::escape;
use super::number;
use super::tables::wrap;
use super::verdict::distinct;
use crate::results::{PairedRow, Report, Verdict};
use crate::score::{self, Orientation};

/// The differences of the rows of a network from one of them.
pub(super) struct Differences<'a> {
    /// Its label.
    pub reference: &'a str,
    /// The metrics.
    pub metrics: Vec<&'a str>,
    /// The other rows, each with what its comparison says by each metric.
    pub rows: Vec<(&'a str, Vec<Option<Difference<'a>>>)>,
}

/// How much more the loss of a row is than that of the one that it is compared with.
#[derive(Clone, Copy)]
pub(super) struct Difference<'a> {
    pair: &'a PairedRow,
    /// How many times as large it is, of a metric that is an error.
    times: Option<f64>,
}

/// One for each row that was asked for.
pub(super) fn differences(report: &Report) -> Vec<Differences<'_>> {
    let of = |reference| {
        let own: Vec<&PairedRow> = report.against.iter().filter(|pair| pair.best == reference).collect();
        let metrics = distinct(own.iter().map(|pair| pair.metric.as_str()));
        let row = |other| {
            let by = |metric: &&str| {
                let pair = own.iter().copied().find(|pair| pair.other == other && pair.metric == *metric)?;
                Some(Difference { pair, times: times(report, pair) })
            };
            (other, metrics.iter().map(by).collect())
        };
        let rows = distinct(own.iter().map(|pair| pair.other.as_str())).into_iter().map(row).collect();
        Differences { reference, metrics, rows }
    };
    distinct(report.against.iter().map(|pair| pair.best.as_str())).into_iter().map(of).collect()
}

/// How many times as large an error is as that of the row that it is compared with, over equally many analyses.
fn times(report: &Report, pair: &PairedRow) -> Option<f64> {
    let row = |label: &str| report.assimilation.iter().find(|row| row.label == label && row.metric == pair.metric);
    let (row, of) = (row(&pair.other)?, row(&pair.best)?);
    let less = score::orientation(&pair.metric) == Orientation::Less;
    let is_error = less && of.value? > 0.0 && !score::is_logarithmic(&pair.metric);
    (is_error && row.n == of.n).then_some(row.value? / of.value?)
}

impl Difference<'_> {
    /// With its sign and standard error, how many times as large the row is, and the p-value.
    pub(super) fn text(&self) -> String {
        let (value, se) = number::value_se(self.pair.difference, Some(self.pair.se));
        let se = se.map_or_else(String::new, |se| format!(" ± {se}"));
        let sign = if self.pair.difference > 0.0 { "+" } else { "" };
        let times = self.times.map_or_else(String::new, |times| format!("× {times:.3}, "));
        let p = match self.pair.p_holm {
            p if p < 0.001 => "p < 0.001".to_owned(),
            p => format!("p = {p:.3}"),
        };
        format!("{sign}{value}{se} ({times}{p})")
    }
}

/// The tables of a report in HTML; none where nothing was asked for.
pub(super) fn section(report: &Report) -> String {
    let table = |all: &Differences| {
        let head: String = all
            .metrics
            .iter()
            .map(|metric| format!(r#"<th scope="col">{}</th>"#, escape(&score::title(metric))))
            .collect();
        let cell = |cell: &Option<Difference>| {
            let text = cell.map_or_else(String::new, |difference| escape(&difference.text()));
            match cell.map(|difference| difference.pair.verdict) {
                Some(Verdict::Worse | Verdict::Better) => format!("<td><b>{text}</b></td>"),
                _ => format!("<td>{text}</td>"),
            }
        };
        let row = |(label, cells): &(&str, Vec<Option<Difference>>)| {
            format!(r#"<tr><th scope="row">{}</th>{}</tr>"#, escape(label), cells.iter().map(cell).collect::<String>())
        };
        let caption = format!("Loss of every row less that of <b>{}</b>", escape(all.reference));
        let body: String = all.rows.iter().map(row).collect();
        wrap(&caption, &format!("<th scope=\"col\">row</th>{head}"), &body)
    };
    let tables: String = differences(report).iter().map(table).collect();
    if tables.is_empty() {
        return tables;
    }
    let key = "Paired Diebold–Mariano test, ± one standard error, × how many times as large the error is, p with Holm's \
               correction over the rows; bold below 0.05. Above 0 a row is worse than the one that it is compared with.";
    format!(r#"{tables}<p class="note">{key}</p>"#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::AssimilationRow;

    fn pair(metric: &str, other: &str, difference: f64, p_holm: f64, verdict: Verdict) -> PairedRow {
        PairedRow {
            table: "assimilation".to_owned(),
            metric: metric.to_owned(),
            lead_step: None,
            best: "ensf <20>".to_owned(),
            other: other.to_owned(),
            difference,
            se: 0.0123,
            p: p_holm,
            p_holm,
            interval: None,
            verdict,
        }
    }

    #[test]
    fn differences_stand_by_row_and_metric_with_their_sign_and_what_a_test_says() {
        let against = vec![
            pair("rmse", "letkf", 0.25, 1e-5, Verdict::Worse),
            pair("rmse", "qceff", -0.05, 0.2, Verdict::CannotTell),
            pair("crps_fair", "letkf", 0.1, 0.01, Verdict::Worse),
        ];
        let row = |label: &str, value: f64, n: usize| AssimilationRow {
            label: label.to_owned(),
            metric: "rmse".to_owned(),
            value: Some(value),
            n,
            ..AssimilationRow::default()
        };
        let assimilation = vec![row("ensf <20>", 0.5, 9), row("letkf", 0.75, 9), row("qceff", 0.45, 4)];
        let report = Report { against, assimilation, ..Report::default() };
        let all = differences(&report);
        assert_eq!((all.len(), all[0].reference, &all[0].metrics), (1, "ensf <20>", &vec!["rmse", "crps_fair"]));
        let cells: Vec<String> = all[0].rows.iter().map(|(_, cells)| cells[0].unwrap().text()).collect();
        assert_eq!(cells, ["+0.250 ± 0.012 (× 1.500, p < 0.001)", "−0.050 ± 0.012 (p = 0.200)"]);
        let html = section(&report);
        assert!(html.contains("<b>+0.250 ± 0.012 (× 1.500, p &lt; 0.001)</b>") && !html.contains("<20>"), "{html}");
        // `qceff` was run for fewer times, and has no crps
        assert!(html.contains("<b>+0.100 ± 0.012 (p = 0.010)</b>"), "{html}");
        assert!(html.contains("<td></td>"), "{html}");
        assert_eq!(section(&Report::default()), "");
    }
}
