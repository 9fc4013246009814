//! The columns of a table, by what they are of and what they measure; their names are made here and read here alone.

use super::about::{About, Of, Orientation};
use super::metric::{Context, Metric};
use super::series::{OF_PARAMETER, SERIES, Series, SeriesMean};
use super::{METRICS, build};
use crate::systems::Result;
use crate::systems::registry::find;

/// A metric, and what it is of.
pub struct Column {
    /// What it is of.
    pub of: Of,
    /// The metric.
    pub metric: Box<dyn Metric>,
    /// What is said of it.
    pub about: About,
    /// The estimated parameter that it is about, if any.
    parameter: Option<String>,
    /// The metric's or the series' name.
    measured: &'static str,
}

impl Column {
    /// A registered metric of `of`.
    ///
    /// # Errors
    /// An unknown name, or a metric that this experiment cannot have.
    pub fn registered(of: Of, name: &str, context: &Context) -> Result<Self> {
        let entry = find(METRICS, "metric", name)?;
        let metric = build(name, context)?;
        Ok(Self { of, metric, about: entry.build.about, parameter: None, measured: entry.name })
    }

    /// The mean of a series of numbers about `of`.
    pub fn series(of: Of, series: &Series) -> Self {
        let Series { name, about } = *series;
        Self { of, metric: Box::new(SeriesMean), about, parameter: None, measured: name }
    }

    /// The mean of a series of numbers about an estimated parameter.
    pub fn of_parameter(parameter: &str, series: &Series) -> Self {
        Self { parameter: Some(parameter.to_owned()), ..Self::series(Of::Analysis, series) }
    }

    /// The column's name in result files, such as `rmse_forecast`.
    pub fn name(&self) -> String {
        let ending = self.of.ending();
        match &self.parameter {
            Some(parameter) => format!("{parameter}_{}{ending}", self.measured),
            None => format!("{}{ending}", self.measured),
        }
    }

    /// The name of the metric or series that it measures.
    pub fn measured(&self) -> &'static str {
        self.measured
    }

    /// Whether it is this metric or series of the state.
    pub fn measures(&self, of: Of, name: &str) -> bool {
        self.parameter.is_none() && self.of == of && self.measured == name
    }

    /// Whether it is this series of that parameter.
    pub fn measures_parameter(&self, parameter: &str, series: &Series) -> bool {
        self.parameter.as_deref() == Some(parameter) && self.measured == series.name
    }
}

/// What is known of a column by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described {
    /// What is said of its metric.
    pub about: About,
    /// What it is of.
    pub of: Of,
}

impl Described {
    /// The title of the column.
    pub fn title(&self) -> String {
        self.about.title(self.of)
    }

    /// The meaning of the column.
    pub fn meaning(&self) -> String {
        self.about.meaning(self.of)
    }

    /// Whether a terminal shows it.
    pub fn is_headline(&self) -> bool {
        self.about.headline.contains(&self.of)
    }
}

/// What is known of a column of this name; none of a name that no metric and no series gives.
pub fn describe(column: &str) -> Option<Described> {
    let endings = Of::ALL.iter().copied().filter_map(|of| Some((of, column.strip_suffix(of.ending())?)));
    let named = |(of, name): (Of, &str)| {
        let metrics = METRICS.iter().map(|entry| (entry.name, entry.build.about));
        let series = SERIES.iter().map(|series| (series.name, series.about));
        let about = metrics.chain(series).find(|(known, _)| *known == name).map(|(_, about)| about)?;
        Some(Described { about, of })
    };
    endings.filter_map(named).next()
}

/// The title of a column of any name: where nothing is known of it, the name in words.
pub fn title(column: &str) -> String {
    describe(column).map_or_else(|| column.replace('_', " "), |known| known.title())
}

/// Whether a column is on a log scale, where differences say something and ratios nothing.
pub fn is_logarithmic(column: &str) -> bool {
    describe(column).is_some_and(|known| known.about.logarithmic)
}

/// Which values of a column of any name are good; where nothing is known of it, it may be about an estimated parameter.
pub fn orientation(column: &str) -> Orientation {
    let of_parameter = || OF_PARAMETER.iter().find(|series| ends_with(column, series.name));
    let known = describe(column).map(|known| known.about).or_else(|| of_parameter().map(|series| series.about));
    known.map_or(Orientation::None, |about| about.orientation)
}

/// Whether the last words of a column's name are `name`.
fn ends_with(column: &str, name: &str) -> bool {
    column.strip_suffix(name).is_some_and(|rest| rest.ends_with('_'))
}

/// The name of the metric that a column is of: the column's without its ending.
pub fn measured(column: &str) -> &str {
    let endings = Of::ALL.iter().filter(|of| **of != Of::Analysis);
    endings.filter_map(|of| column.strip_suffix(of.ending())).next().unwrap_or(column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Pool;
    use crate::score::series::{CHI_SQUARE, ESS};

    #[test]
    fn names_are_read_as_they_are_made() {
        let context = Context::plain(Pool::All);
        for of in Of::ALL {
            for entry in METRICS {
                let column = Column::registered(*of, entry.name, &context).unwrap();
                let known = Described { about: entry.build.about, of: *of };
                assert_eq!(describe(&column.name()), Some(known), "{}", column.name());
                assert_eq!(measured(&column.name()), entry.name);
            }
        }
        assert_eq!(Column::series(Of::Withheld, &CHI_SQUARE).name(), "chi_square_withheld");
        assert_eq!(Column::series(Of::Analysis, &ESS).name(), "ess");
        assert_eq!(Column::of_parameter("forcing", &OF_PARAMETER[2]).name(), "forcing_error");
    }

    #[test]
    fn a_column_of_any_name_has_a_title_and_a_direction() {
        assert_eq!(title("rmse_forecast"), "RMSE, forecast");
        assert_eq!(title("forcing_mean"), "forcing mean");
        assert_eq!(orientation("forcing_error"), Orientation::Less);
        assert_eq!(orientation("forcing_chi_square"), Orientation::Near(1));
        assert_eq!(orientation("forcing_mean"), Orientation::None);
        assert_eq!(orientation("anything"), Orientation::None);
        assert!(
            describe("rmse_withheld").unwrap().is_headline() && !describe("crps_fair_smoothed").unwrap().is_headline()
        );
    }
}
