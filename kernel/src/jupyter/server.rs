//! The five sockets. They answer before Rust is warm: nothing here waits for evcxr.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use jupyter_protocol::messaging::{Header, UnknownMessage};
use jupyter_protocol::{ConnectionInfo, JupyterMessage, JupyterMessageContent};
use jupyter_zmq_client::{
    KernelHeartbeatConnection, KernelIoPubXPubConnection, RawMessage, RouterRecvConnection, RouterSendConnection,
    SubscriptionEvent, create_kernel_control_connection, create_kernel_heartbeat_connection,
    create_kernel_iopub_xpub_connection, create_kernel_shell_connection, create_kernel_stdin_connection,
};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use zeromq::{SocketRecv, SocketSend};

use crate::history::History;
use crate::jupyter::comms::Comms;
use crate::jupyter::messages::{kernel_info, message, status};
use crate::jupyter::queue::{Outbox, Queue};
use crate::jupyter::stdin::Stdin;
use crate::jupyter::{history, is_complete, language, requests};
use crate::paths;
use crate::session::{Options, Session};

/// How often the kernel looks whether the server that started it is still there.
const PARENT_POLL: Duration = Duration::from_secs(1);

/// Runs a kernel until it is shut down.
pub(crate) fn serve(connection_file: &Path, options: &Options) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(connection_file)
        .with_context(|| format!("cannot read the connection file {}", connection_file.display()))?;
    // The text holds the key: it never appears in a message.
    let connection: ConnectionInfo = serde_json::from_str(&text)
        .map_err(|error| anyhow::anyhow!("{} is not a connection file: {error}", connection_file.display()))?;
    if connection.key.is_empty() {
        bail!("the connection file has an empty key: anybody on this machine could run code in the kernel");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(connection, options))
}

async fn run(connection: ConnectionInfo, options: &Options) -> anyhow::Result<()> {
    let id = uuid::Uuid::new_v4().to_string();
    let iopub = create_kernel_iopub_xpub_connection(&connection, &id).await.context("cannot open the iopub socket")?;
    let shell = create_kernel_shell_connection(&connection, &id).await.context("cannot open the shell socket")?;
    let control = create_kernel_control_connection(&connection, &id).await.context("cannot open the control socket")?;
    let stdin = create_kernel_stdin_connection(&connection, &id).await.context("cannot open the stdin socket")?;
    let heartbeat =
        create_kernel_heartbeat_connection(&connection).await.context("cannot open the heartbeat socket")?;

    let (shell_send, shell_receive) = shell.split();
    let (control_send, control_receive) = control.split();
    let (stdin_send, stdin_receive) = stdin.split();
    let (iopub_sender, iopub_receiver) = unbounded_channel();
    let (shell_sender, shell_receiver) = unbounded_channel();
    let (control_sender, control_receiver) = unbounded_channel();
    let (stdin_sender, stdin_receiver) = unbounded_channel();
    let stdin = Arc::new(Stdin::new(stdin_sender));
    tokio::spawn(publish(iopub, iopub_receiver));
    tokio::spawn(send(shell_send, shell_receiver));
    tokio::spawn(send(control_send, control_receiver));
    tokio::spawn(send(stdin_send, stdin_receiver));
    tokio::spawn(hear(stdin_receive, stdin.clone()));
    tokio::spawn(beat(heartbeat));

    let outbox = Outbox { iopub: iopub_sender, shell: shell_sender };
    outbox.publish(status("starting", None));
    let session = Session::start(options)?;
    session.warm_up();
    session.warm_completion();
    let history = Arc::new(History::open(paths::history()));
    let queue = Arc::new(Queue::start(session.clone(), outbox.clone(), stdin, history.clone())?);
    watch_parent(session.clone());

    let control_outbox = Outbox { iopub: outbox.iopub.clone(), shell: control_sender };
    let shell = Channel { session: session.clone(), queue, history, comms: Arc::default(), outbox };
    let control = Channel { outbox: control_outbox, ..shell.clone() };
    tokio::spawn(shell.listen(shell_receive));
    control.listen(control_receive).await;
    session.shut_down();
    // Threads that wait for a cell must not hold the process: it was told to end.
    tokio::time::sleep(Duration::from_millis(50)).await;
    std::process::exit(0);
}

