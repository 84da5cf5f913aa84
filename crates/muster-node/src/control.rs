//! The control socket: requests of this machine's user, one JSON line each, answered in order.
//!
//! The socket lies in the home (mode 0700) and has mode 0600; besides, the caller's user must be the node's own.
//! What is asked and answered is in [`crate::request`].

use crate::control_places::{Place, Places};
use crate::mailbox::{Mail, Mailbox};
use crate::request::{Failure, Reply, Request};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, oneshot};

/// Bytes of one request line: the longest frame of a bundle in base64, and room.
pub(crate) const REQUEST_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Requests of one connection that may wait for their answer: as many as a client sends ahead.
const PIPELINE_MAX: usize = 64;

/// Connections at one time; a person's shell has a few, a script gone wrong has no end. Where all are taken, the longest
/// idle one makes room.
const CONNECTIONS_MAX: usize = 64;

/// How long a connection may say nothing. Far longer than a bundle takes to come through a pipe between two of its frames.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// Callers who are told at one time that there is no place for them; who comes then is not even told.
const REFUSALS_MAX: usize = 8;

/// How long a refused caller's request is waited for, so that the refusal is not lost with the connection.
const REFUSAL_WAIT: Duration = Duration::from_secs(1);

/// The bound socket. Its file is removed by the node when it stops, while it still has the store's lock: later it could
/// be the next node's.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    listener: UnixListener,
}

