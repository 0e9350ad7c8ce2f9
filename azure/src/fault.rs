//! Errors as the services describe them: nested JSON, of which a hunter wants the innermost sentence and the place.

use std::fmt;

use serde_json::{Map, Value};

/// Errors nest three or four deep in practice; a hostile answer may nest deeper.
const DEEPEST: usize = 16;

/// One error that a service reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The innermost code: `SYN0002`, `SEM0100`, `InsufficientAccessError`, `LimitsExceeded`.
    pub code: String,
    /// The outermost code: `BadArgumentError`, `PartialError`. Equal to `code` if nothing is nested.
    pub outer_code: String,
    /// The innermost message.
    pub message: String,
    /// Line of the query, from 1.
    pub line: Option<usize>,
    /// Column in that line, from 0.
    pub pos: Option<usize>,
    /// The text at which the query is wrong.
    pub token: Option<String>,
    /// What to quote to Microsoft's support.
    pub correlation_id: Option<String>,
    /// Only a remark: the rows are all there.
    pub is_warning: bool,
}

impl Fault {
    /// A fault with nothing nested and no place.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        let code = code.into();
        Self {
            outer_code: code.clone(),
            code,
            message: message.into(),
            line: None,
            pos: None,
            token: None,
            correlation_id: None,
            is_warning: false,
        }
    }

    /// Reads `{"error":{..}}`, the inside of it, `{"Error":"code","Message":".."}` of the Data Collector, or
    /// `{"error":"code","error_description":".."}` of Entra. `None` if there is no error in it.
    pub fn from_json(value: &Value) -> Option<Self> {
        let object = value.as_object()?;
        match object.get("error").or_else(|| object.get("odata.error")) {
            Some(Value::Object(error)) => Some(Self::from_error(error)),
            Some(Value::String(code)) => Some(Self::new(code, text(object, "error_description").unwrap_or_default())),
            _ => match (text(object, "Error"), text(object, "Message").or_else(|| text(object, "message"))) {
                (Some(code), message) => Some(Self::new(code, message.unwrap_or_default())),
                (None, Some(message)) if !object.contains_key("code") => Some(Self::new("", message)),
                _ if object.contains_key("code") || object.contains_key("@message") => Some(Self::from_error(object)),
                _ => None,
            },
        }
    }

    /// Reads the inside of an `error` member, down to the innermost one.
    pub fn from_error(error: &Map<String, Value>) -> Self {
        let mut fault = Self::new(text(error, "code").unwrap_or_default(), "");
        fault.correlation_id = text(error, "correlationId").map(str::to_owned);
        let mut inner = error;
        for _ in 0..DEEPEST {
            fault.take(inner);
            match next_inside(inner) {
                Some(object) => inner = object,
                None => break,
            }
        }
        if fault.line.is_none()
            && let Some((line, pos)) = place_in(&fault.message)
        {
            (fault.line, fault.pos) = (Some(line), Some(pos));
        }
        fault
    }

    /// Takes what one level of the nesting says; what a deeper level says counts more.
    fn take(&mut self, level: &Map<String, Value>) {
        if let Some(code) = text(level, "code").filter(|code| !code.is_empty()) {
            self.code = code.to_owned();
        }
        // Kusto's `@message` says what `message` ("Request is invalid") does not.
        if let Some(message) =
            text(level, "@message").or_else(|| text(level, "message")).filter(|message| !message.is_empty())
        {
            self.message = message.to_owned();
        }
        if let Some(line) = number(level, "line").or_else(|| number(level, "@line")) {
            self.line = Some(line);
        }
        if let Some(pos) = number(level, "pos").or_else(|| number(level, "@pos")) {
            self.pos = Some(pos);
        }
        if let Some(token) = text(level, "token").or_else(|| text(level, "@token")) {
            self.token = Some(token.to_owned());
        }
        if let Some(severity) = level.get("severity").and_then(Value::as_i64) {
            self.is_warning = severity >= 3;
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = if self.message.is_empty() { "the service gives no reason" } else { &self.message };
        // Engine errors have numbers for codes, which stand in their messages as well.
        let code = if self.code.parse::<i64>().is_ok() { "" } else { self.code.as_str() };
        if code.is_empty() { f.write_str(message) } else { write!(f, "{} ({code})", message.trim_end_matches('.')) }
    }
}

