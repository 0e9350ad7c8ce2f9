//! The cell's end of the private socket.

use std::os::unix::net::UnixStream;
use std::sync::Mutex;

use huntbook_wire::{EngineError, Envelope, Request, Response, environment, read_message, write_message};

use crate::{Error, Result};

static CONNECTION: Mutex<Option<UnixStream>> = Mutex::new(None);

/// Sends a request and waits for its answer. The connection is made at the first call and kept.
pub(crate) fn call(request: &Request) -> Result<Response> {
    let mut connection = CONNECTION.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if connection.is_none() {
        *connection = Some(connect()?);
    }
    let Some(stream) = connection.as_mut() else { return Err(lost("not connected")) };
    let answer = write_message(stream, request).and_then(|()| read_message::<Response>(stream));
    match answer {
        Ok(Some(Response::Failed(error))) => Err(Error(error)),
        Ok(Some(response)) => Ok(response),
        Ok(None) => {
            *connection = None;
            Err(lost("it closed the connection"))
        }
        Err(error) => {
            *connection = None;
            Err(lost(&error.to_string()))
        }
    }
}

/// As [`call`], if no other thread waits for an answer.
pub(crate) fn call_if_free(request: &Request) {
    if CONNECTION.try_lock().is_ok() {
        let _ = call(request);
    }
}

/// Sends a request that has no answer; a lost engine is noticed by the next call.
pub(crate) fn tell(request: &Request) {
    let mut connection = CONNECTION.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(stream) = connection.as_mut()
        && write_message(stream, request).is_err()
    {
        *connection = None;
    }
}

/// The next call makes a new connection.
pub(crate) fn disconnect() {
    *CONNECTION.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = None;
}

fn connect() -> Result<UnixStream> {
    let variable =
        |name: &str| std::env::var(name).map_err(|_| lost(&format!("{name} is not set: this is not a huntbook cell")));
    let token = variable(environment::TOKEN)?;
    let mut stream = UnixStream::connect(variable(environment::SOCKET)?).map_err(|error| lost(&error.to_string()))?;
    write_message(&mut stream, &Envelope { token }).map_err(|error| lost(&error.to_string()))?;
    Ok(stream)
}

fn lost(why: &str) -> Error {
    Error(EngineError::new("EngineError", format!("the engine cannot be reached: {why}")))
}
