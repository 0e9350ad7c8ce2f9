//! IPv4 and IPv6 addresses with optional `/prefix`, as text.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value as Json;

use super::{Function, Kind, Returns, conversion, dynamic, function, rule, variadic};
use crate::{
    ast::KqlType,
    value::{Cell, Value},
};

const LONG: Returns = Returns::Is(KqlType::Long);
const BOOL: Returns = Returns::Is(KqlType::Bool);
const TEXT: Returns = Returns::Is(KqlType::String);
const DYNAMIC: Returns = Returns::Is(KqlType::Dynamic);
const PAIR: &[Kind] = &[Kind::Text, Kind::Text, Kind::Integer];

pub(super) const FUNCTIONS: &[Function] = &[
    function(&["parse_ipv4"], &[Kind::Text], 0, LONG, |_| {
        rule(|c| V4::parse(c[0].text()).map(|ip| i64::from(ip.masked(ip.prefix))).into())
    }),
    function(&["parse_ipv4_mask"], &[Kind::Text, Kind::Integer], 0, LONG, |_| {
        rule(|c| {
            let ip = V4::parse(c[0].text());
            let prefix = c[1].long().and_then(|prefix| u32::try_from(prefix).ok()).filter(|prefix| *prefix <= 32);
            ip.zip(prefix).map(|(ip, prefix)| i64::from(ip.masked(prefix.min(ip.prefix)))).into()
        })
    }),
    function(&["parse_ipv6"], &[Kind::Text], 0, TEXT, |_| {
        rule(|c| V6::parse(c[0].text()).map_or_else(|| "".into(), |ip| ip.full_text(ip.prefix).into()))
    }),
    function(&["parse_ipv6_mask"], &[Kind::Text, Kind::Integer], 0, TEXT, |_| {
        rule(|c| {
            let ip = V6::parse(c[0].text());
            let prefix = c[1].long().and_then(|prefix| u32::try_from(prefix).ok()).filter(|prefix| *prefix <= 128);
            ip.zip(prefix).map_or_else(|| "".into(), |(ip, prefix)| ip.full_text(prefix.min(ip.prefix)).into())
        })
    }),
    function(&["format_ipv4"], &[Kind::Any, Kind::Integer], 1, TEXT, |a| {
        let kind = a.types[0];
        rule(move |c| format_ipv4(c, kind, false))
    }),
    function(&["format_ipv4_mask"], &[Kind::Any, Kind::Integer], 1, TEXT, |a| {
        let kind = a.types[0];
        rule(move |c| format_ipv4(c, kind, true))
    }),
    function(&["ipv4_compare"], PAIR, 1, LONG, |_| rule(|c| compare_v4(c).into())),
    function(&["ipv4_is_match"], PAIR, 1, BOOL, |_| rule(|c| compare_v4(c).map(|order| order == 0).into())),
    function(&["ipv6_compare"], PAIR, 1, LONG, |_| rule(|c| compare_v6(c).into())),
    function(&["ipv6_is_match"], PAIR, 1, BOOL, |_| rule(|c| compare_v6(c).map(|order| order == 0).into())),
    function(&["ipv4_is_in_range"], &[Kind::Text, Kind::Text], 0, BOOL, |_| {
        rule(|c| V4::parse(c[0].text()).zip(V4::parse(c[1].text())).map(|(ip, range)| range.contains(ip)).into())
    }),
    function(&["ipv6_is_in_range"], &[Kind::Text, Kind::Text], 0, BOOL, |_| {
        rule(|c| V6::parse(c[0].text()).zip(V6::parse(c[1].text())).map(|(ip, range)| range.contains(ip)).into())
    }),
    variadic(&["ipv4_is_in_any_range"], &[Kind::Text, Kind::Any], 2, BOOL, |a| {
        let kinds = a.types.clone();
        rule(move |c| in_any(c, &kinds, V4::parse, V4::contains))
    }),
    variadic(&["ipv6_is_in_any_range"], &[Kind::Text, Kind::Any], 2, BOOL, |a| {
        let kinds = a.types.clone();
        rule(move |c| in_any(c, &kinds, V6::parse, V6::contains))
    }),
    function(&["ipv4_is_private"], &[Kind::Text], 0, BOOL, |_| {
        rule(|c| V4::parse(c[0].text()).map(V4::is_private).into())
    }),
    function(&["ipv4_netmask_suffix"], &[Kind::Text], 0, LONG, |_| {
        rule(|c| V4::parse(c[0].text()).map(|ip| i64::from(ip.prefix)).into())
    }),
    function(&["ipv4_range_to_cidr_list"], &[Kind::Text, Kind::Text], 0, DYNAMIC, |_| {
        rule(|c| match (V4::parse(c[0].text()), V4::parse(c[1].text())) {
            (Some(first), Some(last)) => cidr_list(first.bits, last.bits),
            _ => Cell::Null,
        })
    }),
    function(&["has_ipv4"], &[Kind::Text, Kind::Text], 0, BOOL, |_| {
        rule(|c| has_address(c[0].text(), c[1].text()).into())
    }),
    function(&["has_ipv4_prefix"], &[Kind::Text, Kind::Text], 0, BOOL, |_| {
        rule(|c| has_prefix(c[0].text(), c[1].text()).into())
    }),
    variadic(&["has_any_ipv4"], &[Kind::Text, Kind::Any], 2, BOOL, |a| {
        let kinds = a.types.clone();
        rule(move |c| needles(c, &kinds).iter().any(|needle| has_address(c[0].text(), needle)).into())
    }),
    variadic(&["has_any_ipv4_prefix"], &[Kind::Text, Kind::Any], 2, BOOL, |a| {
        let kinds = a.types.clone();
        rule(move |c| needles(c, &kinds).iter().any(|needle| has_prefix(c[0].text(), needle)).into())
    }),
];