impl ControlSocket {
    /// Binds the socket. The caller holds the store's lock, so whatever lies there is of a dead node.
    pub(crate) fn bind(path: &Path) -> Result<Self, Failure> {
        let failed = |what: &str, error: std::io::Error| {
            Failure::new(format!("cannot {what} the control socket {}: {error}", path.display()))
                .hint("choose another home with --home DIR, on a local disk")
        };
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed("replace", error)),
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(|error| failed("open", error))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .map_err(|error| failed("protect", error))?;
        Ok(Self { listener })
    }

    /// Serves until the future is dropped.
    pub(crate) async fn serve(self, mailbox: Mailbox) {
        let places = Places::new(CONNECTIONS_MAX);
        let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => match places.take().await {
                    Some(place) => {
                        let mailbox = mailbox.clone();
                        tokio::spawn(async move {
                            tokio::select! {
                                ended = converse(stream, mailbox, IDLE_MAX, &place) => {
                                    if let Err(error) = ended {
                                        tracing::debug!(%error, "control connection ended");
                                    }
                                }
                                () = place.needed() => tracing::debug!("an idle control connection made room"),
                            }
                        });
                    }
                    None => {
                        tracing::warn!(connections = CONNECTIONS_MAX, "no place for another control connection");
                        if let Ok(refusal) = Arc::clone(&refusals).try_acquire_owned() {
                            tokio::spawn(async move {
                                // Who has gone already need not be told.
                                let _ = tokio::time::timeout(REFUSAL_WAIT, refuse(stream)).await;
                                drop(refusal);
                            });
                        }
                    }
                },
                Err(error) => {
                    // Out of file descriptors, most likely: give others a moment to return some.
                    tracing::warn!(%error, "cannot accept a control connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

/// Tells a caller that there is no place, and reads what it sends meanwhile: a connection that ends with something unread
/// would take the refusal along.
async fn refuse(mut stream: UnixStream) -> std::io::Result<()> {
    let failure = Failure::new(format!("the node has {CONNECTIONS_MAX} connections from this machine already"))
        .hint("end the commands that wait for an answer (such as `muster board --watch`)");
    let mut line = serde_json::to_vec(&Reply::Failed(failure))?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.map(drop)
}

/// Serves one connection: a reader that hands requests in, a writer that gives the answers out in order.
///
/// Ends it where no request comes within `idle`.
async fn converse(stream: UnixStream, mailbox: Mailbox, idle: Duration, place: &Place) -> std::io::Result<()> {
    let own = rustix::process::geteuid().as_raw();
    let theirs = stream.peer_cred()?.uid();
    if theirs != own && theirs != 0 {
        tracing::warn!(uid = theirs, "control connection of another user refused");
        return Ok(());
    }
    let (read, mut write) = stream.into_split();
    let (answers_in, mut answers) = tokio::sync::mpsc::channel::<oneshot::Receiver<Reply>>(PIPELINE_MAX);
    let reading = async move {
        let mut read = BufReader::new(read);
        loop {
            let mut line = Vec::new();
            let mut limited = (&mut read).take(REQUEST_BYTES_MAX);
            let Ok(taken) = tokio::time::timeout(idle, limited.read_until(b'\n', &mut line)).await else {
                return Ok::<(), std::io::Error>(());
            };
            let taken = taken?;
            if taken == 0 {
                return Ok(());
            }
            place.asked();
            let (reply, answer) = oneshot::channel();
            let whole = line.ends_with(b"\n");
            match serde_json::from_slice::<Request>(&line) {
                Ok(request) if whole => mailbox.put(Mail::Request { request: Box::new(request), reply }).await,
                Ok(_) | Err(_) => {
                    let failure = Failure::new("the node does not understand the request")
                        .hint("the command and the node may be of different versions: restart the node");
                    let _ = reply.send(Reply::Failed(failure));
                }
            }
            if answers_in.send(answer).await.is_err() || !whole {
                return Ok(());
            }
        }
    };
    let writing = async move {
        while let Some(answer) = answers.recv().await {
            // The node drops an answer only when it stops or its store failed under it.
            let reply = answer.await.unwrap_or_else(|_| {
                Reply::Failed(
                    Failure::new("the node stopped before it answered")
                        .hint("look at `muster timeline` before you say it again"),
                )
            });
            let mut line = serde_json::to_vec(&reply)?;
            line.push(b'\n');
            write.write_all(&line).await?;
            place.answered();
        }
        Ok::<(), std::io::Error>(())
    };
    let (read, written) = tokio::join!(reading, writing);
    read.and(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_that_says_nothing_is_ended() {
        let (mut caller, node) = UnixStream::pair().unwrap();
        let (mailbox, _mail) = Mailbox::new();
        let place = Places::new(1).take().await.unwrap();
        converse(node, mailbox, Duration::from_millis(10), &place).await.unwrap();
        let mut told = Vec::new();
        assert_eq!(caller.read_to_end(&mut told).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn idle_connections_without_end_do_not_keep_the_owner_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.sock");
        let (mailbox, mut mail) = Mailbox::new();
        let serving = tokio::spawn(ControlSocket::bind(&path).unwrap().serve(mailbox));
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS_MAX * 2 {
            idle.push(UnixStream::connect(&path).await.unwrap());
        }
        let mut owner = UnixStream::connect(&path).await.unwrap();
        owner.write_all(b"\"down\"\n").await.unwrap();
        let Some(Mail::Request { request, reply }) = mail.recv().await else { panic!("no request came") };
        assert!(matches!(*request, Request::Down));
        reply.send(Reply::Failed(Failure::new("as you wish"))).unwrap();
        let mut told = String::new();
        BufReader::new(&mut owner).read_line(&mut told).await.unwrap();
        assert!(told.contains("as you wish"), "{told}");
        serving.abort();
    }

    #[tokio::test]
    async fn a_refused_caller_hears_why_though_its_request_is_not_read_as_one() {
        let (mut caller, node) = UnixStream::pair().unwrap();
        let refusing = tokio::spawn(refuse(node));
        caller.write_all(b"{\"read\":{}}\n").await.unwrap();
        let mut told = String::new();
        caller.read_to_string(&mut told).await.unwrap();
        drop(caller);
        refusing.await.unwrap().unwrap();
        assert!(told.contains("64 connections") && told.ends_with('\n'), "{told}");
    }
}
