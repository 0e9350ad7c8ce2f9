use crate::Error;

/// A sparse matrix in compressed rows: 8 bytes per entry and 8 per row.
///
/// Entries with the same row and column are kept as separate entries. Inside a row the entries are sorted by
/// column (equal columns: input order), so the matrix does not depend on the order of the triplets.
#[derive(Debug, Clone, PartialEq)]
pub struct Csr {
    n_cols: usize,
    offsets: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl Csr {
    /// Builds the matrix from triplets in `O(entries + rows + columns)`.
    ///
    /// # Errors
    /// Slices of different length ([`Error::ColumnLength`]), an index outside the matrix
    /// ([`Error::IndexOutOfRange`]), or a value that is not finite ([`Error::InvalidLikelihood`]).
    pub fn from_triplets(
        n_rows: usize,
        n_cols: usize,
        rows: &[u32],
        columns: &[u32],
        values: &[f32],
    ) -> Result<Self, Error> {
        for (column, found) in [("column", columns.len()), ("value", values.len())] {
            if found != rows.len() {
                return Err(Error::ColumnLength { column, expected: rows.len(), found });
            }
        }
        check_range("row", rows, n_rows)?;
        check_range("column", columns, n_cols)?;
        if let Some(row) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::InvalidLikelihood { row, value: f64::from(values[row]) });
        }
        // Bucketing by column first leaves every row of the transpose sorted by column.
        let by_column = bucket(n_cols, n_rows, columns, rows.iter().copied().zip(values.iter().copied()));
        Ok(by_column.transposed())
    }

    /// The same entries by column, in `O(entries + rows + columns)`.
    pub fn transposed(&self) -> Csr {
        let entries = (0..self.n_rows()).flat_map(|r| {
            let (_, values) = self.row(r);
            values.iter().map(move |&v| (r as u32, v))
        });
        bucket(self.n_cols, self.n_rows(), &self.columns, entries)
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of columns.
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// Number of stored entries.
    pub fn nnz(&self) -> usize {
        self.columns.len()
    }

    /// Columns and values of a row.
    ///
    /// # Panics
    /// If `row >= n_rows()`, as slice indexing does.
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.offsets[row]..self.offsets[row + 1];
        (&self.columns[range.clone()], &self.values[range])
    }
}

impl Csr {
    /// Columns of a row and of all rows after it.
    pub(crate) fn columns_from(&self, row: usize) -> &[u32] {
        &self.columns[self.offsets[row]..]
    }

    /// Whether the pair has an entry; false outside the matrix. `O(log entries of the row)`.
    pub fn contains(&self, row: usize, column: usize) -> bool {
        row < self.n_rows() && self.row(row).0.binary_search_by(|&c| (c as usize).cmp(&column)).is_ok()
    }

    /// A matrix of the same size with entries taken from this one.
    pub(crate) fn rebuilt(&self, rows: &[u32], columns: &[u32], values: &[f32]) -> Csr {
        let by_column = bucket(self.n_cols, self.n_rows(), columns, rows.iter().copied().zip(values.iter().copied()));
        by_column.transposed()
    }

    /// The given rows; all their entries must lie in the given columns, which are counted from 0 in the result.
    pub(crate) fn block(&self, rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> Csr {
        let entries = self.offsets[rows.start]..self.offsets[rows.end];
        let first = columns.start as u32;
        Csr {
            n_cols: columns.len(),
            offsets: self.offsets[rows.start..=rows.end].iter().map(|o| o - entries.start).collect(),
            columns: self.columns[entries.clone()].iter().map(|c| c - first).collect(),
            values: self.values[entries].to_vec(),
        }
    }
}

fn check_range(axis: &'static str, indices: &[u32], size: usize) -> Result<(), Error> {
    if size > u32::MAX as usize {
        let what = if axis == "row" { "rows" } else { "columns" };
        return Err(Error::TooMany { what, count: size });
    }
    match indices.iter().position(|&i| i as usize >= size) {
        None => Ok(()),
        Some(position) => Err(Error::IndexOutOfRange { position, axis, index: indices[position], size }),
    }
}

/// Stable counting sort by `keys`; `entries` yields the other index and the value, in the order of `keys`.
fn bucket(n_keys: usize, n_other: usize, keys: &[u32], entries: impl Iterator<Item = (u32, f32)>) -> Csr {
    let mut offsets = vec![0usize; n_keys + 1];
    for &key in keys {
        offsets[key as usize + 1] += 1;
    }
    for i in 0..n_keys {
        offsets[i + 1] += offsets[i];
    }
    let mut next = offsets.clone();
    let mut columns = vec![0u32; keys.len()];
    let mut values = vec![0f32; keys.len()];
    for (&key, (other, value)) in keys.iter().zip(entries) {
        let slot = &mut next[key as usize];
        columns[*slot] = other;
        values[*slot] = value;
        *slot += 1;
    }
    Csr { n_cols: n_other, offsets, columns, values }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_duplicates_kept() {
        let m = Csr::from_triplets(3, 4, &[2, 0, 2, 2], &[3, 1, 0, 3], &[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!((m.n_rows(), m.n_cols(), m.nnz()), (3, 4, 4));
        assert_eq!(m.row(0), (&[1][..], &[2.0][..]));
        assert_eq!(m.row(1), (&[][..], &[][..]));
        assert_eq!(m.row(2), (&[0, 3, 3][..], &[3.0, 1.0, 4.0][..]));
        let t = m.transposed();
        assert_eq!(t.row(3), (&[2, 2][..], &[1.0, 4.0][..]));
        assert_eq!(t.transposed(), m);
    }

    #[test]
    fn bad_triplets_are_errors() {
        assert!(matches!(
            Csr::from_triplets(1, 1, &[0], &[], &[1.0]),
            Err(Error::ColumnLength { column: "column", .. })
        ));
        assert!(matches!(
            Csr::from_triplets(1, 1, &[0, 1], &[0, 0], &[1.0, 1.0]),
            Err(Error::IndexOutOfRange { position: 1, axis: "row", .. })
        ));
        assert!(matches!(
            Csr::from_triplets(1, 1, &[0], &[0], &[f32::NAN]),
            Err(Error::InvalidLikelihood { row: 0, .. })
        ));
    }
}
