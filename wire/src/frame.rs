//! Framing: a little-endian `u32` length, then that many bytes of JSON.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A message larger than this is refused rather than allocated: rows never travel in messages.
const MAX_MESSAGE_BYTES: u32 = 256 * 1024 * 1024;

/// Writes one message and flushes.
pub fn write_message<T: Serialize>(writer: &mut impl Write, message: &T) -> io::Result<()> {
    let mut buffer = vec![0; 4];
    serde_json::to_writer(&mut buffer, message)?;
    let length = u32::try_from(buffer.len() - 4)
        .ok()
        .filter(|length| *length <= MAX_MESSAGE_BYTES)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "message larger than 256 MiB"))?;
    buffer[..4].copy_from_slice(&length.to_le_bytes());
    writer.write_all(&buffer)?;
    writer.flush()
}

/// Reads one message; `None` when the peer closed between messages.
pub fn read_message<T: DeserializeOwned>(reader: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match reader.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_le_bytes(length);
    if length > MAX_MESSAGE_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "message larger than 256 MiB"));
    }
    let mut buffer = Vec::new();
    reader.take(u64::from(length)).read_to_end(&mut buffer)?;
    if buffer.len() != length as usize {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "connection closed inside a message"));
    }
    Ok(Some(serde_json::from_slice(&buffer)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Literal, Request};

    #[test]
    fn a_message_survives_the_wire() {
        let mut bytes = Vec::new();
        write_message(&mut bytes, &Request::Resolve { name: "hits".into() }).unwrap();
        let back: Request = read_message(&mut bytes.as_slice()).unwrap().unwrap();
        assert_eq!(back, Request::Resolve { name: "hits".into() });
    }

    #[test]
    fn floats_that_json_cannot_say_survive() {
        for value in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -0.0, 0.1] {
            let text = serde_json::to_string(&Literal::Float(value)).unwrap();
            let Literal::Float(back) = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
            assert_eq!(back.to_bits(), value.to_bits());
        }
    }

    #[test]
    fn a_closed_connection_is_none_and_a_cut_message_is_an_error() {
        assert!(read_message::<Request>(&mut [].as_slice()).unwrap().is_none());
        let mut bytes = Vec::new();
        write_message(&mut bytes, &Request::Resolve { name: "hits".into() }).unwrap();
        bytes.truncate(bytes.len() - 1);
        assert!(read_message::<Request>(&mut bytes.as_slice()).is_err());
    }

    #[test]
    fn a_huge_length_is_refused_before_allocating() {
        let bytes = u32::MAX.to_le_bytes();
        assert!(read_message::<Request>(&mut bytes.as_slice()).is_err());
    }
}