/// An IPv4 address; without `/prefix` the prefix is 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct V4 {
    pub(crate) bits: u32,
    pub(crate) prefix: u32,
}

impl V4 {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = split_prefix(text.trim(), 32)?;
        Some(Self { bits: parse_dotted(address)?, prefix })
    }

    fn masked(self, prefix: u32) -> u32 {
        self.bits & u32::MAX.checked_shl(32 - prefix.min(32)).unwrap_or(0)
    }

    fn contains(self, other: Self) -> bool {
        other.masked(self.prefix) == self.masked(self.prefix)
    }

    /// The ranges of RFC 1918. A range is private if all of it is.
    fn is_private(self) -> bool {
        [(10, 8), (172 << 8 | 16, 12), (192 << 8 | 168, 16)].into_iter().any(|(network, prefix)| {
            let bits = if prefix == 8 { network << 24 } else { network << 16 };
            self.prefix >= prefix && Self { bits, prefix }.contains(self)
        })
    }

    fn dotted(bits: u32) -> String {
        Ipv4Addr::from(bits).to_string()
    }
}

/// Four numbers up to 255; leading zeros are fine.
fn parse_dotted(text: &str) -> Option<u32> {
    let mut bits = 0u32;
    let mut parts = 0;
    for part in text.split('.') {
        let digits = (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        let number: u32 = if digits { part.parse().ok()? } else { return None };
        if number > 255 {
            return None;
        }
        bits = bits << 8 | number;
        parts += 1;
    }
    (parts == 4).then_some(bits)
}

/// `address/prefix`; without the prefix all bits count.
fn split_prefix(text: &str, most: u32) -> Option<(&str, u32)> {
    let Some((address, prefix)) = text.split_once('/') else { return Some((text, most)) };
    let digits = (1..=3).contains(&prefix.len()) && prefix.bytes().all(|byte| byte.is_ascii_digit());
    let prefix: u32 = if digits { prefix.parse().ok()? } else { return None };
    (prefix <= most).then_some((address, prefix))
}

/// An IPv6 address. An IPv4 address is read as `::ffff:a.b.c.d`, and its prefix counts from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct V6 {
    bits: u128,
    prefix: u32,
}

impl V6 {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.contains(':') {
            let v4 = V4::parse(text)?;
            return Some(Self { bits: 0xffff << 32 | u128::from(v4.bits), prefix: v4.prefix + 96 });
        }
        // The prefix of `::ffff:a.b.c.d/24` counts within the IPv4 part.
        if let Some((address, prefix)) = split_prefix(text, 32).filter(|(address, _)| address.contains('.'))
            && text.contains('/')
        {
            let bits = u128::from(address.parse::<Ipv6Addr>().ok()?);
            if bits >> 32 == 0xffff {
                return Some(Self { bits, prefix: prefix + 96 });
            }
        }
        let (address, prefix) = split_prefix(text, 128)?;
        Some(Self { bits: address.parse::<Ipv6Addr>().ok()?.into(), prefix })
    }

    fn masked(self, prefix: u32) -> u128 {
        self.bits & u128::MAX.checked_shl(128 - prefix.min(128)).unwrap_or(0)
    }

    fn contains(self, other: Self) -> bool {
        other.masked(self.prefix) == self.masked(self.prefix)
    }

    /// All eight groups with all their digits.
    fn full_text(self, prefix: u32) -> String {
        let groups = Ipv6Addr::from(self.masked(prefix)).segments();
        groups.iter().map(|group| format!("{group:04x}")).collect::<Vec<_>>().join(":")
    }
}

