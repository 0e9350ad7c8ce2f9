//! Floats as text, which every format keeps exactly: JSON readers may round numbers in the last bit.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    parse(&String::deserialize(deserializer)?)
}

fn parse<E: Error>(text: &str) -> Result<f64, E> {
    text.parse().map_err(|_| E::custom(format!("`{text}` is not a number")))
}

/// Vectors: one text with blanks between the values.
pub(crate) mod vector {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        let texts: Vec<String> = values.iter().map(f64::to_string).collect();
        serializer.serialize_str(&texts.join(" "))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        String::deserialize(deserializer)?.split_ascii_whitespace().map(parse).collect()
    }
}

/// A number or none.
pub(crate) mod option {
    use super::*;
    use serde::Serialize;

    pub(crate) fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(|v| v.to_string()).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        Option::<String>::deserialize(deserializer)?.map(|text| parse(&text)).transpose()
    }
}

/// Several vectors.
pub(crate) mod vectors {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(values: &[Vec<f64>], serializer: S) -> Result<S::Ok, S::Error> {
        let text = |v: &Vec<f64>| v.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
        serializer.collect_seq(values.iter().map(text))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<f64>>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| text.split_ascii_whitespace().map(parse).collect()).collect()
    }
}
