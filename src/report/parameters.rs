//! Estimated parameters in time: the posterior mean with a band of two standard deviations either side, and the truth; a
//! row of charts a parameter, a chart a row of the table.

use super::chart::{Chart, thin};
use super::colour::Style;
use super::legend::Styles;
use super::markup::escape;
use super::scale::Axis;
use super::verdict::{distinct, short_label};
use crate::results::{ParameterSeries, Report};

/// The most points that a line has.
const POINTS: usize = 200;

/// The section: a heading for each parameter of each network.
pub(super) fn section(report: &Report, styles: &Styles) -> String {
    let all = &report.parameters;
    let headings = distinct(all.iter().map(|series| (series.observe.as_str(), series.parameter.as_str())));
    if headings.is_empty() {
        return String::new();
    }
    let mut out = r#"<p class="note">Coloured line and band: posterior mean ± 2 posterior standard deviations of the first replicate, burn-in included (of the first tenth what goes far is cut off). Thin black line: the truth, which no row is told.</p>"#.to_owned();
    for (network, parameter) in headings {
        let own = all.iter().filter(|series| series.observe == network && series.parameter == parameter);
        let charts: String = own.map(|series| chart(series, styles).svg()).collect();
        let (parameter, network) = (escape(parameter), escape(network));
        out.push_str(&format!(
            r#"<h4><code>{parameter}</code>, observing network {network}</h4><div class="charts">{charts}</div>"#
        ));
    }
    out
}

fn chart(series: &ParameterSeries, styles: &Styles) -> Chart {
    let (means, sds) = (thin(&series.times, &series.mean, POINTS).0, thin(&series.times, &series.sd, POINTS).0);
    let edges = means.iter().zip(&sds).map(|(&(time, mean), (_, sd))| {
        let band = mean.zip(*sd).map(|(mean, sd)| (mean - 2.0 * sd, mean + 2.0 * sd));
        (time, band)
    });
    let band: Vec<_> = edges.collect();
    // what is still to be learned in the first tenth would press the rest to a line
    let settled = band.iter().skip(band.len() / 10).filter_map(|(_, band)| *band);
    let shown = settled.flat_map(|(low, high)| [low, high]).chain(series.truth);
    let (low, high) = shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    let ends = (series.times.first().copied().unwrap_or(0.0), series.times.last().copied().unwrap_or(1.0));
    let (x, y) = (Axis::linear(ends.0, ends.1, 5, "model time"), Axis::rounded(low, high, 4, ""));
    let label = short_label(&series.label, &series.observe);
    // the truth is black, so the true system's rows take the first colour here
    let style = Style { colour: Some(styles.row(&series.label, &series.observe).colour.unwrap_or(0)), dash: 0 };
    let mut chart = Chart::new(320.0, 190.0, &label, x, y);
    chart.band(style, 0.3, &band);
    chart.line(style, 2.0, &means, &label);
    if let Some(truth) = series.truth {
        chart.line(Style::TRUTH, 1.0, &[(ends.0, Some(truth)), (ends.1, Some(truth))], "truth");
    }
    chart
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_chart_has_a_band_the_mean_and_the_truth() {
        let report = sample::rich();
        let html = section(&report, &Styles::of(&report));
        assert!(html.contains("<code>forcing</code>, observing network full"), "{html}");
        let charts = html.matches("<svg class=\"chart\"").count();
        assert_eq!(charts, report.parameters.len());
        assert_eq!(html.matches("<title>truth</title>").count(), charts);
        assert_eq!(html.matches("fill-opacity").count(), charts);
        assert_eq!(section(&sample::small(), &Styles::default()), "");
    }
}
