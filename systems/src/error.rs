//! What can go wrong in this crate, each a sentence that names the remedy.

/// The result of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in a system or a forecaster. Numerical divergence is not an error: it is a non-finite state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that no entry of a registry has.
    #[error("unknown {what} `{name}`{}", hint(.nearest))]
    UnknownName {
        /// What kind of thing was looked for ("system").
        what: &'static str,
        /// The name that was given.
        name: String,
        /// The nearest known name, if one is near.
        nearest: Option<String>,
    },
    /// A setting that an entry does not have.
    #[error("{owner} has no setting `{key}`{}", hint(.nearest))]
    UnknownSetting {
        /// The entry, such as "system `lorenz96`".
        owner: String,
        /// The key that was given.
        key: String,
        /// The nearest known key, if one is near.
        nearest: Option<String>,
    },
    /// A setting of the wrong type or out of its range.
    #[error("{owner}: `{key}` {problem}")]
    Setting {
        /// The entry, such as "system `lorenz96`".
        owner: String,
        /// The key.
        key: String,
        /// A phrase that completes the sentence, with both numbers and the remedy.
        problem: String,
    },
    /// Two things that do not go together, as a sentence that names the remedy.
    #[error("{0}")]
    Unsupported(String),
    /// A failure inside a forecaster that another room built (a network, an external model).
    #[error("the forecaster failed: {0}")]
    Forecaster(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// This mistake where the settings stand under the key `outer` in those of another entry: its key becomes a path.
    pub fn within(self, outer: &str) -> Self {
        let path = |key: String| format!("{outer}.{key}");
        match self {
            Self::UnknownSetting { owner, key, nearest } => Self::UnknownSetting { owner, key: path(key), nearest },
            Self::Setting { owner, key, problem } => Self::Setting { owner, key: path(key), problem },
            other => other,
        }
    }
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}
