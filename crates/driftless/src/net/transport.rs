//! [`Transport`]: how bytes get from one device to another, and [`TcpTransport`], which is how they do it.
//!
//! A transport gives streams of bytes and knows nothing of what they carry: the HTTP upgrade, the secure
//! channel and the sessions are laid over whatever it gives.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// What a transport answers with, in time.
pub type TransportFuture<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// A stream of bytes in both directions.
pub trait Bidirectional: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Bidirectional for S {}

/// A stream of bytes to another device.
pub type ByteStream = Box<dyn Bidirectional>;

/// Connects to other devices and lets them connect; used by every call that needs a network, and by no other.
pub trait Transport: Send + Sync {
    /// Connects to a port of a host, which is a name or an IP address.
    ///
    /// Dropping the future gives the attempt up.
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> TransportFuture<'a, ByteStream>;

    /// Listens on `HOST:PORT`; with port 0 it chooses one.
    fn listen<'a>(&'a self, address: &'a str) -> TransportFuture<'a, Box<dyn Listener>>;
}

/// Takes the connections that others make; dropping it gives the address back.
pub trait Listener: Send + Sync {
    /// Where it listens, with the port that was chosen.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// The next connection, and where it comes from. Dropping the future loses none.
    fn accept(&self) -> TransportFuture<'_, (ByteStream, SocketAddr)>;
}

/// TCP sockets of the operating system: what is used unless the options say otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpTransport;

impl Transport for TcpTransport {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> TransportFuture<'a, ByteStream> {
        Box::pin(async move { prepared(TcpStream::connect((host, port)).await?) })
    }

    fn listen<'a>(&'a self, address: &'a str) -> TransportFuture<'a, Box<dyn Listener>> {
        Box::pin(async move {
            let listener = TcpListener::bind(address).await?;
            Ok(Box::new(listener) as Box<dyn Listener>)
        })
    }
}

impl Listener for TcpListener {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        TcpListener::local_addr(self)
    }

    fn accept(&self) -> TransportFuture<'_, (ByteStream, SocketAddr)> {
        Box::pin(async move {
            let (stream, from) = TcpListener::accept(self).await?;
            Ok((prepared(stream)?, from))
        })
    }
}

fn prepared(stream: TcpStream) -> io::Result<ByteStream> {
    // Messages are small and answered at once: waiting to fill a packet would cost a round trip each.
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}
