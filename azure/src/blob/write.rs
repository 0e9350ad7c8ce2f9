//! Writing and removing blobs. A blob is visible when it is whole: blocks without a block list are not.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use reqwest::Method;
use tokio::task::JoinSet;

use super::account::Call;
use super::{BlobAccount, BlobError, BlobErrorKind};

/// Blobs up to this size are one request.
const BLOCK: usize = 8 << 20;
/// The service's limit.
const MOST_BLOCKS: usize = 50_000;
/// Blocks on their way at a time: so many are in memory, too.
const PARALLEL: usize = 4;

impl BlobAccount {
    /// Begins a blob. Nothing of it is visible before [`BlobWriter::finish`]. `bytes`: its size, where it is known.
    pub fn write(&self, container: &str, name: &str, bytes: Option<u64>, overwrite: bool) -> BlobWriter {
        let least = bytes.unwrap_or_default().div_ceil(MOST_BLOCKS as u64) as usize;
        BlobWriter {
            account: self.clone(),
            container: container.to_owned(),
            name: name.to_owned(),
            overwrite,
            block: BLOCK.max(least),
            buffer: BytesMut::new(),
            blocks: Vec::new(),
            uploads: JoinSet::new(),
            token: own_prefix(),
        }
    }

    /// Removes a blob, with its snapshots.
    pub async fn delete(&self, container: &str, name: &str) -> Result<(), BlobError> {
        let call = Call::new(Method::DELETE, container, name, format!("remove `{container}/{name}`"))
            .header("x-ms-delete-snapshots", "include");
        self.send(&call).await.map(drop)
    }

    /// Makes a container; one that exists stays as it is.
    pub async fn make_container(&self, container: &str) -> Result<(), BlobError> {
        let call = Call::new(Method::PUT, container, "", format!("make the container `{container}`"))
            .query("restype", "container");
        match self.send(&call).await {
            Err(error) if error.to_string().contains("ContainerAlreadyExists") => Ok(()),
            other => other.map(drop),
        }
    }
}

/// A blob that is being written. Dropped before it is finished, it leaves nothing visible.
pub struct BlobWriter {
    account: BlobAccount,
    container: String,
    name: String,
    overwrite: bool,
    block: usize,
    buffer: BytesMut,
    blocks: Vec<String>,
    uploads: JoinSet<Result<(), BlobError>>,
    /// Two writers of one name keep their blocks apart.
    token: String,
}

impl BlobWriter {
    /// Takes bytes; full blocks are sent, a few at a time.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), BlobError> {
        while !bytes.is_empty() {
            let room = self.block - self.buffer.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            // The last block is held back: it may be the only one.
            if self.buffer.len() == self.block && !bytes.is_empty() {
                self.send_block().await?;
            }
        }
        Ok(())
    }

    /// Sends the rest and makes the blob visible, at once and as a whole.
    ///
    /// Errors: the blob exists and is not to be overwritten, or the service refuses.
    pub async fn finish(mut self) -> Result<(), BlobError> {
        if self.blocks.is_empty() {
            let body = std::mem::take(&mut self.buffer).freeze();
            return self.put(body, |call| call.header("x-ms-blob-type", "BlockBlob")).await;
        }
        if !self.buffer.is_empty() {
            self.send_block().await?;
        }
        while let Some(done) = self.uploads.join_next().await {
            uploaded(done)?;
        }
        let blocks: String = self.blocks.iter().map(|id| format!("<Latest>{id}</Latest>")).collect();
        let list = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{blocks}</BlockList>");
        self.put(list.into(), |call| call.query("comp", "blocklist")).await
    }

    async fn put(&self, body: Bytes, how: impl FnOnce(Call<'_>) -> Call<'_>) -> Result<(), BlobError> {
        let what = format!("write `{}/{}`", self.container, self.name);
        let mut call = how(Call::new(Method::PUT, &self.container, &self.name, what));
        if !self.overwrite {
            call = call.header("if-none-match", "*");
        }
        call.body = body;
        match self.account.send(&call).await {
            Err(error) if matches!(error.kind, BlobErrorKind::Exists | BlobErrorKind::Changed) && !self.overwrite => {
                let message =
                    format!("cannot write `{}/{}`: it exists. --overwrite replaces it", self.container, self.name);
                Err(BlobError::new(BlobErrorKind::Exists, message))
            }
            other => other.map(drop),
        }
    }

    async fn send_block(&mut self) -> Result<(), BlobError> {
        if self.blocks.len() == MOST_BLOCKS {
            return Err(BlobError::invalid(format!("a blob has {MOST_BLOCKS} blocks at most: write several")));
        }
        while self.uploads.len() >= PARALLEL {
            if let Some(done) = self.uploads.join_next().await {
                uploaded(done)?;
            }
        }
        // All ids of a blob must have one length.
        let id = BASE64_STANDARD.encode(format!("{}-{:06}", self.token, self.blocks.len()));
        self.blocks.push(id.clone());
        let body = self.buffer.split().freeze();
        let (account, container, name) = (self.account.clone(), self.container.clone(), self.name.clone());
        self.uploads.spawn(async move {
            let what = format!("write `{container}/{name}`");
            let mut call = Call::new(Method::PUT, &container, &name, what).query("comp", "block").query("blockid", id);
            call.body = body;
            account.send(&call).await.map(drop)
        });
        Ok(())
    }
}

fn uploaded(done: Result<Result<(), BlobError>, tokio::task::JoinError>) -> Result<(), BlobError> {
    done.unwrap_or_else(|_| Err(BlobError::new(BlobErrorKind::Service, "the upload was stopped")))
}

fn own_prefix() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
