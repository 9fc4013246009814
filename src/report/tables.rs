//! The headline tables in HTML.

use super::markup::escape;
use super::number;
use super::verdict::{Cell, Column, Mark, Table, TableRow, distinct, short_label};
use crate::score;

/// What the marks mean, in words, for the tables of a section.
pub(super) fn key(tables: &[Table]) -> String {
    let mut words = String::new();
    if tables.iter().any(|table| table.has(Mark::Best)) {
        words.push_str(r#"<b class="best">Bold with ★</b>: the best value of its column. "#);
    }
    if tables.iter().any(|table| table.has(Mark::Tie)) {
        words.push_str(
            r#"<span class="tie">≈</span>: not significantly worse than the best (paired Diebold–Mariano test, Holm's correction over the rows, 5 %), and with 95 % confidence by no more than a tenth of it. "#,
        );
    }
    if tables.iter().any(|table| table.has(Mark::CannotTell)) {
        words.push_str(
            r#"<span class="tie">?</span>: cannot tell; not significantly worse, but the runs are too short or too few to say that it is not much worse. The interval of the difference is in the cell's tooltip. "#,
        );
    }
    format!(r#"<p class="note">{words}Values are given ± one standard error.</p>"#)
}

/// One observing network's table: a row a method and forecaster, a column a metric.
pub(super) fn assimilation(table: &Table) -> String {
    let head: String = table.columns.iter().map(metric_head).collect();
    let row = |row: &TableRow| {
        let first = row.cells.iter().flatten().next();
        let n = first.map_or(0, |cell| cell.n);
        let (diverged, of) = first.map_or((0, 0), |cell| (cell.diverged, cell.of));
        format!(
            r#"<tr>{}{}<td>{}</td><td>{diverged}/{of}</td></tr>"#,
            row_head(row, &table.name),
            row.cells.iter().map(html_cell).collect::<String>(),
            number::count(n as u64)
        )
    };
    let body: String = table.rows.iter().map(row).collect();
    let caption = format!("Observing network <b>{}</b>", escape(&table.name));
    wrap(
        &caption,
        &format!("<th scope=\"col\">row</th>{head}<th scope=\"col\">n</th><th scope=\"col\">diverged</th>"),
        &body,
    )
}

/// One metric's table: a row a forecaster, a column a lead step.
pub(super) fn forecast(table: &Table) -> String {
    let head = |column: &Column| match &column.lead {
        Some(lead) => {
            let time =
                number::lead_time(lead).map_or_else(String::new, |time| format!("<small>{}</small>", escape(&time)));
            format!(r#"<th scope="col">lead {}{time}</th>"#, lead.lead_step)
        }
        None => r#"<th scope="col">whole forecast</th>"#.into(),
    };
    let head: String = table.columns.iter().map(head).collect();
    let row = |row: &TableRow| {
        format!("<tr>{}{}</tr>", row_head(row, ""), row.cells.iter().map(html_cell).collect::<String>())
    };
    let body: String = table.rows.iter().map(row).collect();
    wrap(&forecast_caption(table), &format!("<th scope=\"col\">forecaster</th>{head}"), &body)
}

fn forecast_caption(table: &Table) -> String {
    let estimators = table.columns.first().map(|column| column.estimators.join(" / ")).unwrap_or_default();
    let pool = table.columns.first().map(|column| column.pool.clone()).unwrap_or_default();
    let cases = distinct(table.rows.iter().flat_map(|row| row.cells.iter().flatten().map(|cell| cell.n)));
    let (least, most) = (cases.iter().min().copied().unwrap_or(0), cases.iter().max().copied().unwrap_or(0));
    let n = match least == most {
        true => number::count(least as u64),
        false => format!("{} to {}", number::count(least as u64), number::count(most as u64)),
    };
    let words: Vec<String> = [
        (!estimators.is_empty()).then(|| format!("estimator {}", escape(&estimators))),
        (!pool.is_empty()).then(|| format!("pool {}", escape(&pool))),
        Some(format!("n = {n}")),
        Some(score::orientation(&table.name).phrase()),
    ]
    .into_iter()
    .flatten()
    .collect();
    format!("<b>{}</b> <small>{}</small>", escape(&score::title(&table.name)), words.join(", "))
}

fn metric_head(column: &Column) -> String {
    let estimator = match column.estimators.join(" / ") {
        none if none.is_empty() => String::new(),
        names => format!("<small>{}</small>", escape(&names)),
    };
    let goal = score::orientation(&column.metric).phrase();
    format!(
        r#"<th scope="col" title="{}: {goal}; pool {}">{}{estimator}</th>"#,
        escape(&column.metric),
        escape(&column.pool),
        escape(&score::title(&column.metric))
    )
}

fn row_head(row: &TableRow, network: &str) -> String {
    let note = if row.note.is_empty() { String::new() } else { format!("<small>{}</small>", escape(&row.note)) };
    format!(r#"<th scope="row">{}{note}</th>"#, escape(&short_label(&row.label, network)))
}

fn html_cell(cell: &Option<Cell>) -> String {
    let Some(cell) = cell else { return r#"<td class="none">·</td>"#.into() };
    let Some(value) = cell.value else {
        let word =
            if cell.diverged > 0 { format!("diverged {}/{}", cell.diverged, cell.of) } else { "undefined".into() };
        return format!(r#"<td class="none">{word}</td>"#);
    };
    let (mut value, se) = number::value_se(value, cell.se);
    let mut se = se.map_or_else(String::new, |se| format!(r#"<span class="se"> ± {se}</span>"#));
    if cell.censored > 0 {
        value.insert_str(0, "≥ ");
        se.push_str(&format!(r#"<small>{} of {} to the end</small>"#, cell.censored, cell.n));
    }
    let n = number::count(cell.n as u64);
    let interval = cell.interval.map_or_else(String::new, |[low, high]| {
        let (low, high) = (number::significant(low, 2), number::significant(high, 2));
        format!("; loss less that of the best: {low} to {high} (95 %)")
    });
    match cell.mark {
        Mark::Best => format!(r#"<td class="best" title="best; n = {n}"><b>{value}</b>{se} <i>★</i></td>"#),
        Mark::Tie => {
            format!(r#"<td class="tie" title="as good as the best{interval}; n = {n}">{value}{se} <i>≈</i></td>"#)
        }
        Mark::CannotTell => {
            format!(r#"<td class="tie" title="cannot tell from the best{interval}; n = {n}">{value}{se} <i>?</i></td>"#)
        }
        Mark::Plain => format!(r#"<td title="n = {n}{interval}">{value}{se} <i></i></td>"#),
    }
}

/// A table that scrolls sideways inside its place when the screen is narrow.
pub(super) fn wrap(caption: &str, head: &str, body: &str) -> String {
    let caption = if caption.is_empty() { String::new() } else { format!("<caption><span>{caption}</span></caption>") };
    format!(
        r#"<div class="scroll" tabindex="0"><table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"#
    )
}

#[cfg(test)]
mod tests {
    use super::super::{sample, verdict};
    use super::*;
    use crate::results::{Lead, Report};

    #[test]
    fn cells_say_best_tie_and_diverged() {
        let report = sample::small();
        let html = assimilation(&verdict::assimilation(&report)[0]);
        assert!(html.contains(r#"<b>0.189</b><span class="se"> ± 0.004</span> <i>★</i>"#), "{html}");
        assert!(html.contains(r#"0.192<span class="se"> ± 0.004</span> <i>≈</i>"#), "{html}");
        assert!(html.contains(r#"<td class="none">diverged 3/20</td>"#), "{html}");
    }

    #[test]
    fn forecast_tables_name_estimator_cases_and_lead_times() {
        let report = sample::small();
        let html = forecast(&verdict::forecast(&report)[0]);
        assert!(html.contains("estimator mean, pool all, n = 512, less is better"), "{html}");
        assert!(html.contains("lead 4<small>time 0.2</small>"), "{html}");
        let report = Report { leads: Lead::steps(4, 6.0, Some("hours")), ..report };
        let html = forecast(&verdict::forecast(&report)[0]);
        assert!(html.contains("lead 4<small>24 hours</small>"), "{html}");
    }
}
