//! The history of typed lines.

/// The most lines that are kept.
pub(crate) const LIMIT: usize = 1_000;

/// Lines typed before, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct History {
    lines: Vec<String>,
    /// So many of them were typed before this program was started.
    restored: usize,
}

impl From<Vec<String>> for History {
    fn from(lines: Vec<String>) -> Self {
        Self {
            restored: lines.len(),
            lines,
        }
    }
}

impl History {
    /// The lines that were added, the oldest first.
    pub(crate) fn added(&self) -> &[String] {
        &self.lines[self.restored..]
    }

    /// Adds a line, unless it is empty or the same as the last one.
    pub(crate) fn push(&mut self, line: &str) {
        if line.is_empty() || self.lines.last().is_some_and(|last| last == line) {
            return;
        }
        if self.lines.len() == LIMIT {
            self.lines.remove(0);
            self.restored = self.restored.saturating_sub(1);
        }
        self.lines.push(line.to_owned());
    }

    /// The index that the next line will get.
    pub(crate) fn end(&self) -> usize {
        self.lines.len()
    }

    /// The line at this index; 0 is the oldest.
    pub(crate) fn get(&self, index: usize) -> Option<&str> {
        self.lines.get(index).map(String::as_str)
    }

    /// The index of the newest line before `end` that contains `text`.
    pub(crate) fn find(&self, text: &str, end: usize) -> Option<usize> {
        self.lines[..end.min(self.lines.len())]
            .iter()
            .rposition(|line| line.contains(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_and_empty_lines_are_not_kept() {
        let mut history = History::default();
        for line in ["a", "a", "", "b", "a"] {
            history.push(line);
        }
        assert_eq!(history.lines, ["a", "b", "a"]);
    }

    #[test]
    fn the_oldest_lines_are_forgotten() {
        let mut history = History::default();
        for number in 0..=LIMIT {
            history.push(&number.to_string());
        }
        assert_eq!((history.end(), history.get(0)), (LIMIT, Some("1")));
    }

    #[test]
    fn lines_of_before_are_not_added_again() {
        let mut history = History::from(vec!["old".to_owned(); LIMIT]);
        for line in ["one", "two"] {
            history.push(line);
        }
        assert_eq!(history.added(), ["one", "two"]);
    }

    #[test]
    fn search_goes_from_new_to_old() {
        let mut history = History::default();
        for line in ["one", "two", "three"] {
            history.push(line);
        }
        assert_eq!(history.find("o", 3), Some(1));
        assert_eq!(history.find("o", 1), Some(0));
        assert_eq!(history.find("x", 3), None);
    }
}
