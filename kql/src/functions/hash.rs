//! Hashes. Text is hashed as UTF-8, numbers and times as their eight little-endian bytes.

use md5::Md5;
use sha2::{Digest, Sha256};

use super::{Function, Kind, Returns, conversion, function, rule};
use crate::{ast::KqlType, rows::RowFunction, value::Cell};

const TEXT: Returns = Returns::Is(KqlType::String);
const LONG: Returns = Returns::Is(KqlType::Long);

pub(super) const FUNCTIONS: &[Function] = &[
    function(&["hash", "hash_xxhash64"], &[Kind::Any, Kind::Integer], 1, LONG, |a| hash_xxhash64(a.types[0])),
    function(&["hash_md5"], &[Kind::Any], 0, TEXT, |a| digest(a.types[0], |bytes| hex(&Md5::digest(bytes)))),
    function(&["hash_sha1"], &[Kind::Any], 0, TEXT, |a| {
        digest(a.types[0], |bytes| sha1_smol::Sha1::from(bytes).digest().to_string())
    }),
    function(&["hash_sha256"], &[Kind::Any], 0, TEXT, |a| digest(a.types[0], |bytes| hex(&Sha256::digest(bytes)))),
];

/// The digest of the text form. Nothing hashes to nothing.
fn digest(kind: KqlType, of_bytes: fn(&[u8]) -> String) -> Result<RowFunction, String> {
    rule(move |c| {
        let text = conversion::text_of(&c[0], kind);
        if text.is_empty() { "".into() } else { of_bytes(text.as_bytes()).into() }
    })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash_xxhash64(kind: KqlType) -> Result<RowFunction, String> {
    if kind == KqlType::Decimal || kind == KqlType::Dynamic {
        return Err(format!("a {kind} is hashed differently by every engine: convert it with tostring() first"));
    }
    rule(move |c| {
        let Some(bytes) = bytes_of(&c[0], kind) else { return Cell::Null };
        let hash = xxh64(&bytes) as i64;
        match c.get(1) {
            None => hash.into(),
            Some(modulus) => match modulus.long() {
                Some(modulus) if modulus != 0 => hash.wrapping_rem_euclid(modulus).into(),
                _ => Cell::Null,
            },
        }
    })
}

fn bytes_of(cell: &Cell<'_>, kind: KqlType) -> Option<Vec<u8>> {
    Some(match cell {
        Cell::Null => return None,
        Cell::Bool(value) => vec![u8::from(*value)],
        Cell::Long(value) if kind == KqlType::Int => (*value as i32).to_le_bytes().to_vec(),
        Cell::Long(value) => value.to_le_bytes().to_vec(),
        Cell::Real(value) => value.to_le_bytes().to_vec(),
        Cell::Str(text) => text.as_bytes().to_vec(),
    })
}

const PRIMES: [u64; 5] =
    [0x9E37_79B1_85EB_CA87, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9, 0x85EB_CA77_C2B2_AE63, 0x27D4_EB2F_1656_67C5];

/// xxHash64 with seed 0, as its specification writes it. The workspace's xxhash crate is built
/// with its 128-bit variant only, and another feature would rebuild polars.
pub(crate) fn xxh64(bytes: &[u8]) -> u64 {
    let [p1, p2, p3, p4, p5] = PRIMES;
    let round = |lane: u64, input: u64| lane.wrapping_add(input.wrapping_mul(p2)).rotate_left(31).wrapping_mul(p1);
    let mut rest = bytes;
    let mut hash = if bytes.len() >= 32 {
        let mut lanes = [p1.wrapping_add(p2), p2, 0, 0u64.wrapping_sub(p1)];
        while rest.len() >= 32 {
            for lane in &mut lanes {
                let (head, tail) = rest.split_at(8);
                *lane = round(*lane, little_endian(head));
                rest = tail;
            }
        }
        let turned = lanes[0]
            .rotate_left(1)
            .wrapping_add(lanes[1].rotate_left(7))
            .wrapping_add(lanes[2].rotate_left(12))
            .wrapping_add(lanes[3].rotate_left(18));
        lanes.iter().fold(turned, |hash, lane| (hash ^ round(0, *lane)).wrapping_mul(p1).wrapping_add(p4))
    } else {
        p5
    };
    hash = hash.wrapping_add(bytes.len() as u64);
    while rest.len() >= 8 {
        let (head, tail) = rest.split_at(8);
        hash = (hash ^ round(0, little_endian(head))).rotate_left(27).wrapping_mul(p1).wrapping_add(p4);
        rest = tail;
    }
    if rest.len() >= 4 {
        let (head, tail) = rest.split_at(4);
        hash = (hash ^ little_endian(head).wrapping_mul(p1)).rotate_left(23).wrapping_mul(p2).wrapping_add(p3);
        rest = tail;
    }
    for byte in rest {
        hash = (hash ^ u64::from(*byte).wrapping_mul(p5)).rotate_left(11).wrapping_mul(p1);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(p2);
    hash = (hash ^ (hash >> 29)).wrapping_mul(p3);
    hash ^ (hash >> 32)
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xxh64_gives_the_published_values() {
        assert_eq!(xxh64(b""), 0xEF46_DB37_51D8_E999);
        assert_eq!(xxh64(b"abc"), 0x44BC_2CF5_AD77_0999);
        assert_eq!(xxh64(b"Nobody inspects the spammish repetition"), 0xFBCE_A83C_8A37_8BF1);
    }
}
