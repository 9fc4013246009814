//! What a reader of a table must know of a column: what it is of, its title, which values are good, what it means.

/// Which values of a metric are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orientation {
    /// Less is better.
    Less,
    /// More is better.
    More,
    /// The nearer to this number the better.
    Near(i32),
    /// It describes and does not judge.
    None,
}

impl Orientation {
    /// The value as a loss, of which less is better; NaN for a metric that does not judge.
    pub fn loss(self, value: f64) -> f64 {
        match self {
            Self::Less => value,
            Self::More => -value,
            Self::Near(best) => (value - f64::from(best)).abs(),
            Self::None => f64::NAN,
        }
    }

    /// The part of a value within which two values are alike, in the units of losses: a tenth of the value, or of the number
    /// that is best; 0 where 0 is best, for then nothing says what is little.
    fn tenth(self, value: f64) -> f64 {
        match self {
            Self::Less | Self::More => 0.1 * value.abs(),
            Self::Near(best) => 0.1 * f64::from(best).abs(),
            Self::None => f64::NAN,
        }
    }

    /// The direction in words, such as "less is better".
    pub fn phrase(self) -> String {
        match self {
            Self::Less => "less is better".into(),
            Self::More => "more is better".into(),
            Self::Near(best) => format!("best at {best}"),
            Self::None => "describes, does not rank".into(),
        }
    }
}

/// What a column is of. The name of a column is that of its metric with the ending of what it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The analysis of an assimilation table; in a forecast table, the forecast at its lead step.
    Analysis,
    /// The forecast that an analysis starts from.
    Forecast,
    /// What a smoother says of a time given later observations.
    Smoothed,
    /// The analysis against observations that no method was shown.
    Withheld,
}

impl Of {
    /// All of them, in the order of the columns.
    pub const ALL: &'static [Self] = &[Self::Analysis, Self::Forecast, Self::Smoothed, Self::Withheld];

    /// The end of a column's name.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Analysis => "",
            Self::Forecast => "_forecast",
            Self::Smoothed => "_smoothed",
            Self::Withheld => "_withheld",
        }
    }

    /// What follows the title of a metric.
    fn title(self) -> &'static str {
        match self {
            Self::Analysis => "",
            Self::Forecast => ", forecast",
            Self::Smoothed => ", smoothed",
            Self::Withheld => ", withheld",
        }
    }

    /// What follows the meaning of a metric.
    fn meaning(self) -> &'static str {
        match self {
            Self::Analysis => "",
            Self::Forecast => " Here of the forecast, before the observations of the time are used.",
            Self::Smoothed => " Here of the state given later observations too: a smoother's.",
            Self::Withheld => {
                " Here of the analysis against observations of its time that the method was not shown. It needs no truth; \
                 the errors of these observations are in it."
            }
        }
    }
}

/// What is said of a metric wherever it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// The name in print.
    pub title: &'static str,
    /// Which values are good.
    pub orientation: Orientation,
    /// What it estimates, and how, in sentences.
    pub meaning: &'static str,
    /// What an assimilation table has columns of it for.
    pub of: &'static [Of],
    /// Which of its columns a terminal shows; a page shows all.
    pub headline: &'static [Of],
    /// Whether it is on a log scale, where a difference and no ratio tells how much better a value is.
    pub logarithmic: bool,
}

impl About {
    /// Of a metric that an assimilation table has a column of for analyses alone, and that heads no table.
    pub const fn new(title: &'static str, orientation: Orientation, meaning: &'static str) -> Self {
        Self { title, orientation, meaning, of: &[Of::Analysis], headline: &[], logarithmic: false }
    }

    /// With these columns in an assimilation table.
    #[must_use]
    pub const fn of(self, of: &'static [Of]) -> Self {
        Self { of, ..self }
    }

    /// With these of its columns shown on a terminal.
    #[must_use]
    pub const fn headline(self, headline: &'static [Of]) -> Self {
        Self { headline, ..self }
    }

    /// On a log scale.
    #[must_use]
    pub const fn logarithmic(self) -> Self {
        Self { logarithmic: true, ..self }
    }

    /// The difference from the best value of a column, as a loss, up to which a row is as good for practice: a tenth of it; a
    /// tenth of a natural logarithm's unit on a log scale.
    pub fn alike(&self, best: f64) -> f64 {
        if self.logarithmic { 0.1 } else { self.orientation.tenth(best) }
    }

    /// The title of a column, such as "RMSE, forecast".
    pub fn title(&self, of: Of) -> String {
        format!("{}{}", self.title, of.title())
    }

    /// The meaning of a column.
    pub fn meaning(&self, of: Of) -> String {
        format!("{}{}", self.meaning, of.meaning())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_is_a_tenth() {
        let about = |orientation| About::new("", orientation, "");
        assert_eq!(about(Orientation::Less).alike(-2.0), 0.2);
        assert_eq!(about(Orientation::Near(1)).alike(7.0), 0.1);
        assert_eq!(about(Orientation::Near(0)).alike(7.0), 0.0);
        assert_eq!(about(Orientation::Less).logarithmic().alike(-7.0), 0.1);
    }

    #[test]
    fn a_loss_is_less_for_the_better_value() {
        assert!(Orientation::Near(1).loss(0.9) < Orientation::Near(1).loss(1.2));
        assert!(Orientation::More.loss(2.0) < Orientation::More.loss(1.0));
        assert!(Orientation::None.loss(2.0).is_nan());
    }
}
