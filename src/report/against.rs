//! What every row of a network is more or less by than one that was asked for (`score.against`), of all metrics side by side.

use super::markup::escape;
use super::number;
use super::tables::wrap;
use super::verdict::distinct;
use crate::results::{PairedRow, Report, Verdict};
use crate::score;

/// The differences of the rows of a network from one of them.
pub(super) struct Differences<'a> {
    /// Its label.
    pub reference: &'a str,
    /// The metrics.
    pub metrics: Vec<&'a str>,
    /// The other rows, each with its comparison by each metric.
    pub rows: Vec<(&'a str, Vec<Option<&'a PairedRow>>)>,
}

/// One for each row that was asked for.
pub(super) fn differences<'a>(report: &'a Report, is_shown: impl Fn(&str) -> bool) -> Vec<Differences<'a>> {
    let pairs: Vec<&PairedRow> = report.against.iter().filter(|pair| is_shown(&pair.metric)).collect();
    let of = |reference: &'a str| {
        let own: Vec<&PairedRow> = pairs.iter().copied().filter(|pair| pair.best == reference).collect();
        let metrics = distinct(own.iter().map(|pair| pair.metric.as_str()));
        let row = |other: &'a str| {
            let by = |metric: &&str| own.iter().copied().find(|pair| pair.other == other && pair.metric == *metric);
            (other, metrics.iter().map(by).collect())
        };
        let rows = distinct(own.iter().map(|pair| pair.other.as_str())).into_iter().map(row).collect();
        Differences { reference, metrics, rows }
    };
    distinct(pairs.iter().map(|pair| pair.best.as_str())).into_iter().map(of).collect()
}

/// A difference with its sign, its standard error and its p-value.
pub(super) fn difference(pair: Option<&PairedRow>) -> String {
    let Some(pair) = pair else { return String::new() };
    let (value, se) = number::value_se(pair.difference, Some(pair.se));
    let se = se.map_or_else(String::new, |se| format!(" ± {se}"));
    let p = match pair.p_holm {
        p if p < 0.001 => "p < 0.001".to_owned(),
        p => format!("p = {p:.3}"),
    };
    format!("{}{value}{se} ({p})", if pair.difference > 0.0 { "+" } else { "" })
}

/// The tables of a report in HTML; none where nothing was asked for.
pub(super) fn section(report: &Report) -> String {
    let table = |all: &Differences| {
        let head: String = all
            .metrics
            .iter()
            .map(|metric| format!(r#"<th scope="col">{}</th>"#, escape(&score::title(metric))))
            .collect();
        let cell = |pair: &Option<&PairedRow>| {
            let text = escape(&difference(*pair));
            match pair.map(|pair| pair.verdict) {
                Some(Verdict::Worse | Verdict::Better) => format!("<td><b>{text}</b></td>"),
                _ => format!("<td>{text}</td>"),
            }
        };
        let row = |(label, cells): &(&str, Vec<Option<&PairedRow>>)| {
            format!(r#"<tr><th scope="row">{}</th>{}</tr>"#, escape(label), cells.iter().map(cell).collect::<String>())
        };
        let caption = format!("Loss of every row less that of <b>{}</b>", escape(all.reference));
        let body: String = all.rows.iter().map(row).collect();
        wrap(&caption, &format!("<th scope=\"col\">row</th>{head}"), &body)
    };
    let tables: String = differences(report, |_| true).iter().map(table).collect();
    if tables.is_empty() {
        return tables;
    }
    let key = "Paired Diebold–Mariano test, ± one standard error, p with Holm's correction over the rows; bold below 0.05. Above 0 a \
               row is worse than the one that it is compared with.";
    format!(r#"{tables}<p class="note">{key}</p>"#)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let report = Report { against, ..Report::default() };
        let all = differences(&report, |metric| metric == "rmse");
        assert_eq!((all.len(), all[0].reference, &all[0].metrics), (1, "ensf <20>", &vec!["rmse"]));
        let cells: Vec<String> = all[0].rows.iter().map(|(_, cells)| difference(cells[0])).collect();
        assert_eq!(cells, ["+0.250 ± 0.012 (p < 0.001)", "−0.050 ± 0.012 (p = 0.200)"]);
        let html = section(&report);
        assert!(html.contains("<b>+0.250 ± 0.012 (p &lt; 0.001)</b>") && !html.contains("<20>"), "{html}");
        // `qceff` has no crps
        assert!(html.contains("<td></td>"), "{html}");
        assert_eq!(section(&Report::default()), "");
    }
}
