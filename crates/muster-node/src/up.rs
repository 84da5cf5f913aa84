//! Running a node: `muster up` until it is told to stop, or in passing for one request that needs the network.

use crate::control::ControlSocket;
use crate::mailbox::{Mail, Mailbox};
use crate::node::{Node, Ready};
use crate::opening::{self, Setup};
use crate::request::{Failure, Request};
use muster_net::{Multiaddr, NetHandle, NetTask, parse_address, parse_addresses};
use serde_json::Value;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// What a node is started with.
pub struct UpOptions {
    /// Home and settings.
    pub setup: Setup,
    /// Where to listen; empty = as configured.
    pub listen: Vec<String>,
    /// Told once, when the node listens.
    pub ready: Box<dyn FnOnce(&Ready) + Send>,
}

/// Runs a node in the foreground until SIGTERM, SIGINT or `muster down`.
///
/// # Errors
/// What kept it from starting, for a person.
pub fn run(options: UpOptions) -> Result<(), Failure> {
    let UpOptions { setup, listen, ready } = options;
    let socket_path = setup.home.socket()?;
    let runtime = runtime()?;
    let (opened, mut engine) = opening::open(&setup, true)?;
    if engine.replica.teams().is_empty() {
        engine.found_team(None)?;
        let now = engine.now();
        engine.replica.commit(now)?;
    }
    let configured = if listen.is_empty() { setup.config.listen.value.clone() } else { listen };
    let saved = engine.replica.addresses(&engine.replica.device())?;
    let addresses = listen_addresses(&configured, &saved)?;
    let addresses_count = addresses.len();
    let secret = crate::keystore::load_or_create(&setup.home.key_file(), &setup.unlock)?.0;
    let _within = runtime.enter();
    let control = ControlSocket::bind(&socket_path)?;
    let Wired { net, mailbox, mail } = wire(&setup, &secret, addresses, setup.config.mdns.value)?;
    let serving = runtime.spawn(control.serve(mailbox.clone()));
    runtime.spawn(stop_on_signal(mailbox.clone()));
    let ready = Box::new(move |listening: &Ready| {
        ready(listening);
        crate::service::tell_ready(listening);
    });
    let mut node = Node::new(opened, engine, net, runtime.handle().clone(), mailbox, Some(ready));
    node.socket = Some(socket_path);
    node.addresses_left = addresses_count;
    let engine_thread = std::thread::Builder::new()
        .name("engine".into())
        .spawn(move || node.run(mail))
        .map_err(|error| Failure::new(format!("the node cannot be started: {error}")))?;
    let ended = engine_thread.join();
    serving.abort();
    ended.unwrap_or_else(|_| {
        Err(Failure::new("the node failed (a bug in muster)").hint("what was acknowledged is on disk; start it again"))
    })
}

/// The network task at work, and the mailbox into which it puts what happens.
pub(crate) struct Wired {
    pub(crate) net: NetHandle,
    pub(crate) mailbox: Mailbox,
    pub(crate) mail: mpsc::Receiver<Mail>,
}

/// Starts the network task on the runtime that was entered.
pub(crate) fn wire(
    setup: &Setup,
    secret: &muster_log::DeviceSecret,
    listen: Vec<Multiaddr>,
    with_mdns: bool,
) -> Result<Wired, Failure> {
    let failed = |error| Failure::new(format!("the network cannot be started: {error}"));
    let (mut task, net, mut events) = NetTask::new(secret, listen).map_err(failed)?;
    if with_mdns {
        task = task.with_mdns(Duration::from_secs(setup.config.mdns_wait_s.value)).map_err(failed)?;
    }
    let (mailbox, mail) = Mailbox::new();
    tokio::spawn(task.run());
    let to_engine = mailbox.clone();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            to_engine.put(Mail::Net(event)).await;
        }
    });
    Ok(Wired { net, mailbox, mail })
}

/// Runs a node that listens nowhere and has no control socket, for one request.
pub(crate) fn passing(setup: &Setup, request: Request) -> Result<Value, Failure> {
    let runtime = runtime()?;
    let (opened, engine) = opening::open(setup, true)?;
    let secret = crate::keystore::load_or_create(&setup.home.key_file(), &setup.unlock)?.0;
    let _within = runtime.enter();
    let Wired { net, mailbox, mail } = wire(setup, &secret, Vec::new(), false)?;
    let node = Node::new(opened, engine, net, runtime.handle().clone(), mailbox.clone(), None);
    let engine_thread = std::thread::spawn(move || node.run(mail));
    let answer = runtime.block_on(async {
        let (reply, answer) = oneshot::channel();
        mailbox.put(Mail::Request { request: Box::new(request), reply }).await;
        let answer = answer.await;
        mailbox.put(Mail::Stop).await;
        answer
    });
    let ended = engine_thread.join();
    match (answer, ended) {
        (Ok(reply), Ok(_)) => reply.into(),
        _ => {
            Err(Failure::new("the network could not be used (a bug in muster)")
                .hint("try again with `muster up` running"))
        }
    }
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("the system gives no threads: {error}")))
}

/// The addresses to listen on. Where the port is left open, the port of last time is taken if it is free, so that the
/// addresses others have saved go on to work.
pub(crate) fn listen_addresses(configured: &[String], saved: &[String]) -> Result<Vec<Multiaddr>, Failure> {
    let mut addresses = Vec::new();
    for text in configured {
        let parsed = parse_addresses(text).map_err(|error| {
            Failure::new(format!("cannot listen on `{text}`: {error}"))
                .hint("an address looks like 0.0.0.0:7001 or /ip4/0.0.0.0/tcp/7001")
        })?;
        addresses
            .extend(parsed.into_iter().map(|address| with_last_port(&address.to_string(), saved).unwrap_or(address)));
    }
    Ok(addresses)
}

fn with_last_port(configured: &str, saved: &[String]) -> Option<Multiaddr> {
    let quic = configured.strip_suffix("/udp/0/quic-v1");
    let (stem, before, after) = match quic {
        Some(stem) => (stem, "/udp/", "/quic-v1"),
        None => (configured.strip_suffix("/tcp/0")?, "/tcp/", ""),
    };
    let port_of = |address: &String| address.strip_suffix(after)?.rsplit_once(before)?.1.parse().ok();
    let port: u16 = saved.iter().find_map(port_of)?;
    let ip = stem.rsplit('/').next()?;
    match quic {
        Some(_) => drop(std::net::UdpSocket::bind((ip, port)).ok()?),
        None => drop(std::net::TcpListener::bind((ip, port)).ok()?),
    }
    parse_address(&format!("{stem}{before}{port}{after}")).ok()
}

async fn stop_on_signal(mailbox: Mailbox) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be caught; stop the node with `muster down`");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM"),
        _ = interrupt.recv() => tracing::info!("SIGINT"),
    }
    mailbox.put(Mail::Stop).await;
}
