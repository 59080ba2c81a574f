//! What stops a command before it could do its work: what, where, why and what to do about it. Always exit code 2.

use std::error::Error;
use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A file with line and column, an option, an address; empty where there is none.
    pub place: String,
    pub message: String,
    pub hint: Option<String>,
}

impl Problem {
    pub fn new(message: impl Into<String>) -> Self {
        Self { place: String::new(), message: message.into(), hint: None }
    }

    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = place.to_string();
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The message with the whole chain of causes behind it.
    pub fn caused_by(message: impl fmt::Display, error: &(dyn Error + 'static)) -> Self {
        Self::new(format!("{message}: {}", chain(error)))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.message)?;
        if !self.place.is_empty() {
            write!(formatter, "\n  at {}", self.place)?;
        }
        if let Some(hint) = &self.hint {
            write!(formatter, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// Why a command could not be carried out; every problem found, not only the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError {
    pub problems: Vec<Problem>,
}

impl fmt::Display for CommandError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(formatter, "{separator}error: {problem}")?;
        }
        Ok(())
    }
}

impl Error for CommandError {}

impl From<Problem> for CommandError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl From<Vec<Problem>> for CommandError {
    fn from(problems: Vec<Problem>) -> Self {
        Self { problems }
    }
}

/// An error and its causes, each said once.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}
