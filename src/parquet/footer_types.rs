//! The types of a footer's fields. Polars reads a field by its number and never compares its type, so a field of another type would make it
//! read another structure than the one that was checked: a list could then be longer than the file.
//!
//! Source: Parquet's `parquet.thrift` (release 2.10), the structs that polars-parquet 0.55 reads; it skips other fields by their types.

use super::thrift::Type::{self, Bool, Byte, List, Number, Struct, Text};

/// `FileMetaData`.
pub(super) const FILE: Fields = &[
    (1, Number),
    (2, List(&Struct(ELEMENT))),
    (3, Number),
    (4, List(&Struct(ROW_GROUP))),
    (5, List(&Struct(KEY_VALUE))),
    (6, Text),
    (7, List(&Struct(COLUMN_ORDER))),
];

type Fields = &'static [(i64, Type)];

/// `SchemaElement`.
const ELEMENT: Fields = &[
    (1, Number),
    (2, Number),
    (3, Number),
    (4, Text),
    (5, Number),
    (6, Number),
    (7, Number),
    (8, Number),
    (9, Number),
    (10, Struct(LOGICAL_TYPE)),
];

/// `LogicalType`, a union of structs; those without fields of their own are read like unknown ones.
const LOGICAL_TYPE: Fields = &[
    (1, Struct(EMPTY)),
    (2, Struct(EMPTY)),
    (3, Struct(EMPTY)),
    (4, Struct(EMPTY)),
    (5, Struct(&[(1, Number), (2, Number)])),
    (6, Struct(EMPTY)),
    (7, Struct(TIME)),
    (8, Struct(TIME)),
    (10, Struct(&[(1, Byte), (2, Bool)])),
    (11, Struct(EMPTY)),
    (12, Struct(EMPTY)),
    (13, Struct(EMPTY)),
    (14, Struct(EMPTY)),
    (15, Struct(EMPTY)),
];

/// `TimeType` and `TimestampType`.
const TIME: Fields = &[(1, Bool), (2, Struct(&[(1, Struct(EMPTY)), (2, Struct(EMPTY)), (3, Struct(EMPTY))]))];

/// `RowGroup`.
const ROW_GROUP: Fields = &[
    (1, List(&Struct(COLUMN_CHUNK))),
    (2, Number),
    (3, Number),
    (4, List(&Struct(&[(1, Number), (2, Bool), (3, Bool)]))),
    (5, Number),
    (6, Number),
    (7, Number),
];

/// `ColumnChunk`.
const COLUMN_CHUNK: Fields = &[(1, Text), (2, Number), (3, Struct(COLUMN)), (4, Number), (5, Number), (6, Number), (7, Number)];

/// `ColumnMetaData`.
const COLUMN: Fields = &[
    (1, Number),
    (2, List(&Number)),
    (3, List(&Text)),
    (4, Number),
    (5, Number),
    (6, Number),
    (7, Number),
    (9, Number),
    (10, Number),
    (11, Number),
    (12, Struct(STATISTICS)),
    (14, Number),
    (15, Number),
];

/// `Statistics`.
const STATISTICS: Fields = &[(1, Text), (2, Text), (3, Number), (4, Number), (5, Text), (6, Text), (7, Bool), (8, Bool)];

/// `KeyValue`.
const KEY_VALUE: Fields = &[(1, Text), (2, Text)];

/// `ColumnOrder`.
const COLUMN_ORDER: Fields = &[(1, Struct(EMPTY)), (2, Struct(EMPTY))];

/// A struct without fields that are known.
const EMPTY: Fields = &[];
