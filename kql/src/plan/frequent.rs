//! Frequent patterns of attributes: the search behind `basket` and `diffpatterns`.
//!
//! A pattern fixes some columns and leaves the others free. Of patterns that hold in the same rows
//! only the one that fixes most is kept: the columns it adds follow from the others.

use std::collections::{HashMap, HashSet};

use polars::prelude::*;

use super::ColumnInfo;
use crate::{
    rows::Reader,
    value::{Cell, Value},
};

/// More patterns than this help nobody and take long to find.
const MAX_PATTERNS: usize = 20_000;

/// The distinct rows of a table, their values as codes.
pub(super) struct Attributes {
    /// Per column the value of each code.
    pub(super) values: Vec<Vec<Value>>,
    /// Per distinct row the code of each column.
    pub(super) rows: Vec<Vec<u32>>,
    pub(super) weights: Vec<f64>,
    /// The distinct row that each row of the table is.
    place: Vec<u32>,
    /// The weight of each row of the table.
    row_weights: Vec<f64>,
}

/// Codes of the columns that are fixed, and the rows in which they hold.
#[derive(Clone)]
pub(super) struct Pattern {
    pub(super) values: Vec<Option<u32>>,
    pub(super) weight: f64,
    rows: Vec<u32>,
}

impl Pattern {
    pub(super) fn fixed(&self) -> usize {
        self.values.iter().flatten().count()
    }

    /// Whether every value that this fixes is fixed there, too.
    fn is_part_of(&self, other: &Pattern) -> bool {
        self.values.iter().zip(&other.values).all(|(own, other)| own.is_none() || own == other)
    }
}

/// The values of a column that may be in a pattern: their numbers, and how many there are.
struct Places {
    numbers: Vec<Option<usize>>,
    count: usize,
}

/// How often a pattern holds in two sets.
#[derive(Clone, Copy)]
pub(super) struct Difference {
    pub(super) a: f64,
    pub(super) b: f64,
    pub(super) all_a: f64,
    pub(super) all_b: f64,
}

impl Difference {
    fn size(&self) -> f64 {
        (self.a / self.all_a - self.b / self.all_b).abs()
    }
}

impl Attributes {
    /// Rows with a weight that is missing or not positive count for nothing.
    pub(super) fn of(frame: &DataFrame, columns: &[ColumnInfo], weight: Option<&str>) -> PolarsResult<Self> {
        let materialized =
            |name: &str| -> PolarsResult<Series> { Ok(frame.column(name)?.as_materialized_series().rechunk()) };
        let row_weights: Vec<f64> = match weight {
            None => vec![1.0; frame.height()],
            Some(name) => {
                let series = materialized(name)?;
                let reader = Reader::new(&series)?;
                (0..frame.height())
                    .map(|row| {
                        reader.get(row).real().filter(|weight| *weight > 0.0 && weight.is_finite()).unwrap_or(0.0)
                    })
                    .collect()
            }
        };
        let mut coded: Vec<Vec<u32>> = vec![Vec::with_capacity(columns.len()); frame.height()];
        let mut values = Vec::with_capacity(columns.len());
        for column in columns {
            let series = materialized(&column.name)?;
            let reader = Reader::new(&series)?;
            let mut codes: HashMap<String, u32> = HashMap::new();
            let mut known: Vec<Value> = Vec::new();
            for (row, coded) in coded.iter_mut().enumerate() {
                let cell = reader.get(row);
                let key = match &cell {
                    Cell::Str(text) => format!("={text}"),
                    other => format!("{other:?}"),
                };
                let code = *codes.entry(key).or_insert_with(|| {
                    known.push(cell.into_owned());
                    known.len() as u32 - 1
                });
                coded.push(code);
            }
            values.push(known);
        }
        let mut distinct: HashMap<Vec<u32>, u32> = HashMap::new();
        let (mut rows, mut weights, mut place) = (Vec::new(), Vec::new(), Vec::with_capacity(coded.len()));
        for (row, weight) in coded.into_iter().zip(&row_weights) {
            let at = *distinct.entry(row).or_insert_with_key(|row| {
                rows.push(row.clone());
                weights.push(0.0);
                rows.len() as u32 - 1
            });
            weights[at as usize] += weight;
            place.push(at);
        }
        Ok(Self { values, rows, weights, place, row_weights })
    }

    pub(super) fn value(&self, column: usize, code: u32) -> &Value {
        &self.values[column][code as usize]
    }

    pub(super) fn total(&self) -> f64 {
        self.weights.iter().sum()
    }

    fn weight_of(&self, rows: &[u32]) -> f64 {
        rows.iter().map(|row| self.weights[*row as usize]).sum()
    }

    /// The pattern of everything that the rows have in common.
    pub(super) fn shared(&self, rows: Vec<u32>) -> Pattern {
        let values = (0..self.values.len())
            .map(|column| {
                let code = self.rows[*rows.first()? as usize][column];
                rows.iter().all(|row| self.rows[*row as usize][column] == code).then_some(code)
            })
            .collect();
        Pattern { values, weight: self.weight_of(&rows), rows }
    }

