//! The page: one self-contained HTML file, its sections in the order in which a reader asks.

use super::legend::Styles;
use super::markup::{escape, prose};
use super::verdict::{self, distinct};
use super::{against, bands, cost, errors, hovmoeller, laws, parameters, ranks, skill, tables, training};
use crate::results::{Panel, Report};
use crate::score;

const STYLE: &str = include_str!("style.css");

/// A section: its anchor, its heading, its content.
pub(super) type Section = (&'static str, &'static str, String);

/// The whole file.
pub(super) fn html(report: &Report) -> String {
    let styles = Styles::of(report);
    let sections: Vec<Section> = [
        ("assimilation", "Assimilation", assimilation(report)),
        ("forecasts", "Forecasts", forecasts(report, &styles)),
        ("errors", "Analysis error in time", errors::section(report, &styles)),
        ("parameters", "Estimated parameters", parameters::section(report, &styles)),
        ("ranks", "Rank histograms", rank_histograms(report, &styles)),
        ("fields", "Truth, observations and analyses", panels(report, &styles)),
        ("laws", "One-step laws", one_step_laws(report, &styles)),
        ("training", "Training", training::section(report, &styles)),
        ("cost", "Cost", costs(report)),
        ("reading", "How to read this", reading(report)),
        ("experiment", "The experiment", experiment(report)),
    ]
    .into_iter()
    .filter(|(_, _, content)| !content.is_empty())
    .collect();
    let title = escape(&report.title);
    let header = format!("<h1>{title}</h1>{}{}{}", findings(report), warnings(report), pairs(&report.setting));
    document(&report.title, &header, &sections)
}

