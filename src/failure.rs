//! Why a command stopped: one kind for each exit code, and one sentence.

use std::fmt;

/// The result of a stage or a command.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// The kinds of failure; each has its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// A bug of ours.
    Bug,
    /// Wrong usage, or a mistake in the experiment file.
    Usage,
    /// Input data that are invalid or corrupt.
    Data,
    /// Nothing could be reported because the numbers diverged.
    Numerical,
    /// Refused by a limit on memory.
    Resource,
    /// An external model failed.
    External,
    /// The output exists already.
    Exists,
    /// Reading or writing failed.
    Io,
    /// Stopped by the user (SIGINT); the checkpoint is saved.
    Interrupted,
    /// Stopped by the system (SIGTERM); the checkpoint is saved.
    Terminated,
}

impl FailureKind {
    /// The exit code of the process.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Bug => 1,
            Self::Usage => 2,
            Self::Data => 3,
            Self::Numerical => 4,
            Self::Resource => 5,
            Self::External => 6,
            Self::Exists => 7,
            Self::Io => 74,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The name in the JSON form of an error.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bug => "bug",
            Self::Usage => "usage",
            Self::Data => "data",
            Self::Numerical => "numerical",
            Self::Resource => "resource",
            Self::External => "external",
            Self::Exists => "exists",
            Self::Io => "io",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        }
    }
}

/// Why a command stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure, and so which exit code.
    pub kind: FailureKind,
    /// What went wrong and where, as a sentence.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The file, with line where there is one.
    pub location: Option<String>,
    /// What was found on the way, for the JSON form of the error.
    pub report: Option<Box<serde_json::Value>>,
    /// What a person is told on stdout all the same.
    pub text: Option<String>,
}

impl Failure {
    /// A failure with a message alone.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, location: None, report: None, text: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what was found on the way.
    #[must_use]
    pub fn report(mut self, report: serde_json::Value) -> Self {
        self.report = Some(Box::new(report));
        self
    }

    /// Adds what there is to print on stdout all the same.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Adds the file (and line) it is about.
    #[must_use]
    pub fn at(mut self, location: impl Into<String>) -> Self {
        self.location = Some(location.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

impl From<crate::systems::Error> for Failure {
    fn from(error: crate::systems::Error) -> Self {
        use crate::systems::Error;
        let kind = match &error {
            Error::Forecaster(_) => FailureKind::External,
            _ => FailureKind::Usage,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<crate::assimilation::Error> for Failure {
    fn from(error: crate::assimilation::Error) -> Self {
        use crate::assimilation::Error;
        match error {
            Error::System(inner) => inner.into(),
            Error::Shape(_) | Error::State(_) => Self::new(FailureKind::Data, error.to_string()),
            Error::Singular(_) => Self::new(FailureKind::Numerical, error.to_string()),
            _ => Self::new(FailureKind::Usage, error.to_string()),
        }
    }
}
