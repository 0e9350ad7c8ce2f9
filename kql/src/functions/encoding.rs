//! Text encodings: URL, base64, punycode.

use std::io::Read;

use flate2::{
    Compression, Crc,
    read::{DeflateEncoder, GzDecoder, ZlibDecoder},
};
use serde_json::Value as Json;

use super::{Function, Kind, Returns, dynamic, function, rule};
use crate::ast::KqlType;

const TEXT: Returns = Returns::Is(KqlType::String);
const DYNAMIC: Returns = Returns::Is(KqlType::Dynamic);
const ONE: &[Kind] = &[Kind::Text];

/// A cell of a log is never larger; what unpacks to more is a bomb.
const MAX_UNPACKED: u64 = 64 << 20;

pub(super) const FUNCTIONS: &[Function] = &[
    function(&["url_encode"], ONE, 0, TEXT, |_| rule(|c| url_encode(c[0].text()).replace("%20", "+").into())),
    function(&["url_encode_component"], ONE, 0, TEXT, |_| rule(|c| url_encode(c[0].text()).into())),
    function(&["url_decode"], ONE, 0, TEXT, |_| rule(|c| url_decode(c[0].text()).into())),
    function(&["base64_encode_tostring", "base64_encodestring"], ONE, 0, TEXT, |_| {
        rule(|c| base64_encode(c[0].text().as_bytes()).into())
    }),
    function(&["base64_decode_tostring", "base64_decodestring"], ONE, 0, TEXT, |_| {
        rule(|c| base64_decode(c[0].text()).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default().into())
    }),
    function(&["base64_decode_toarray"], ONE, 0, DYNAMIC, |_| {
        rule(|c| base64_decode(c[0].text()).map(Json::from).into())
    }),
    function(&["base64_encode_fromarray"], &[Kind::Dynamic], 0, TEXT, |_| {
        rule(|c| {
            let bytes = dynamic::array(&c[0]).and_then(|items| {
                items
                    .iter()
                    .map(|item| item.as_u64().and_then(|byte| u8::try_from(byte).ok()))
                    .collect::<Option<Vec<u8>>>()
            });
            bytes.map(|bytes| base64_encode(&bytes)).unwrap_or_default().into()
        })
    }),
    function(&["base64_decode_toguid"], ONE, 0, Returns::Is(KqlType::Guid), |_| {
        rule(|c| base64_decode(c[0].text()).and_then(|bytes| guid_of(&bytes)).into())
    }),
    function(&["base64_encode_fromguid"], &[Kind::Guid], 0, TEXT, |_| {
        rule(|c| bytes_of_guid(c[0].text()).map(|bytes| base64_encode(&bytes)).unwrap_or_default().into())
    }),
    function(&["gzip_decompress_from_base64_string"], ONE, 0, TEXT, |_| {
        rule(|c| unpacked(c[0].text(), |bytes| Box::new(GzDecoder::new(bytes))).into())
    }),
    function(&["zlib_decompress_from_base64_string"], ONE, 0, TEXT, |_| {
        rule(|c| unpacked(c[0].text(), |bytes| Box::new(ZlibDecoder::new(bytes))).into())
    }),
    function(&["gzip_compress_to_base64_string"], ONE, 0, TEXT, |_| {
        rule(|c| base64_encode(&gzip(c[0].text().as_bytes())).into())
    }),
    function(&["zlib_compress_to_base64_string"], ONE, 0, TEXT, |_| {
        rule(|c| base64_encode(&zlib(c[0].text().as_bytes())).into())
    }),
    function(&["punycode_domain_to_string"], ONE, 0, TEXT, |_| {
        rule(|c| encoded_domain(c[0].text()).unwrap_or_default().into())
    }),
    function(&["punycode_to_string"], ONE, 0, TEXT, |_| {
        rule(|c| punycode_decode(c[0].text()).unwrap_or_default().into())
    }),
    function(&["punycode_from_string"], ONE, 0, TEXT, |_| {
        rule(|c| punycode_encode(c[0].text()).unwrap_or_default().into())
    }),
    function(&["punycode_domain_from_string"], ONE, 0, TEXT, |_| {
        rule(|c| decoded_domain(c[0].text()).unwrap_or_default().into())
    }),
];