/// Broadcasts, and welcomes subscribers (JEP 65).
async fn publish(mut iopub: KernelIoPubXPubConnection, mut messages: UnboundedReceiver<JupyterMessage>) {
    loop {
        tokio::select! {
            outgoing = messages.recv() => match outgoing {
                Some(mut message) => {
                    // The topic goes where a router has identities.
                    message.zmq_identities = vec![message.message_type().as_bytes().to_vec().into()];
                    if let Err(error) = iopub.send(message).await {
                        tracing::warn!("iopub: {error}");
                    }
                }
                None => return,
            },
            event = iopub.recv_subscription() => match event {
                Ok(SubscriptionEvent::Subscribe(topic)) => {
                    let welcome = message("iopub_welcome", json!({"subscription": topic}), None);
                    if let Err(error) = iopub.send(welcome).await {
                        tracing::warn!("iopub: {error}");
                    }
                }
                Ok(SubscriptionEvent::Unsubscribe(_)) => {}
                Err(error) => tracing::debug!("iopub: {error}"),
            },
        }
    }
}

async fn send(mut socket: RouterSendConnection, mut messages: UnboundedReceiver<JupyterMessage>) {
    while let Some(message) = messages.recv().await {
        if let Err(error) = socket.send(message).await {
            tracing::warn!("a reply was not sent: {error}");
        }
    }
}

/// Takes the answers to questions of cells.
async fn hear(mut socket: RouterRecvConnection, stdin: Arc<Stdin>) {
    loop {
        match read(&mut socket).await {
            Ok(JupyterMessage { content: JupyterMessageContent::InputReply(reply), .. }) => stdin.answered(reply.value),
            Ok(other) => tracing::debug!("not an answer: {}", other.message_type()),
            Err(error) => tracing::warn!("a message was dropped: {error}"),
        }
    }
}