    /// Every pattern that weighs at least this much and follows from at most so many columns.
    pub(super) fn frequent(&self, least: f64, dimensions: usize) -> Result<Vec<Pattern>, String> {
        if self.total() <= 0.0 {
            return Ok(Vec::new());
        }
        // Rounding of sums must not decide about a pattern that weighs exactly the threshold.
        let least = least * (1.0 - 1e-12);
        // A value that is rare in the whole table is in no frequent pattern.
        let places: Vec<Places> = (0..self.values.len()).map(|column| self.heavy_values(column, least)).collect();
        let everywhere = self.shared((0..self.rows.len() as u32).collect());
        let mut seen: HashSet<Vec<Option<u32>>> = HashSet::from([everywhere.values.clone()]);
        let mut found = Vec::new();
        if everywhere.fixed() > 0 {
            found.push(everywhere.clone());
        }
        // Patterns that follow from one column more than those of the level before.
        let mut level = vec![everywhere];
        for _ in 0..dimensions.min(self.values.len()) {
            let mut next = Vec::new();
            for pattern in &level {
                for column in (0..self.values.len()).filter(|column| pattern.values[*column].is_none()) {
                    for rows in self.split(&pattern.rows, column, &places[column]) {
                        if self.weight_of(&rows) < least {
                            continue;
                        }
                        let narrower = self.shared(rows);
                        if seen.insert(narrower.values.clone()) {
                            next.push(narrower);
                        }
                        if seen.len() > MAX_PATTERNS {
                            return Err(format!(
                                "there are more than {MAX_PATTERNS} patterns: raise the threshold, lower the number \
                                 of dimensions, or `project` fewer columns"
                            ));
                        }
                    }
                }
            }
            found.extend(next.iter().cloned());
            level = next;
        }
        Ok(found)
    }

    /// Which values of a column weigh at least this much, numbered.
    fn heavy_values(&self, column: usize, least: f64) -> Places {
        let weights = self.value_weights(column);
        let mut count = 0;
        let numbers = weights.iter().map(|weight| {
            (*weight >= least).then(|| {
                count += 1;
                count - 1
            })
        });
        let numbers = numbers.collect();
        Places { numbers, count }
    }

    pub(super) fn value_weights(&self, column: usize) -> Vec<f64> {
        let mut weights = vec![0.0; self.values[column].len()];
        for (row, weight) in self.rows.iter().zip(&self.weights) {
            weights[row[column] as usize] += weight;
        }
        weights
    }

    /// The rows parted by their values in a column; rows with rare values are in no part.
    fn split(&self, rows: &[u32], column: usize, places: &Places) -> Vec<Vec<u32>> {
        let mut split: Vec<Vec<u32>> = vec![Vec::new(); places.count];
        if places.count > 0 {
            for row in rows {
                if let Some(at) = places.numbers[self.rows[*row as usize][column] as usize] {
                    split[at].push(*row);
                }
            }
        }
        split
    }

    // ---- diffpatterns ------------------------------------------------------------------------

    /// Patterns whose share differs by at least the threshold between two sets of rows. Of patterns
    /// of which one contains the other, the one with the larger difference is given.
    pub(super) fn differences(
        &self,
        sides: &[Option<usize>],
        threshold: f64,
        dimensions: usize,
    ) -> Result<(Vec<Difference>, Vec<Pattern>), String> {
        let mut weights = [vec![0.0; self.rows.len()], vec![0.0; self.rows.len()]];
        for ((side, place), weight) in sides.iter().zip(&self.place).zip(&self.row_weights) {
            if let Some(side) = side {
                weights[*side][*place as usize] += weight;
            }
        }
        let [all_a, all_b] = [0, 1].map(|side| weights[side].iter().sum::<f64>());
        if all_a <= 0.0 || all_b <= 0.0 {
            return Ok((Vec::new(), Vec::new()));
        }
        // Shares of the smaller set count as much as those of the larger.
        let scaled: Vec<f64> =
            weights[0].iter().zip(&weights[1]).map(|(a, b)| (a / all_a).max(0.0) + (b / all_b).max(0.0)).collect();
        let evened = Attributes {
            values: self.values.clone(),
            rows: self.rows.clone(),
            weights: scaled,
            place: Vec::new(),
            row_weights: Vec::new(),
        };
        let measured = |pattern: &Pattern| {
            let sum = |side: usize| pattern.rows.iter().map(|row| weights[side][*row as usize]).sum();
            Difference { a: sum(0), b: sum(1), all_a, all_b }
        };
        let mut found: Vec<(Difference, Pattern)> = evened
            .frequent(threshold, dimensions)?
            .into_iter()
            .map(|pattern| (measured(&pattern), pattern))
            .filter(|(difference, _)| difference.size() >= threshold)
            .collect();
        found.sort_by(|a, b| b.0.size().total_cmp(&a.0.size()).then_with(|| a.1.fixed().cmp(&b.1.fixed())));
        let mut chosen: Vec<(Difference, Pattern)> = Vec::new();
        for (difference, pattern) in found {
            if !chosen.iter().any(|(_, known)| known.is_part_of(&pattern) || pattern.is_part_of(known)) {
                chosen.push((difference, pattern));
            }
        }
        Ok(chosen.into_iter().unzip())
    }
}
