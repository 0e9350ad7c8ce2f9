//! Answers to the requests of cells.

use std::collections::BTreeMap;
use std::sync::Arc;

use huntbook_wire::{EngineError, Request, Response};
use serde_json::Value;

use crate::{Engine, Error, QueryRequest, Result, WriteRequest, charts, frames, table};

/// Something to show: a MIME bundle with its metadata.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Display {
    pub data: BTreeMap<String, Value>,
    pub metadata: BTreeMap<String, Value>,
    pub display_id: Option<String>,
    /// Replaces the display with this id instead of adding one.
    pub update: bool,
    /// The value of the cell, not just something it showed.
    pub is_result: bool,
}

impl Display {
    pub fn new<'a>(data: impl IntoIterator<Item = (&'a str, String)>) -> Display {
        let data = data.into_iter().map(|(mime, body)| (mime.to_owned(), Value::String(body))).collect();
        Display { data, ..Display::default() }
    }

    pub fn result(mut self) -> Display {
        self.is_result = true;
        self
    }
}

/// What happens in the cell process and concerns the cell rather than the engine.
pub trait CellEvents {
    fn display(&self, display: Display);
    fn clear_output(&self, wait: bool);
    /// Asks the person at the front end; blocks until there is an answer.
    fn input(&self, prompt: &str, password: bool) -> std::result::Result<String, EngineError>;
    fn panicked(&self, message: String, line: Option<u32>, column: Option<u32>);
    fn question_mark(&self, message: String);
}

impl Engine {
    /// Answers one request; `None` for those that want no answer.
    pub fn serve(&self, request: Request, events: &dyn CellEvents) -> Option<Response> {
        if let Request::Release { frames } = &request {
            self.release(frames);
            return None;
        }
        Some(self.answer(request, events).unwrap_or_else(|error| Response::Failed(error.into())))
    }

    fn answer(&self, request: Request, events: &dyn CellEvents) -> Result<Response> {
        Ok(match request {
            Request::Resolve { name } => Response::Frame(self.hand_out_named(&name)?),
            Request::Collect { plan } => {
                let tags = self.tags_of_plan(&plan);
                Response::Frame(self.hand_out_tagged(self.collect(&plan)?, tags))
            }
            Request::Schema { plan } => {
                let schema = self.lower(&plan)?.collect_schema()?;
                let column = |(name, data_type): (&_, &_)| (ToString::to_string(name), frames::wire_type(data_type));
                Response::Schema(schema.iter().map(column).collect())
            }
            Request::Show { plan, limit } => {
                let frame = self.collect(&plan)?;
                let display = table::render(&frame, None, limit.unwrap_or(table::DEFAULT_LIMIT));
                events.display(if limit.is_none() { display.result() } else { display });
                Response::Done
            }
            Request::Columns { plan, names } => Response::File(self.write_columns(&plan, &names)?),
            Request::Upload { path } => Response::Frame(self.hand_out(Arc::new(self.read_columns(&path)?))),
            Request::ExportIpc { plan } => Response::File(self.write_ipc(&plan)?),
            Request::ImportIpc { path } => Response::Frame(self.hand_out(Arc::new(self.read_ipc(&path)?))),
            Request::Bind { name, plan } => {
                self.bind_plan(&name, &plan)?;
                Response::Done
            }
            Request::BindScalar { name, value } => {
                self.bind_scalar(&name, value);
                Response::Done
            }
            Request::Kql { query, options } => {
                Response::Frame(self.hand_out_answer(&self.query(&QueryRequest::of_cell(query, options)?)?))
            }
            Request::LaWrite { plan, table, options } => {
                let tags = self.tags_of_plan(&plan);
                let request = WriteRequest::of_cell(table, options);
                Response::Text(self.write_frame(self.collect(&plan)?.as_ref(), &tags, &request)?)
            }
            Request::BlobRead { location, format } => {
                Response::Frame(self.hand_out(Arc::new(self.blob_read(&location, format)?)))
            }
            Request::SampleAccesses { set, seed, .. } => {
                Response::Frame(self.hand_out(Arc::new(crate::sample::accesses(&set, seed)?)))
            }
            Request::FitAccessAnomaly { plan, parameters, history } => {
                Response::Model(self.fit_access_anomaly(&plan, &parameters, history.as_ref())?)
            }
            Request::ScoreAccessAnomaly { model, plan, output } => {
                Response::Frame(self.hand_out(Arc::new(self.score_access_anomaly(model, &plan, &output)?)))
            }
            Request::ExplainAccess { model, tenant, user, resource } => {
                Response::Text(self.explain_access(model, tenant.as_deref(), &user, &resource)?)
            }
            Request::SaveModel { model, folder } => {
                self.save_model(model, &folder)?;
                Response::Done
            }
            Request::LoadModel { folder, synapse } => Response::Model(self.load_model(&folder, synapse)?),
            Request::Chart { plan, spec, show: false } => Response::Text(self.chart(&plan, &spec)?.svg),
            Request::Chart { plan, spec, show: true } => {
                events.display(charts::display(self.chart(&plan, &spec)?).result());
                Response::Done
            }
            Request::Display { data, metadata, display_id, update } => {
                events.display(Display { data, metadata, display_id, update, is_result: false });
                Response::Done
            }
            Request::Result { data } => {
                events.display(Display { data, is_result: true, ..Display::default() });
                Response::Done
            }
            Request::ClearOutput { wait } => {
                events.clear_output(wait);
                Response::Done
            }
            Request::Input { prompt, password } => match events.input(&prompt, password) {
                Ok(text) => Response::Text(text),
                Err(error) => Response::Failed(error),
            },
            Request::Panicked { message, line, column } => {
                events.panicked(message, line, column);
                Response::Done
            }
            Request::QuestionMark { message } => {
                events.question_mark(message);
                Response::Done
            }
            // Before it passes on any request, the host hands on what was printed.
            Request::Printed => Response::Done,
            Request::Release { .. } => return Err(Error::new("EngineError", "release has no answer")),
        })
    }
}