fn url_encode(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|byte| if keep(byte) { (byte as char).to_string() } else { format!("%{byte:02x}") }).collect()
}

fn url_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64_encode(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = BASE64[(group >> (18 - 6 * place)) as usize & 63] as char;
            out.push(if place <= chunk.len() { letter } else { '=' });
        }
    }
    out
}

/// Text without its padding is not base64.
fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let body = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - body.len() > 2 {
        return None;
    }
    let mut out = Vec::new();
    let (mut group, mut bits) = (0u32, 0);
    for letter in body.bytes() {
        let value = BASE64.iter().position(|known| *known == letter)? as u32;
        group = (group << 6 | value) & 0xff_ffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((group >> bits) as u8);
        }
    }
    Some(out)
}

/// The text inside compressed base64; nothing if any layer is broken or it unpacks to too much.
fn unpacked(text: &str, reader: fn(&[u8]) -> Box<dyn Read + '_>) -> String {
    let Some(bytes) = base64_decode(text) else { return String::new() };
    let mut unpacked = Vec::new();
    match reader(&bytes).take(MAX_UNPACKED).read_to_end(&mut unpacked) {
        Ok(length) if (length as u64) < MAX_UNPACKED => String::from_utf8(unpacked).unwrap_or_default(),
        _ => String::new(),
    }
}

/// The deflated form; what does not shrink is stored as it is, as the service does.
fn deflate(bytes: &[u8]) -> Vec<u8> {
    let packed_by = |level: Compression| {
        let mut packed = Vec::new();
        // Reading from memory cannot fail.
        let read = DeflateEncoder::new(bytes, level).read_to_end(&mut packed);
        read.map(|_| packed).unwrap_or_default()
    };
    let packed = packed_by(Compression::default());
    if packed.len() < bytes.len() { packed } else { packed_by(Compression::none()) }
}

