//! Where the trajectories of a file are held while a command runs.

/// Where the trajectories of a file are held while a command runs. Results do not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    /// In memory where they are small beside what is allowed, and otherwise on disk.
    #[default]
    Auto,
    /// In memory.
    Memory,
    /// On disk.
    Disk,
}

impl Hold {
    /// As a user says it.
    pub const WORDS: &'static [&'static str] = &["auto", "memory", "disk"];

    /// What a word means; `auto` where it is none of them.
    pub fn named(word: &str) -> Self {
        match word {
            "memory" => Self::Memory,
            "disk" => Self::Disk,
            _ => Self::Auto,
        }
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Memory => "memory",
            Self::Disk => "disk",
        }
    }
}
