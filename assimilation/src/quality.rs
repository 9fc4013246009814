//! What became of each observed value: the status codes of DART (the Data Assimilation Research Testbed's "DART quality
//! control"; Anderson, Hoar, Raeder, Liu, Collins, Torn and Avellano 2009).

/// What became of one observed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Quality {
    /// It was assimilated.
    Assimilated,
    /// It was only compared with forecast and analysis.
    Evaluated,
    /// It was assimilated, but h(x) of some member of the analysis is not finite.
    PosteriorFailed,
    /// It was only compared, and h(x) of some member of the analysis is not finite.
    EvaluatedPosteriorFailed,
    /// h(x) of some member of the forecast is not finite; it was not used.
    PriorFailed,
    /// The user chose not to use it.
    NotUsed,
    /// It came as missing, or marked as bad.
    Rejected,
    /// It is too far from the forecast; it was not used.
    Outlier,
}

impl Quality {
    /// DART's code.
    pub fn code(self) -> u8 {
        match self {
            Self::Assimilated => 0,
            Self::Evaluated => 1,
            Self::PosteriorFailed => 2,
            Self::EvaluatedPosteriorFailed => 3,
            Self::PriorFailed => 4,
            Self::NotUsed => 5,
            Self::Rejected => 6,
            Self::Outlier => 7,
        }
    }

    /// Whether the value moved the analysis.
    pub fn was_used(self) -> bool {
        matches!(self, Self::Assimilated | Self::PosteriorFailed)
    }
}
