//! `user_expressions`: what a front end wants to know after a cell. Each is run like a cell whose value is the answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use huntbook_engine::Display;
use serde_json::{Map, Value, json};

use crate::jupyter::messages;
use crate::output::{CellError, Output, Sink};
use crate::session::Session;

/// The `user_expressions` of a reply: one that fails is an error of its own, never the cell's.
pub(crate) fn evaluate(session: &Session, asked: Option<&HashMap<String, String>>, cell: &Arc<dyn Sink>) -> Value {
    let mut asked: Vec<_> = asked.into_iter().flatten().collect();
    asked.sort();
    let values: Map<String, Value> =
        asked.into_iter().map(|(name, expression)| (name.clone(), value(session, expression, cell))).collect();
    values.into()
}

fn value(session: &Session, expression: &str, cell: &Arc<dyn Sink>) -> Value {
    let sink = Arc::new(Expression { cell: cell.clone(), value: Mutex::default() });
    match session.execute(expression, sink.clone()) {
        Ok(()) => {
            // Nothing is shown for an expression whose value is `()`.
            let value = sink.take().unwrap_or_else(|| Display::new([("text/plain", "()".to_owned())]));
            json!({"status": "ok", "data": value.data, "metadata": value.metadata})
        }
        Err(failed) => {
            let mut value = messages::error(&failed);
            value["status"] = "error".into();
            value
        }
    }
}

/// Keeps an expression's value; what it shows besides is the cell's.
struct Expression {
    cell: Arc<dyn Sink>,
    value: Mutex<Option<Display>>,
}

impl Expression {
    fn take(&self) -> Option<Display> {
        self.value.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }
}

impl Sink for Expression {
    fn emit(&self, output: Output) {
        match output {
            Output::Display(display) if display.is_result => {
                *self.value.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(display);
            }
            other => self.cell.emit(other),
        }
    }

    fn ask(&self, prompt: &str, password: bool) -> Result<String, CellError> {
        self.cell.ask(prompt, password)
    }

    fn cell(&self) -> u64 {
        self.cell.cell()
    }
}
