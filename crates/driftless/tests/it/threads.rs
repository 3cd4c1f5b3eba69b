//! No call blocks a thread of the runtime: while the disk, a clock or a key store takes its time, a runtime
//! with one thread goes on.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use driftless::{Clock, Database, DeviceKey, Error, KeyPlace, KeyStore, Millis};
use tokio::sync::Notify;

use crate::support::{created, note, options, scratch};

/// Holds whoever passes until the test lets them.
struct Gate {
    held: Arc<Notify>,
    open: Mutex<Receiver<()>>,
}

/// The test's side of a gate.
struct Gatekeeper {
    held: Arc<Notify>,
    open: SyncSender<()>,
}

fn gate() -> (Gate, Gatekeeper) {
    let (open, opened) = sync_channel(1);
    let held = Arc::new(Notify::new());
    let gate = Gate {
        held: held.clone(),
        open: Mutex::new(opened),
    };
    (gate, Gatekeeper { held, open })
}

impl Gate {
    fn pass(&self) {
        self.held.notify_one();
        // When the gatekeeper is gone the gate stays open.
        let _ = self.open.lock().unwrap().recv();
    }
}

impl Gatekeeper {
    /// Waits until somebody stands at the gate, and lets them and all others pass.
    async fn let_pass(self) {
        self.held.notified().await;
        drop(self.open);
    }
}

struct GatedClock(Gate);

impl Clock for GatedClock {
    fn now(&self) -> Millis {
        self.0.pass();
        1_767_225_600_000
    }
}

struct GatedKeys(Gate);

impl KeyStore for GatedKeys {
    fn load(&self, _: &KeyPlace<'_>) -> Result<Option<DeviceKey>, Error> {
        self.0.pass();
        Ok(Some(DeviceKey::from_seed(&[1; 32])))
    }

    fn keep(&self, _: &KeyPlace<'_>, _: &DeviceKey) -> Result<(), Error> {
        Ok(())
    }

    fn forget(&self, _: &KeyPlace<'_>) -> Result<(), Error> {
        Ok(())
    }
}

#[tokio::test(flavor = "current_thread")]
async fn the_runtime_goes_on_while_a_write_waits() {
    let folder = scratch();
    let dir = folder.path().join("d");
    created(&dir, "d").await.close().await.unwrap();
    let (gate, keeper) = gate();
    let options = options("d").with_clock(GatedClock(gate));
    let database = Database::open(&dir, options).await.unwrap();
    let (id, ()) = tokio::join!(note(&database, "x"), keeper.let_pass());
    assert!(
        database
            .collection("notes")
            .get(id)
            .await
            .unwrap()
            .is_some()
    );
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn the_runtime_goes_on_while_a_folder_is_made_and_opened() {
    let folder = scratch();
    let dir = folder.path().join("d");
    for made in [false, true] {
        let (gate, keeper) = gate();
        let options = options("d").with_keys(GatedKeys(gate));
        let open = async {
            if made {
                Database::open(&dir, options).await
            } else {
                Database::create(&dir, options).await
            }
        };
        let (database, ()) = tokio::join!(open, keeper.let_pass());
        database.unwrap().close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_write_and_each_reads_what_it_wrote() {
    let folder = scratch();
    let database = created(&folder.path().join("d"), "d").await;
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let database = database.clone();
            tokio::spawn(async move {
                let id = note(&database, &format!("note {n}")).await;
                crate::support::title(&database, id).await
            })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap(), format!("note {n}"));
    }
    assert_eq!(database.status().await.unwrap().records, 200);
    database.close().await.unwrap();
}