fn next_inside(level: &Map<String, Value>) -> Option<&Map<String, Value>> {
    level.get("innererror").or_else(|| level.get("innerError")).and_then(Value::as_object).or_else(|| {
        let details = level.get("details")?.as_array()?;
        // A detail that is an error counts more than one that only warns.
        let severity = |detail: &&Value| detail.pointer("/innererror/severity").and_then(Value::as_i64).unwrap_or(0);
        details.iter().min_by_key(severity)?.as_object()
    })
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

fn number(object: &Map<String, Value>, name: &str) -> Option<usize> {
    object.get(name).and_then(Value::as_u64).and_then(|value| usize::try_from(value).ok())
}

/// Kusto writes the place into the sentence: `... [line:position=2:17]. Query: ...`, Log Analytics `on line [1,11]`.
/// Both count columns from 0 in these texts.
fn place_in(message: &str) -> Option<(usize, usize)> {
    let (rest, separator) = match message.split_once("line:position=") {
        Some((_, rest)) => (rest, ':'),
        None => (message.split_once("on line [")?.1, ','),
    };
    let inside = rest.split(']').next()?;
    let (line, pos) = inside.split_once(separator)?;
    Some((line.trim().parse().ok()?, pos.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_innermost_message_of_log_analytics_with_its_place() {
        let fault = Fault::from_json(&json!({"error": {"message": "The request had some invalid properties",
            "code": "BadArgumentError", "correlationId": "c1", "innererror": {"code": "SyntaxError",
            "message": "A recognition error occurred in the query.", "innererror": {"code": "SYN0002",
            "message": "Query could not be parsed at 'invalid' on line [1,11]", "line": 1, "pos": 11, "token": "invalid"}}}}))
        .unwrap();
        assert_eq!((fault.code.as_str(), fault.outer_code.as_str()), ("SYN0002", "BadArgumentError"));
        assert_eq!((fault.line, fault.pos, fault.token.as_deref()), (Some(1), Some(11), Some("invalid")));
        assert_eq!(fault.to_string(), "Query could not be parsed at 'invalid' on line [1,11] (SYN0002)");
        assert_eq!(fault.correlation_id.as_deref(), Some("c1"));
    }

    #[test]
    fn numbers_say_nothing() {
        assert_eq!(Fault::new("-2133196797", "too large (80DA0003).").to_string(), "too large (80DA0003).");
        assert_eq!(Fault::new("SEM0100", "no column.").to_string(), "no column (SEM0100)");
        assert_eq!(Fault::new("", "").to_string(), "the service gives no reason");
    }

    #[test]
    fn kusto_says_it_in_at_message_and_the_place_in_the_sentence() {
        let fault = Fault::from_json(&json!({"error": {"code": "General_BadRequest", "message": "Request is invalid",
            "@message": "Semantic error: SEM0100: no column 'X' [line:position=2:17]. Query: 'T'", "@permanent": true}}))
        .unwrap();
        assert!(fault.message.starts_with("Semantic error"));
        assert_eq!((fault.line, fault.pos), (Some(2), Some(17)));
    }

    #[test]
    fn entra_and_the_data_collector_have_shells_of_their_own() {
        let entra =
            Fault::from_json(&json!({"error": "invalid_client", "error_description": "AADSTS7000215: no"})).unwrap();
        assert_eq!((entra.code.as_str(), entra.message.as_str()), ("invalid_client", "AADSTS7000215: no"));
        let collector = Fault::from_json(&json!({"Error": "InvalidAuthorization", "Message": "no"})).unwrap();
        assert_eq!(collector.code, "InvalidAuthorization");
        assert_eq!(Fault::from_json(&json!({"tables": []})), None);
    }

    #[test]
    fn a_detail_that_is_an_error_counts_more_than_a_warning() {
        let detail =
            |severity| json!({"code": "E", "innererror": {"severity": severity, "message": format!("s{severity}")}});
        let fault = Fault::from_json(&json!({"error": {"code": "PartialError", "details": [detail(3), detail(2)]}}));
        assert_eq!(fault.as_ref().map(|fault| (fault.message.as_str(), fault.is_warning)), Some(("s2", false)));
        let fault = Fault::from_json(&json!({"error": {"code": "PartialError", "details": [detail(3)]}})).unwrap();
        assert!(fault.is_warning);
    }
}
