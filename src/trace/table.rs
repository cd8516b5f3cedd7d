//! The interface of a table file for its writer: columns, and groups of rows.
//!
//! Knows no file format: the crate `parquet` implements [`TableWriter`], so that a crate that writes a table compiles without waiting
//! for polars.

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Unsigned 64-bit; never null.
    Number,
    /// Unsigned 64-bit; 0 means null.
    NumberOrNull,
    Bool,
    /// Text by index; 0 means null.
    Text,
}

/// The values of one column in one group of rows.
#[derive(Debug, Clone)]
pub enum ColumnValues<'t> {
    /// Of [`ColumnKind::Number`] and [`ColumnKind::NumberOrNull`].
    Numbers(Vec<u64>),
    /// Of [`ColumnKind::Bool`].
    Bools(Vec<bool>),
    /// Of [`ColumnKind::Text`]: 0 is null, 1 the first of the texts.
    Texts(Vec<u32>, Vec<&'t str>),
}

/// A table that could not be written; the source is the file format's error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TableError(pub Box<dyn std::error::Error + Send + Sync>);

/// A table being written. After each call the file can be read as far as it is written.
pub trait TableWriter: Send {
    /// Writes a group of rows: the columns in order, all of the same length.
    ///
    /// # Errors
    /// [`TableError`] if the columns are not those of the table, or it cannot be written.
    fn write(&mut self, values: Vec<ColumnValues<'_>>) -> Result<(), TableError>;

    /// Writes rows that the next call replaces: the beginning of a group that is not complete.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn checkpoint(&mut self, values: Vec<ColumnValues<'_>>, schema: &str) -> Result<(), TableError>;

    /// Writes the end of the file, with `schema` in its metadata.
    ///
    /// # Errors
    /// [`TableError`] if it cannot be written.
    fn finish(self: Box<Self>, schema: &str) -> Result<(), TableError>;
}

impl ColumnValues<'_> {
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Bools(values) => values.len(),
            Self::Texts(values, _) => values.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
