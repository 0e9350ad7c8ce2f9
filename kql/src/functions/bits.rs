//! Bitwise functions on longs.

use super::{Function, Kind, Returns, function, rule};
use crate::{
    ast::KqlType,
    value::{Cell, Value},
};

const LONG: Returns = Returns::Is(KqlType::Long);
const TWO: &[Kind] = &[Kind::Integer, Kind::Integer];

pub(super) const FUNCTIONS: &[Function] = &[
    function(&["binary_and"], TWO, 0, LONG, |_| rule(|c| both(c, |x, y| Some(x & y)))),
    function(&["binary_or"], TWO, 0, LONG, |_| rule(|c| both(c, |x, y| Some(x | y)))),
    function(&["binary_xor"], TWO, 0, LONG, |_| rule(|c| both(c, |x, y| Some(x ^ y)))),
    function(&["binary_not"], &[Kind::Integer], 0, LONG, |_| rule(|c| c[0].long().map(|x| !x).into())),
    function(&["binary_shift_left"], TWO, 0, LONG, |_| {
        rule(|c| both(c, |x, n| (n >= 0).then(|| x.wrapping_shl((n % 64) as u32))))
    }),
    function(&["binary_shift_right"], TWO, 0, LONG, |_| {
        rule(|c| both(c, |x, n| (n >= 0).then(|| x.wrapping_shr((n % 64) as u32))))
    }),
    function(&["bitset_count_ones"], &[Kind::Integer], 0, LONG, |_| {
        rule(|c| c[0].long().map(|x| i64::from(x.count_ones())).into())
    }),
];

fn both(c: &[Cell<'_>], function: impl Fn(i64, i64) -> Option<i64>) -> Value {
    c[0].long().zip(c[1].long()).and_then(|(x, y)| function(x, y)).into()
}
