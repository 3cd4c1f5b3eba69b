//! Packing the journal while the database is open: on a thread of its own, adopted on the replica's.
//!
//! One closed segment at a time is packed, from its bytes in memory; the thread that does it touches no file. Replacing
//! the segment and listing its contents anew happen on the replica's thread, in small steps between its jobs. What is under
//! way when the database is closed is given up, unless its segment was waiting already when the database was opened:
//! then closing waits for it, so that programs that run for an instant leave no more behind than they find.
//!
//! Nothing here is needed for anything but room: a failure is logged, and the next process tries again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::Instant;

use driftless_engine::Replica;
use driftless_store::{JournalError, PackedSegment};

use crate::error::Error;
use crate::limits::CLOSE_PACK_BYTES;

/// Has the replica's thread look again soon; does nothing once no handle is left.
pub(crate) type Wake = Arc<dyn Fn() + Send + Sync>;

/// What is being packed, if anything.
pub(crate) struct Packing {
    wake: Wake,
    running: Option<Running>,
    /// Segments that waited already when the database was opened, and still do.
    overdue: usize,
    /// Something failed: not again in this process.
    given_up: bool,
}

struct Running {
    done: Receiver<Result<Option<PackedSegment>, JournalError>>,
    stop: Arc<AtomicBool>,
}

impl Packing {
    pub(crate) fn new(replica: &Replica, wake: Wake) -> Self {
        Self {
            wake,
            running: None,
            overdue: replica.segments_to_pack(),
            given_up: false,
        }
    }

    /// Does what can be done at once, and begins what takes longer; nothing may be staged.
    pub(crate) fn step(&mut self, replica: &mut Replica) {
        if self.given_up || (self.running.is_none() && !replica.wants_pack()) {
            return;
        }
        if let Err(error) = self.try_step(replica) {
            self.give_up(&error);
        }
    }

    fn try_step(&mut self, replica: &mut Replica) -> Result<(), Error> {
        if let Some(running) = &self.running {
            match running.done.try_recv() {
                Err(TryRecvError::Empty) => return Ok(()),
                done => self.adopt(replica, done.ok())?,
            }
        }
        if replica.list_packed()? {
            (self.wake)();
        } else if let Some(source) = replica.pack_source()? {
            let (send, done) = channel();
            let stop = Arc::new(AtomicBool::new(false));
            let (stopped, wake) = (stop.clone(), self.wake.clone());
            std::thread::Builder::new()
                .name("driftless-pack".to_owned())
                .spawn(move || {
                    let packed = source.pack(&|| !stopped.load(Ordering::Relaxed));
                    // Whoever does not wait any more does not want it.
                    let _ = send.send(packed);
                    wake();
                })
                .map_err(Error::no_thread)?;
            self.running = Some(Running { done, stop });
        }
        Ok(())
    }

    /// Takes in what came of a segment; none where the thread panicked.
    fn adopt(
        &mut self,
        replica: &mut Replica,
        done: Option<Result<Option<PackedSegment>, JournalError>>,
    ) -> Result<(), Error> {
        self.running = None;
        let packed = done.ok_or_else(|| Error::bug("packing the journal panicked"))??;
        let Some(pack) = packed else {
            return Ok(());
        };
        // Somebody who asked for all to be made small may have been faster.
        if replica.next_to_pack() == Some(pack.number()) {
            replica.adopt_pack(&pack)?;
            self.overdue = self.overdue.saturating_sub(1);
            tracing::debug!(
                segment = pack.number(),
                bytes = pack.packed_bytes(),
                "packed a segment of the journal"
            );
        }
        Ok(())
    }

    /// Gives up what is under way, or waits for it where it is overdue, until `until` if that is said; the replica is about
    /// to be closed.
    pub(crate) fn finish(&mut self, replica: &mut Replica, until: Option<Instant>) {
        self.end_running(replica, until);
        let go_on = || until.is_none_or(|until| Instant::now() < until);
        if !self.given_up
            && go_on()
            && let Err(error) = pack_last(replica, &go_on)
        {
            self.give_up(&error);
        }
    }

    fn end_running(&mut self, replica: &mut Replica, until: Option<Instant>) {
        let Some(running) = self.running.take() else {
            return;
        };
        if self.overdue == 0 {
            running.stop.store(true, Ordering::Relaxed);
            return;
        }
        let packed = match until {
            None => running.done.recv().ok(),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                match running.done.recv_timeout(left) {
                    Err(RecvTimeoutError::Timeout) => {
                        running.stop.store(true, Ordering::Relaxed);
                        return;
                    }
                    packed => packed.ok(),
                }
            }
        };
        // What is not listed anew yet is listed by the next opening.
        if let Err(error) = self.adopt(replica, packed) {
            self.give_up(&error);
        }
    }

    fn give_up(&mut self, error: &Error) {
        self.given_up = true;
        tracing::warn!(%error, "the journal is not packed; it goes on as it is");
    }
}

/// Packs the newest segment where it is large: whoever wrote that much can wait for it.
fn pack_last(replica: &mut Replica, go_on: &dyn Fn() -> bool) -> Result<(), Error> {
    if replica.segments_to_pack() == 0 && replica.close_segment(CLOSE_PACK_BYTES)? {
        replica.pack_next(go_on)?;
    }
    Ok(())
}

impl Drop for Packing {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.stop.store(true, Ordering::Relaxed);
        }
    }
}
