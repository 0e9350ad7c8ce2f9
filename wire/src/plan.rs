use serde::{Deserialize, Serialize};

use crate::Expr;

/// What a frame handle in a cell stands for: steps over frames that the engine holds. Nothing runs until the
/// engine is asked for rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Plan {
    /// A frame the engine holds, by id. Ids are never reused, so a handle always means the rows it was made from.
    Frame {
        id: u64,
    },
    Filter {
        input: Box<Plan>,
        predicate: Expr,
    },
    Select {
        input: Box<Plan>,
        exprs: Vec<Expr>,
    },
    WithColumns {
        input: Box<Plan>,
        exprs: Vec<Expr>,
    },
    Drop {
        input: Box<Plan>,
        columns: Vec<String>,
    },
    Rename {
        input: Box<Plan>,
        from: Vec<String>,
        to: Vec<String>,
    },
    GroupBy {
        input: Box<Plan>,
        keys: Vec<Expr>,
        aggregates: Vec<Expr>,
    },
    Join {
        left: Box<Plan>,
        right: Box<Plan>,
        left_on: Vec<Expr>,
        right_on: Vec<Expr>,
        kind: JoinKind,
    },
    Sort {
        input: Box<Plan>,
        by: Vec<SortKey>,
    },
    Head {
        input: Box<Plan>,
        rows: u64,
    },
    Tail {
        input: Box<Plan>,
        rows: u64,
    },
    /// Distinct rows over these columns (all when empty); the first of each is kept.
    Unique {
        input: Box<Plan>,
        columns: Vec<String>,
    },
    Explode {
        input: Box<Plan>,
        columns: Vec<String>,
    },
    /// Rows of each input below one another; columns matched by name.
    Concat {
        inputs: Vec<Plan>,
    },
    /// KQL operators applied to the input: `where score > 1 | top 20 by score`.
    Kql {
        input: Box<Plan>,
        query: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SortKey {
    pub expr: Expr,
    pub descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinKind {
    Inner,
    Left,
    Full,
    Semi,
    Anti,
    Cross,
}
