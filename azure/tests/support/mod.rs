//! A server that does what a test says, faults included.
#![allow(dead_code, unreachable_pub)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use huntbook_azure::http::{Endpoint, Transport, TransportOptions, Trust};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub struct Received {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// A field of a form.
    pub fn field(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(&self.body).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Act {
    Reply(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// These bytes, then the connection is closed.
    Raw(Vec<u8>),
    /// The first bytes at once, then one byte of the rest at a time.
    Drip(Vec<u8>, Vec<u8>, Duration),
    /// The connection is closed without a word.
    Drop,
    /// Nothing, until the client goes.
    Hang,
    After(Duration, Box<Act>),
}

pub fn json(status: u16, body: &Value) -> Act {
    Act::Reply(status, vec![("content-type", "application/json; charset=utf-8".into())], body.to_string().into_bytes())
}

pub fn status(status: u16, headers: &[(&'static str, &str)]) -> Act {
    Act::Reply(status, headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(), Vec::new())
}

pub struct Server {
    pub port: u16,
    received: Arc<Mutex<Vec<Received>>>,
    left: Arc<Mutex<usize>>,
    secure: bool,
    _runtime: Runtime,
}

type Script = dyn Fn(&Received, usize) -> Act + Send + Sync;

impl Server {
    /// `script` gets each request and its number, from 0.
    pub fn start(script: impl Fn(&Received, usize) -> Act + Send + Sync + 'static) -> Self {
        Self::listen(Arc::new(script), None)
    }

    pub fn with_tls(
        certificate: &Certificate,
        script: impl Fn(&Received, usize) -> Act + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Arc::new(script), Some(certificate.acceptor()))
    }

    fn listen(script: Arc<Script>, tls: Option<TlsAcceptor>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let left: Arc<Mutex<usize>> = Arc::default();
        let secure = tls.is_some();
        let (requests, gone) = (Arc::clone(&received), Arc::clone(&left));
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (script, requests, gone, tls) =
                    (Arc::clone(&script), Arc::clone(&requests), Arc::clone(&gone), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(socket, &*script, &requests, &gone).await,
                        Some(tls) => {
                            if let Ok(socket) = tls.accept(socket).await {
                                serve(socket, &*script, &requests, &gone).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, received, left, secure, _runtime: runtime }
    }

    pub fn address(&self) -> String {
        format!("http{}://localhost:{}", if self.secure { "s" } else { "" }, self.port)
    }

    /// As if the user's configuration named it.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::parse(&self.address(), Trust::Config).unwrap()
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// How many clients went away while nothing was answered.
    pub fn left(&self) -> usize {
        *self.left.lock().unwrap()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: S,
    script: &Script,
    requests: &Mutex<Vec<Received>>,
    left: &Mutex<usize>,
) {
    let Some(request) = read(&mut socket).await else { return };
    let number = {
        let mut requests = requests.lock().unwrap();
        requests.push(request.clone());
        requests.len() - 1
    };
    let mut act = script(&request, number);
    while let Act::After(wait, then) = act {
        tokio::time::sleep(wait).await;
        act = *then;
    }
    match act {
        Act::Reply(status, headers, body) => {
            let mut head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n");
            if status != 204 {
                head.push_str(&format!("content-length: {}\r\n", body.len()));
            }
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            head.push_str("\r\n");
            let _ = socket.write_all(head.as_bytes()).await;
            let _ = socket.write_all(&body).await;
        }
        Act::Raw(bytes) => {
            let _ = socket.write_all(&bytes).await;
        }
        Act::Drip(head, rest, pause) => {
            let _ = socket.write_all(&head).await;
            for byte in rest {
                tokio::time::sleep(pause).await;
                if socket.write_all(&[byte]).await.is_err() || socket.flush().await.is_err() {
                    return;
                }
            }
        }
        Act::Hang => {
            let mut byte = [0];
            if matches!(socket.read(&mut byte).await, Ok(0) | Err(_)) {
                *left.lock().unwrap() += 1;
            }
        }
        Act::Drop | Act::After(..) => {}
    }
    let _ = socket.shutdown().await;
}

async fn read(socket: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let mut bytes = Vec::new();
    let head = loop {
        let mut buffer = [0; 8192];
        let count = socket.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut lines = text.lines();
    let mut first = lines.next()?.split(' ');
    let mut request = Received { method: first.next()?.into(), target: first.next()?.into(), ..Received::default() };
    request.headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    request.body = bytes[head + 4..].to_vec();
    while request.body.len() < length {
        let mut buffer = [0; 65536];
        let count = socket.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        request.body.extend_from_slice(&buffer[..count]);
    }
    Some(request)
}

/// A CA of the test's own, and a certificate of it for this machine.
pub struct Certificate {
    pub ca_file: PathBuf,
    chain: Vec<u8>,
    key: Vec<u8>,
    _folder: tempfile::TempDir,
}

impl Certificate {
    pub fn new() -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_certificate = ca.self_signed(&ca_key).unwrap();
        let issuer = Issuer::new(ca, ca_key);
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, ca_certificate.pem()).unwrap();
        Self { ca_file, chain: own.der().to_vec(), key: key.serialize_der(), _folder: folder }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![self.chain.clone().into()],
                rustls::pki_types::PrivatePkcs8KeyDer::from(self.key.clone()).into(),
            )
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

pub fn options() -> TransportOptions {
    TransportOptions {
        idle: Duration::from_millis(400),
        grace: Duration::from_millis(300),
        attempts: 3,
        ..TransportOptions::default()
    }
}

pub fn transport() -> Transport {
    Transport::new(options()).unwrap()
}

pub fn transport_trusting(ca_file: &Path) -> Transport {
    Transport::new(TransportOptions { ca_file: Some(ca_file.to_owned()), ..options() }).unwrap()
}

/// Runs work of the crate without ever interrupting it.
pub fn run<T: Send>(
    work: impl Future<Output = Result<T, huntbook_azure::Error>> + Send,
) -> Result<T, huntbook_azure::Error> {
    huntbook_azure::run(&|| false, work)
}