/// A whole page: a header, then links to the sections, then those.
pub(super) fn document(title: &str, header: &str, sections: &[Section]) -> String {
    let links: String = sections.iter().map(|(id, name, _)| format!(r##"<a href="#{id}">{name}</a>"##)).collect();
    let body: String = sections
        .iter()
        .map(|(id, name, content)| format!("<section id=\"{id}\"><h2>{name}</h2>{content}</section>\n"))
        .collect();
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{title}</title><style>\n{STYLE}</style></head>\n<body><main>\n<header>{header}<nav>{links}</nav></header>\n{body}<footer class=\"note\">Made by scorecast. This file needs nothing but itself.</footer>\n</main></body></html>\n"
    )
}

/// The first finding stands alone as the headline, the others make one paragraph.
fn findings(report: &Report) -> String {
    let Some((first, rest)) = report.findings.split_first() else { return String::new() };
    let rest: Vec<String> = rest.iter().map(|finding| prose(finding)).collect();
    let rest = if rest.is_empty() { String::new() } else { format!("<p>{}</p>", rest.join(" ")) };
    format!(r#"<p class="lead">{}</p>{rest}"#, prose(first))
}

fn warnings(report: &Report) -> String {
    if report.warnings.is_empty() {
        return String::new();
    }
    let items: String = report.warnings.iter().map(|warning| format!("<li>{}</li>", prose(warning))).collect();
    format!(r#"<div class="warnings" role="note"><b>What to mistrust</b><ul>{items}</ul></div>"#)
}

/// Names and values.
pub(super) fn pairs(setting: &[(String, String)]) -> String {
    let pair =
        |(what, value): &(String, String)| format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(what), escape(value));
    let pairs: String = setting.iter().map(pair).collect();
    if pairs.is_empty() { String::new() } else { format!(r#"<dl class="setting">{pairs}</dl>"#) }
}

fn assimilation(report: &Report) -> String {
    let all = verdict::assimilation(report);
    if all.is_empty() {
        return String::new();
    }
    let shown: String = all.iter().map(tables::assimilation).collect();
    format!("{}{shown}{}", tables::key(&all), against::section(report))
}

fn forecasts(report: &Report, styles: &Styles) -> String {
    let all = verdict::forecast(report);
    if all.is_empty() {
        return String::new();
    }
    let shown: String = all.iter().map(tables::forecast).collect();
    format!(r#"{}<div class="pair">{shown}</div>{}"#, tables::key(&all), skill::section(report, styles))
}

fn rank_histograms(report: &Report, styles: &Styles) -> String {
    let charts = ranks::section(report, styles);
    if charts.is_empty() {
        return charts;
    }
    format!(
        r#"<p class="note">Where the truth falls among the members, in units of the level (dashed) of an ensemble that the truth could belong to. High ends: too little spread; a hump: too much; a slope: bias. p: test of flatness that allows for autocorrelation.</p>{charts}"#
    )
}

fn panels(report: &Report, styles: &Styles) -> String {
    let pictures = report.panels.iter().filter(|panel| panel.grid).map(hovmoeller::pictures).sum();
    let draw = |panel: &Panel| {
        if panel.grid { hovmoeller::section(panel, pictures) } else { bands::section(panel, styles) }
    };
    report.panels.iter().map(draw).collect()
}

fn one_step_laws(report: &Report, styles: &Styles) -> String {
    if report.laws.is_empty() {
        return String::new();
    }
    format!(
        r#"<p class="note">Densities of draws of the next value from one state, by kernel smoothing. Shaded: the true system.</p>{}"#,
        laws::section(report, styles)
    )
}

fn costs(report: &Report) -> String {
    if report.cost.is_empty() {
        return String::new();
    }
    format!(r#"<p class="note">Wall-clock times of this run on its machine.</p>{}"#, cost::section(report))
}

/// The metrics of this report, explained.
fn reading(report: &Report) -> String {
    let assimilation = report.assimilation.iter().map(|row| row.metric.as_str());
    let names = distinct(assimilation.chain(report.forecast.iter().map(|row| row.metric.as_str())));
    let entry = |name: &str| {
        let known = score::describe(name)?;
        let (title, meaning) = (escape(&known.title()), escape(&known.meaning()));
        let words = known.about.orientation.phrase();
        Some(format!("<dt>{title} <code>{}</code></dt><dd>{meaning} <small>{words}</small></dd>", escape(name)))
    };
    let entries: String = names.into_iter().filter_map(entry).collect();
    if entries.is_empty() {
        return String::new();
    }
    format!(
        r#"<p class="note">Standard errors allow for autocorrelation and are taken over independent runs where there are several. A value is printed only if none of its runs diverged.</p><dl class="words">{entries}</dl>"#
    )
}

fn experiment(report: &Report) -> String {
    if report.experiment.is_empty() {
        return String::new();
    }
    format!(
        "<details><summary>The TOML file that makes this report</summary><pre>{}</pre></details>",
        escape(&report.experiment)
    )
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    /// Elements that have no end.
    const VOID: [&str; 4] = ["meta", "img", "br", "hr"];

    /// Follows every tag; an error names the first that does not fit.
    fn balanced(html: &str) -> Result<usize, String> {
        let mut open: Vec<String> = Vec::new();
        let mut seen = 0;
        for part in html.split('<').skip(1) {
            let tag = part.split('>').next().unwrap_or_default();
            if tag.starts_with('!') || tag.ends_with('/') {
                continue;
            }
            let name = tag.trim_start_matches('/').split_whitespace().next().unwrap_or_default().to_string();
            seen += 1;
            match tag.starts_with('/') {
                true if open.pop() != Some(name.clone()) => {
                    return Err(format!("</{name}> does not fit after {open:?}"));
                }
                false if !VOID.contains(&name.as_str()) => open.push(name),
                _ => {}
            }
        }
        if open.is_empty() { Ok(seen) } else { Err(format!("left open: {open:?}")) }
    }

    #[test]
    fn the_checker_sees_what_is_wrong() {
        assert!(balanced("<p><b>x</p></b>").is_err());
        assert!(balanced("<p>").is_err());
        assert_eq!(balanced("<p a=\"1\">x<img b><path d=\"\"/></p>"), Ok(3));
    }

    #[test]
    fn a_rich_report_is_whole_and_self_contained() {
        for report in [sample::small(), sample::rich()] {
            let html = html(&report);
            balanced(&html).unwrap();
            assert!(html.len() < 3_000_000, "{} bytes", html.len());
            for outside in ["http:", "https:", "<script", "@import", "url("] {
                assert!(!html.contains(outside), "the page refers to {outside}");
            }
            // Letters of a picture's base64 may spell anything.
            let words: String =
                html.split("data:image/png;base64,").map(|part| part.split_once('"').unwrap().1).collect();
            assert!(!words.contains("NaN") && !words.contains("inf"), "a number leaked unprinted");
            for row in &report.assimilation {
                assert!(html.contains(&escape(&verdict::short_label(&row.label, &row.observe))), "{}", row.label);
            }
            for row in &report.forecast {
                assert!(html.contains(&format!(r#"<th scope="row">{}</th>"#, escape(&row.forecaster))));
            }
            for sentence in report.findings.iter().chain(&report.warnings) {
                assert!(html.contains(&prose(sentence)), "{sentence}");
            }
        }
    }

    #[test]
    fn sections_come_in_the_readers_order() {
        let html = html(&sample::rich());
        let places: Vec<usize> = [
            "assimilation",
            "forecasts",
            "errors",
            "parameters",
            "ranks",
            "fields",
            "laws",
            "training",
            "cost",
            "reading",
            "experiment",
        ]
        .map(|id| html.find(&format!("<section id=\"{id}\">")).unwrap())
        .to_vec();
        assert!(places.is_sorted(), "{places:?}");
    }

    #[test]
    fn an_empty_report_has_no_empty_sections() {
        let html = html(&Report { title: "nothing".into(), ..Report::default() });
        balanced(&html).unwrap();
        assert!(!html.contains("<section"));
    }

    #[test]
    fn what_a_user_wrote_cannot_become_markup() {
        let html = html(&sample::small());
        assert!(html.contains("a &lt;small&gt; twin experiment") && !html.contains("a <small> twin"));
    }
}
