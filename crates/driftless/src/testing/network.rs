//! Networks for tests: [`MemoryNetwork`], which can be cut, and [`NoNetwork`], which there is none of.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::{mpsc, watch};

use crate::net::transport::{ByteStream, Listener, Transport, TransportFuture};

/// Bytes of one direction that the network holds: as a socket, it takes no more before some were read.
const PIPE_BYTES: usize = 64 * 1024;

/// Connections that were made and not accepted yet.
const BACKLOG: usize = 1_024;

/// The transport of a device without a network: every attempt fails at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNetwork;

impl Transport for NoNetwork {
    fn dial<'a>(&'a self, _: &'a str, _: u16) -> TransportFuture<'a, ByteStream> {
        Box::pin(async { Err(io::ErrorKind::NetworkUnreachable.into()) })
    }

    fn listen<'a>(&'a self, _: &'a str) -> TransportFuture<'a, Box<dyn Listener>> {
        Box::pin(async { Err(io::ErrorKind::NetworkUnreachable.into()) })
    }
}

/// A network within one process, of all the databases that are given a clone of it.
///
/// Every host is the same one, so ports tell listeners apart. Cutting it breaks every connection at whatever byte
/// it is, and lets nobody connect; silencing it keeps connections, and carries nothing. Neither needs a real
/// clock, so it goes with a paused one.
#[derive(Clone, Debug)]
pub struct MemoryNetwork {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    listeners: Mutex<BTreeMap<u16, mpsc::Sender<(ByteStream, SocketAddr)>>>,
    /// The port that is given out next, to a listener or to a connection.
    next_port: Mutex<u16>,
    weather: watch::Sender<Weather>,
    carried: AtomicU64,
    dialled: AtomicU64,
}

/// What the network does to connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Weather {
    /// How often it was cut: a connection does not outlive the cut.
    cuts: u64,
    cut: bool,
    silent: bool,
}

impl Default for MemoryNetwork {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryNetwork {
    /// A network on which nobody listens yet.
    pub fn new() -> Self {
        let shared = Shared {
            listeners: Mutex::default(),
            next_port: Mutex::new(1_024),
            weather: watch::Sender::new(Weather::default()),
            carried: AtomicU64::new(0),
            dialled: AtomicU64::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Breaks all connections and lets nobody connect.
    pub fn cut(&self) {
        self.shared.weather.send_modify(|weather| {
            weather.cuts += 1;
            weather.cut = true;
        });
    }

    /// Breaks all connections, and lets everybody connect again at once.
    pub fn drop_connections(&self) {
        self.shared.weather.send_modify(|weather| weather.cuts += 1);
    }

    /// Lets everybody connect again.
    pub fn restore(&self) {
        self.shared
            .weather
            .send_modify(|weather| weather.cut = false);
    }

    /// Whether connections carry nothing, like a cable that was pulled out: no side is told.
    pub fn set_silent(&self, silent: bool) {
        self.shared
            .weather
            .send_modify(|weather| weather.silent = silent);
    }

    /// Bytes that were carried so far, in all directions.
    pub fn bytes_carried(&self) -> u64 {
        self.shared.carried.load(Ordering::Acquire)
    }

    /// Attempts to connect so far, those that failed included.
    pub fn times_dialled(&self) -> u64 {
        self.shared.dialled.load(Ordering::Acquire)
    }

    fn free_port(&self) -> u16 {
        let mut next = lock(&self.shared.next_port);
        let port = *next;
        *next = next.checked_add(1).unwrap_or(1_024);
        port
    }

    fn connect(&self, port: u16) -> io::Result<ByteStream> {
        self.shared.dialled.fetch_add(1, Ordering::AcqRel);
        if self.shared.weather.borrow().cut {
            return Err(io::ErrorKind::NetworkUnreachable.into());
        }
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let listener = lock(&self.shared.listeners).get(&port).cloned();
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        let from = address(self.free_port());
        let far: ByteStream = Box::new(MemoryStream::new(far, self.shared.clone()));
        let listener = listener.ok_or_else(refused)?;
        listener.try_send((far, from)).map_err(|_| refused())?;
        Ok(Box::new(MemoryStream::new(near, self.shared.clone())))
    }

    fn bind(&self, wanted: &str) -> io::Result<MemoryListener> {
        let port = wanted
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok())
            .ok_or(io::ErrorKind::InvalidInput)?;
        let port = if port == 0 { self.free_port() } else { port };
        let (queue, connections) = mpsc::channel(BACKLOG);
        let mut listeners = lock(&self.shared.listeners);
        if listeners.contains_key(&port) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        listeners.insert(port, queue);
        Ok(MemoryListener {
            port,
            connections: tokio::sync::Mutex::new(connections),
            network: self.clone(),
        })
    }
}

impl Transport for MemoryNetwork {
    fn dial<'a>(&'a self, _: &'a str, port: u16) -> TransportFuture<'a, ByteStream> {
        Box::pin(async move { self.connect(port) })
    }