/// The shortest of the two addresses' prefixes and the given one decides how many bits count.
fn compare_v4(c: &[Cell<'_>]) -> Option<i64> {
    let (left, right) = (V4::parse(c[0].text())?, V4::parse(c[1].text())?);
    let prefix = shortest(c.get(2), left.prefix.min(right.prefix), 32)?;
    Some(left.masked(prefix).cmp(&right.masked(prefix)) as i64)
}

fn compare_v6(c: &[Cell<'_>]) -> Option<i64> {
    let (left, right) = (V6::parse(c[0].text())?, V6::parse(c[1].text())?);
    let prefix = shortest(c.get(2), left.prefix.min(right.prefix), 128)?;
    Some(left.masked(prefix).cmp(&right.masked(prefix)) as i64)
}

fn shortest(given: Option<&Cell<'_>>, own: u32, most: u32) -> Option<u32> {
    let Some(given) = given else { return Some(own) };
    let given = given.long().and_then(|prefix| u32::try_from(prefix).ok()).filter(|prefix| *prefix <= most)?;
    Some(given.min(own))
}

/// The ranges may come one by one or as a dynamic array.
fn needles(c: &[Cell<'_>], kinds: &[KqlType]) -> Vec<String> {
    let mut all = Vec::new();
    for (cell, kind) in c.iter().zip(kinds).skip(1) {
        match (*kind == KqlType::Dynamic).then(|| dynamic::json(cell)) {
            Some(Json::Array(items)) => all.extend(items.iter().map(conversion::json_text)),
            _ => all.push(conversion::text_of(cell, *kind).into_owned()),
        }
    }
    all
}

fn in_any<Ip: Copy>(
    c: &[Cell<'_>],
    kinds: &[KqlType],
    parse: fn(&str) -> Option<Ip>,
    contains: fn(Ip, Ip) -> bool,
) -> Value {
    let Some(ip) = parse(c[0].text()) else { return Cell::Null };
    needles(c, kinds).iter().filter_map(|range| parse(range)).any(|range| contains(range, ip)).into()
}

/// A number or text as an address; a mask beyond 0..32 gives nothing.
fn format_ipv4(c: &[Cell<'_>], kind: KqlType, with_mask: bool) -> Value {
    let ip = match &c[0] {
        Cell::Long(bits) => u32::try_from(*bits).ok().map(|bits| V4 { bits, prefix: 32 }),
        other => V4::parse(&conversion::text_of(other, kind)),
    };
    let given = match c.get(1) {
        None => Some(32),
        Some(mask) => mask.long().and_then(|mask| u32::try_from(mask).ok()).filter(|mask| *mask <= 32),
    };
    let (Some(ip), Some(given)) = (ip, given) else { return "".into() };
    let prefix = given.min(ip.prefix);
    let address = V4::dotted(ip.masked(prefix));
    if with_mask { format!("{address}/{prefix}") } else { address }.into()
}

fn cidr_list(first: u32, last: u32) -> Value {
    let (mut next, last) = (u64::from(first), u64::from(last));
    let mut blocks = Vec::new();
    while next <= last {
        // The largest block that starts here, is aligned and does not pass the end.
        let aligned = if next == 0 { 32 } else { next.trailing_zeros().min(32) };
        let fitting = 63 - (last - next + 1).leading_zeros();
        let size = aligned.min(fitting);
        blocks.push(Json::from(format!("{}/{}", V4::dotted(next as u32), 32 - size)));
        next += 1 << size;
    }
    Json::Array(blocks).into()
}

// ---- addresses inside text -------------------------------------------------------------------

/// Whether the address stands in the text with no letter, digit or dot attached that would make
/// it a part of something longer.
fn has_address(text: &str, address: &str) -> bool {
    V4::parse(address).is_some_and(|ip| ip.prefix == 32 && !address.contains('/'))
        && addresses(text).any(|found| found == address)
}

/// A prefix is a whole address or ends with a dot.
fn has_prefix(text: &str, prefix: &str) -> bool {
    if !prefix.ends_with('.') {
        return has_address(text, prefix);
    }
    let parts = prefix.trim_end_matches('.').split('.').collect::<Vec<_>>();
    let sound = parts.len() <= 3 && parts.iter().all(|part| part.parse::<u8>().is_ok());
    sound && addresses(text).any(|found| found.starts_with(prefix))
}

/// The maximal runs of digits and dots that are addresses and stand apart from letters and digits.
fn addresses(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '.'))
        .map(|run| run.trim_matches('.'))
        .filter(|run| parse_dotted(run).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_part_of_addresses() {
        assert_eq!(V4::parse("10.1.2.3/8").map(|ip| ip.masked(ip.prefix)), Some(10 << 24));
        assert_eq!(V4::parse("203.0.113.10/0").map(|ip| ip.masked(ip.prefix)), Some(0));
        for bad in ["256.0.0.1", "1.2.3", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4//8", "a.b.c.d", ""] {
            assert_eq!(V4::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn addresses_in_text_stand_apart() {
        assert!(has_address("from 10.0.0.1, twice", "10.0.0.1"));
        assert!(!has_address("from 110.0.0.1", "10.0.0.1"));
        assert!(has_prefix("GET 10.1.2.3", "10.1."));
        assert!(!has_prefix("GET 10.1.2.256", "10.1."));
    }
}