/// Echoes what comes, as the protocol says: a client may compare it.
async fn beat(mut heartbeat: KernelHeartbeatConnection) {
    loop {
        let echoed = match heartbeat.socket.recv().await {
            Ok(message) => heartbeat.socket.send(message).await,
            Err(error) => Err(error),
        };
        if let Err(error) = echoed {
            tracing::warn!("heartbeat: {error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Reads one request. Content that is not as the message type says is kept as JSON, so that the request gets an answer
/// all the same.
async fn read(socket: &mut RouterRecvConnection) -> anyhow::Result<JupyterMessage> {
    let raw = RawMessage::from_multipart(socket.socket.recv().await?, &socket.mac)?;
    let [header, parent, metadata, content] =
        [0, 1, 2, 3].map(|part| raw.jparts.get(part).map_or(&[][..], |part| &part[..]));
    let header: Header = serde_json::from_slice(header)?;
    let mut content: Value = serde_json::from_slice(content)?;
    requests::fill_in(&header.msg_type, &mut content);
    let content =
        JupyterMessageContent::from_type_and_content(&header.msg_type, content.clone()).unwrap_or_else(|_| {
            JupyterMessageContent::UnknownMessage(UnknownMessage { msg_type: header.msg_type.clone(), content })
        });
    let mut message = JupyterMessage::new(content, None).with_zmq_identities(raw.zmq_identities);
    message.header = header;
    message.parent_header = serde_json::from_slice(parent).ok();
    message.metadata = serde_json::from_slice(metadata)?;
    Ok(message)
}

/// A kernel whose server is gone ends, whatever it is doing.
fn watch_parent(session: Arc<Session>) {
    // SAFETY: getppid cannot fail.
    let parent = unsafe { libc::getppid() };
    tokio::spawn(async move {
        // SAFETY: as above.
        while unsafe { libc::getppid() } == parent {
            tokio::time::sleep(PARENT_POLL).await;
        }
        session.shut_down();
        std::process::exit(0);
    });
}

/// Requests on the shell or the control socket.
#[derive(Clone)]
struct Channel {
    session: Arc<Session>,
    queue: Arc<Queue>,
    history: Arc<History>,
    comms: Arc<Comms>,
    outbox: Outbox,
}

impl Channel {
    /// Answers until a shutdown is requested.
    async fn listen(self, mut socket: RouterRecvConnection) {
        loop {
            match read(&mut socket).await {
                Ok(request) => {
                    if self.handle(&request) {
                        return;
                    }
                }
                // A wrong signature or a malformed frame is dropped; the next message is another's.
                Err(error) => tracing::warn!("a message was dropped: {error}"),
            }
        }
    }

    /// Says whether the kernel is to end.
    fn handle(&self, request: &JupyterMessage) -> bool {
        match &request.content {
            JupyterMessageContent::ExecuteRequest(_) => {
                self.queue.push(request.clone());
                return false;
            }
            JupyterMessageContent::CompleteRequest(asked) => {
                let (code, cursor) = (asked.code.clone(), asked.cursor_pos);
                let answer = move |session: &Session| language::complete(session, &code, cursor);
                self.answer_aside(request, "complete_reply", answer);
                return false;
            }
            JupyterMessageContent::InspectRequest(asked) => {
                let (code, cursor, detailed) = (asked.code.clone(), asked.cursor_pos, asked.detail_level > Some(0));
                let answer = move |session: &Session| language::inspect(session, &code, cursor, detailed);
                self.answer_aside(request, "inspect_reply", answer);
                return false;
            }
            _ => {}
        }
        self.outbox.publish(status("busy", Some(request)));
        let mut shut_down = false;
        let reply: Option<(&str, Value)> = match &request.content {
            JupyterMessageContent::KernelInfoRequest(_) => Some(("kernel_info_reply", kernel_info())),
            JupyterMessageContent::IsCompleteRequest(code) => {
                let state = is_complete::status(&code.code);
                let mut reply = json!({"status": state});
                if state == "incomplete" {
                    reply["indent"] = "    ".into();
                }
                Some(("is_complete_reply", reply))
            }
            JupyterMessageContent::HistoryRequest(asked) => {
                Some(("history_reply", history::reply(&self.history, &json!(asked))))
            }
            // Clients leave out fields that the typed request wants.
            JupyterMessageContent::UnknownMessage(asked) if asked.msg_type == "history_request" => {
                Some(("history_reply", history::reply(&self.history, &asked.content)))
            }
            JupyterMessageContent::UnknownMessage(asked) => requests::refusal(&asked.msg_type),
            JupyterMessageContent::CommInfoRequest(asked) => Some(("comm_info_reply", self.comms.info(asked))),
            JupyterMessageContent::CommOpen(open) => self.publish(self.comms.opened(open), request),
            JupyterMessageContent::CommMsg(told) => self.publish(self.comms.told(told), request),
            JupyterMessageContent::CommClose(close) => {
                self.comms.closed(close);
                None
            }
            JupyterMessageContent::InterruptRequest(_) => {
                self.queue.drop_waiting();
                // Waiting for a cell to end must not hold up this socket.
                let session = self.session.clone();
                tokio::task::spawn_blocking(move || session.interrupt());
                Some(("interrupt_reply", json!({"status": "ok"})))
            }
            JupyterMessageContent::ShutdownRequest(shutdown) => {
                shut_down = true;
                Some(("shutdown_reply", json!({"status": "ok", "restart": shutdown.restart})))
            }
            other => {
                tracing::debug!("not answered: {}", other.message_type());
                None
            }
        };
        if let Some((kind, content)) = reply {
            self.outbox.reply(message(kind, content, Some(request)));
        }
        self.outbox.publish(status("idle", Some(request)));
        shut_down
    }

    /// Broadcasts what is no reply.
    fn publish(&self, broadcast: Option<(&str, Value)>, request: &JupyterMessage) -> Option<(&'static str, Value)> {
        if let Some((kind, content)) = broadcast {
            self.outbox.publish(message(kind, content, Some(request)));
        }
        None
    }

    /// Answers on a thread of its own: looking at Rust takes a moment, and the socket must not wait.
    fn answer_aside(
        &self,
        request: &JupyterMessage,
        kind: &'static str,
        answer: impl FnOnce(&Session) -> Value + Send + 'static,
    ) {
        let (session, outbox, request) = (self.session.clone(), self.outbox.clone(), request.clone());
        tokio::task::spawn_blocking(move || {
            outbox.publish(status("busy", Some(&request)));
            outbox.reply(message(kind, answer(session.as_ref()), Some(&request)));
            outbox.publish(status("idle", Some(&request)));
        });
    }
}