    fn listen<'a>(&'a self, address: &'a str) -> TransportFuture<'a, Box<dyn Listener>> {
        Box::pin(async move { Ok(Box::new(self.bind(address)?) as Box<dyn Listener>) })
    }
}

struct MemoryListener {
    port: u16,
    connections: tokio::sync::Mutex<mpsc::Receiver<(ByteStream, SocketAddr)>>,
    network: MemoryNetwork,
}

impl Listener for MemoryListener {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(address(self.port))
    }

    fn accept(&self) -> TransportFuture<'_, (ByteStream, SocketAddr)> {
        Box::pin(async move {
            let accepted = self.connections.lock().await.recv().await;
            accepted.ok_or_else(|| io::ErrorKind::NotConnected.into())
        })
    }
}

impl Drop for MemoryListener {
    fn drop(&mut self) {
        lock(&self.network.shared.listeners).remove(&self.port);
    }
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// What is behind these locks is whole after each operation, whoever panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for other weather.
type Change = Pin<Box<dyn Future<Output = watch::Receiver<Weather>> + Send>>;

/// One end of a connection.
struct MemoryStream {
    pipe: DuplexStream,
    shared: Arc<Shared>,
    /// How often the network had been cut when the connection was made.
    cuts: u64,
    /// A change of weather wakes whoever reads, and whoever writes.
    reading: Change,
    writing: Change,
}

impl MemoryStream {
    fn new(pipe: DuplexStream, shared: Arc<Shared>) -> Self {
        let weather = shared.weather.subscribe();
        let cuts = weather.borrow().cuts;
        Self {
            cuts,
            reading: change(weather.clone()),
            writing: change(weather),
            pipe,
            shared,
        }
    }
}

/// Ready where a connection carries bytes now, or never will again; if not, the context is woken when it may.
fn poll_weather(
    shared: &Shared,
    cuts: u64,
    change_ahead: &mut Change,
    context: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    // Before looking, so that no change falls in between; the context stays registered for the next one.
    while let Poll::Ready(weather) = change_ahead.as_mut().poll(context) {
        *change_ahead = change(weather);
    }
    let weather = *shared.weather.borrow();
    if weather.cuts != cuts {
        return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
    }
    if weather.silent {
        return Poll::Pending;
    }
    Poll::Ready(Ok(()))
}

fn change(mut weather: watch::Receiver<Weather>) -> Change {
    Box::pin(async move {
        // The network is there as long as a connection is.
        let _ = weather.changed().await;
        weather
    })
}

impl AsyncRead for MemoryStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let own = self.get_mut();
        ready!(poll_weather(
            &own.shared,
            own.cuts,
            &mut own.reading,
            context
        ))?;
        Pin::new(&mut own.pipe).poll_read(context, buffer)
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let own = self.get_mut();
        ready!(poll_weather(
            &own.shared,
            own.cuts,
            &mut own.writing,
            context
        ))?;
        let written = ready!(Pin::new(&mut own.pipe).poll_write(context, bytes))?;
        own.shared
            .carried
            .fetch_add(written as u64, Ordering::AcqRel);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(context)
    }
}
