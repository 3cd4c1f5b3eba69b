//! Ctrl-C and the system's wish that we end: the first asks, the second is obeyed at once.
//!
//! A command that came over the folder's socket is asked by its client, or by the end of the process that serves.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::failure::Failure;

/// What a shell reads as "ended by Ctrl-C".
const ENDED_AT_ONCE: i32 = 130;

/// Whether somebody asked this process to end. Clones are one and the same.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    requested: AtomicBool,
    by_holder: AtomicBool,
    wake: Notify,
}

impl Interrupt {
    /// From now on signals do not end the process; the second one still does.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let state = Arc::new(State::default());
        let mut signals = Signals::new().map_err(Failure::System)?;
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            signals.next().await;
            shared.request();
            signals.next().await;
            std::process::exit(ENDED_AT_ONCE);
        });
        Ok(Self { state })
    }

    /// One that [`Interrupt::request`] and nothing else makes.
    pub(crate) fn of_another_process() -> Self {
        Self {
            state: Arc::default(),
        }
    }

    /// Asks.
    pub(crate) fn request(&self) {
        self.state.request();
    }

    /// Asks because the process that holds the folder ends.
    pub(crate) fn request_by_holder(&self) {
        self.state.by_holder.store(true, Ordering::Release);
        self.state.request();
    }

    /// Whether it was asked by the end of the process that holds the folder, and by nobody else.
    pub(crate) fn is_by_holder(&self) -> bool {
        self.state.by_holder.load(Ordering::Acquire)
    }

    /// Whether it was asked.
    pub(crate) fn requested(&self) -> bool {
        self.state.requested.load(Ordering::Acquire)
    }

    /// Returns when it is asked.
    pub(crate) async fn wait(&self) {
        // Made before the look, so that a signal in between is not missed.
        let wake = self.state.wake.notified();
        tokio::pin!(wake);
        wake.as_mut().enable();
        if !self.requested() {
            wake.await;
        }
    }
}

impl State {
    fn request(&self) {
        self.requested.store(true, Ordering::Release);
        self.wake.notify_waiters();
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "it can fail on the other systems")]
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
