//! Which candidates fit what is typed, best first.

use super::{Completion, candidates::Candidate};

/// How well a name fits; less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Exact,
    Prefix,
    PrefixInOtherCase,
    /// The typed text begins a word within the name: `Generated` of `TimeGenerated`
    Within(usize),
    /// The typed letters occur in this order, within this many characters.
    Letters(usize),
}

/// The candidates that fit, ordered by how well they fit, then by how likely they are here.
pub(super) fn ranked(candidates: Vec<Candidate>, typed: &str) -> Vec<Completion> {
    let lowered = typed.to_lowercase();
    let mut fitting: Vec<(Fit, Candidate)> = candidates
        .into_iter()
        .filter_map(|candidate| Some((fit(&candidate.completion.label, typed, &lowered)?, candidate)))
        .collect();
    fitting.sort_by(|(left_fit, left), (right_fit, right)| (left_fit, left.priority).cmp(&(right_fit, right.priority)));
    let mut seen = std::collections::HashSet::new();
    let is_new = |completion: &Completion| seen.insert((completion.label.clone(), completion.kind));
    fitting.into_iter().map(|(_, candidate)| candidate.completion).filter(is_new).collect()
}

fn fit(label: &str, typed: &str, lowered: &str) -> Option<Fit> {
    if typed.is_empty() || label.starts_with(typed) {
        return Some(if label == typed { Fit::Exact } else { Fit::Prefix });
    }
    let label = label.to_lowercase();
    if label.starts_with(lowered) {
        return Some(Fit::PrefixInOtherCase);
    }
    if let Some(at) = label.find(lowered) {
        return Some(Fit::Within(at));
    }
    letters(&label, lowered).map(Fit::Letters)
}

/// How far apart the letters of `wanted` stand in `label`, where they occur in order.
fn letters(label: &str, wanted: &str) -> Option<usize> {
    // One or two letters occur in almost every name.
    if wanted.chars().count() < 3 || label.chars().next() != wanted.chars().next() {
        return None;
    }
    let mut rest = label.char_indices();
    let mut last = 0;
    for letter in wanted.chars() {
        last = rest.find(|(_, other)| *other == letter)?.0;
    }
    Some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn better_fits_come_first() {
        let fit = |label: &str, typed: &str| fit(label, typed, &typed.to_lowercase());
        let ordered = [
            fit("Time", "Time"),
            fit("TimeGenerated", "Time"),
            fit("timespan", "Time"),
            fit("StartTime", "Time"),
            fit("Computer", "Time"),
        ];
        assert!(ordered.iter().flatten().count() == 4 && ordered[4].is_none());
        assert!(ordered[..4].windows(2).all(|pair| pair[0] < pair[1]));
        assert!(fit("TimeGenerated", "tgd").is_some() && fit("City", "tgd").is_none());
    }
}