/// Kusto's header: no flags, no time, unknown system.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut sum = Crc::new();
    sum.update(bytes);
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    packed.extend(deflate(bytes));
    packed.extend(sum.sum().to_le_bytes());
    packed.extend((bytes.len() as u32).to_le_bytes());
    packed
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut packed = vec![0x78, 0x9c];
    packed.extend(deflate(bytes));
    let (low, high) = bytes.iter().fold((1u32, 0u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    packed.extend((high << 16 | low).to_be_bytes());
    packed
}

/// The first three groups of a guid are little-endian.
fn guid_of(bytes: &[u8]) -> Option<String> {
    let bytes: &[u8; 16] = bytes.try_into().ok()?;
    Some(uuid::Uuid::from_bytes_le(*bytes).to_string())
}

fn bytes_of_guid(text: &str) -> Option<[u8; 16]> {
    uuid::Uuid::try_parse(text).ok().map(|guid| guid.to_bytes_le())
}

// ---- punycode (RFC 3492) ---------------------------------------------------------------------

const BASE: u32 = 36;

/// How the weights of the digits follow what was read so far.
fn adapted(delta: u32, count: u32, first: bool) -> u32 {
    let mut delta = if first { delta / 700 } else { delta / 2 };
    delta += delta / count;
    let mut steps = 0;
    while delta > 455 {
        delta /= BASE - 1;
        steps += BASE;
    }
    steps + BASE * delta / (delta + 38)
}

fn threshold(position: u32, bias: u32) -> u32 {
    position.saturating_sub(bias).clamp(1, 26)
}

fn punycode_decode(text: &str) -> Option<String> {
    if text.len() > 4096 {
        return None;
    }
    let (plain, coded) = text.rsplit_once('-').unwrap_or(("", text));
    let mut letters: Vec<char> = plain.chars().collect();
    let (mut code, mut at, mut bias) = (128u32, 0u32, 72u32);
    let mut digits = coded.bytes();
    while digits.len() > 0 {
        let before = at;
        let (mut weight, mut position) = (1u32, BASE);
        loop {
            let digit = match digits.next()? {
                letter @ b'a'..=b'z' => letter - b'a',
                letter @ b'A'..=b'Z' => letter - b'A',
                number @ b'0'..=b'9' => number - b'0' + 26,
                _ => return None,
            };
            let digit = u32::from(digit);
            at = at.checked_add(digit.checked_mul(weight)?)?;
            let limit = threshold(position, bias);
            if digit < limit {
                break;
            }
            weight = weight.checked_mul(BASE - limit)?;
            position += BASE;
        }
        let count = letters.len() as u32 + 1;
        bias = adapted(at - before, count, before == 0);
        code = code.checked_add(at / count)?;
        at %= count;
        letters.insert(at as usize, char::from_u32(code)?);
        at += 1;
    }
    Some(letters.into_iter().collect())
}

fn punycode_encode(text: &str) -> Option<String> {
    // The method is quadratic, and names are short.
    if text.len() > 4096 {
        return None;
    }
    let mut out: String = text.chars().filter(char::is_ascii).collect();
    let basic = out.len() as u32;
    if basic > 0 {
        out.push('-');
    }
    let (mut code, mut delta, mut bias, mut done) = (128u32, 0u32, 72u32, basic);
    let total = text.chars().count() as u32;
    while done < total {
        let next = text.chars().map(u32::from).filter(|letter| *letter >= code).min()?;
        delta = delta.checked_add((next - code).checked_mul(done + 1)?)?;
        code = next;
        for letter in text.chars().map(u32::from) {
            if letter < code {
                delta = delta.checked_add(1)?;
            } else if letter == code {
                let (mut rest, mut position) = (delta, BASE);
                loop {
                    let limit = threshold(position, bias);
                    if rest < limit {
                        break;
                    }
                    out.push(punycode_digit(limit + (rest - limit) % (BASE - limit)));
                    rest = (rest - limit) / (BASE - limit);
                    position += BASE;
                }
                out.push(punycode_digit(rest));
                bias = adapted(delta, done + 1, done == basic);
                delta = 0;
                done += 1;
            }
        }
        delta += 1;
        code += 1;
    }
    Some(out)
}

fn punycode_digit(value: u32) -> char {
    char::from(if value < 26 { b'a' + value as u8 } else { b'0' + (value as u8 - 26) })
}

/// The labels that begin with `xn--` decoded.
fn decoded_domain(domain: &str) -> Option<String> {
    let labels: Option<Vec<String>> = domain
        .split('.')
        .map(|label| match label.strip_prefix("xn--") {
            Some(coded) => punycode_decode(coded),
            None => Some(label.to_string()),
        })
        .collect();
    labels.map(|labels| labels.join("."))
}

/// Labels with other than ASCII letters in punycode. The ideographic full stops separate labels, too.
fn encoded_domain(domain: &str) -> Option<String> {
    let labels: Option<Vec<String>> = domain
        .split(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'])
        .map(|label| {
            if label.is_ascii() {
                Some(label.to_string())
            } else {
                punycode_encode(label).map(|coded| format!("xn--{coded}"))
            }
        })
        .collect();
    labels.map(|labels| labels.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_goes_there_and_back() {
        for text in ["", "a", "ab", "abc", "Kusto"] {
            assert_eq!(base64_decode(&base64_encode(text.as_bytes())).unwrap(), text.as_bytes());
        }
        assert_eq!(base64_encode(b"Kusto"), "S3VzdG8=");
    }

    #[test]
    fn punycode_goes_there_and_back() {
        for text in ["b\u{fc}cher", "\u{62b}\u{62b}", "plain"] {
            assert_eq!(punycode_decode(&punycode_encode(text).unwrap()).as_deref(), Some(text));
        }
        assert_eq!(punycode_encode("b\u{fc}cher").as_deref(), Some("bcher-kva"));
    }
}
