//! [`Options`]: what a database is given from outside, and what it uses where nothing is given.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use driftless_document::{CustomInput, Customs};
use driftless_engine::{Clock, Millis};
use driftless_protocol::Randomness;
use driftless_store::{DEFAULT_CACHE_BYTES, StoreEngine};

use crate::keys::{FileKeys, KeyStore};
use crate::limits::STORE_FLOOR_BYTES;
use crate::net::transport::{TcpTransport, Transport};
use crate::progress::Progress;

/// Makes a source of randomness; each use gets its own.
pub type RandomnessFactory = Arc<dyn Fn() -> Box<dyn Randomness> + Send + Sync>;

/// Is told how far long work is; called often and from any thread, so it should be quick.
pub type ProgressCallback = Arc<dyn Fn(Progress) + Send + Sync>;

/// How a database is created, opened or joined.
///
/// [`Options::default`] is right for most programs; a device name is needed to create or join only.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// What other devices show this one as, 1 to 64 characters; used by `create` and `join` only.
    pub device_name: String,
    /// Where wall time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where keys and ids come from.
    pub randomness: RandomnessFactory,
    /// Where the device key is kept.
    pub keys: Arc<dyn KeyStore>,
    /// How other devices are reached.
    pub transport: Arc<dyn Transport>,
    /// Bytes of the store's page cache; the process uses a few times as much.
    pub cache_bytes: u64,
    /// The engine of the store: `create` and `join` take sled where it is `None`, `rebuild` the one there is.
    ///
    /// `open` takes the one there is, whatever it says here.
    pub engine: Option<StoreEngine>,
    /// Bytes of the store's files up to which it is never rewritten, however little data is in it.
    pub store_floor_bytes: u64,
    /// Is told how far long work is.
    pub progress: Option<ProgressCallback>,
    /// The policies of this program that rules may ask for, as `custom`.
    pub policies: Customs,
}

impl Options {
    /// The defaults with a device name.
    pub fn named(device_name: impl Into<String>) -> Self {
        Self {
            device_name: device_name.into(),
            ..Self::default()
        }
    }

    /// Takes wall time from `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Takes randomness from what `factory` makes.
    #[must_use]
    pub fn with_randomness(
        mut self,
        factory: impl Fn() -> Box<dyn Randomness> + Send + Sync + 'static,
    ) -> Self {
        self.randomness = Arc::new(factory);
        self
    }

    /// Keeps the device key in `keys`.
    #[must_use]
    pub fn with_keys(mut self, keys: impl KeyStore + 'static) -> Self {
        self.keys = Arc::new(keys);
        self
    }

    /// Reaches other devices by `transport`.
    #[must_use]
    pub fn with_transport(mut self, transport: impl Transport + 'static) -> Self {
        self.transport = Arc::new(transport);
        self
    }

    /// Gives the store's page cache `cache_bytes` bytes.
    #[must_use]
    pub fn with_cache_bytes(mut self, cache_bytes: u64) -> Self {
        self.cache_bytes = cache_bytes;
        self
    }

    /// Keeps the store with `engine`.
    #[must_use]
    pub fn with_engine(mut self, engine: StoreEngine) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Lets the store's files grow to `store_floor_bytes` bytes before it is ever rewritten.
    #[must_use]
    pub fn with_store_floor_bytes(mut self, store_floor_bytes: u64) -> Self {
        self.store_floor_bytes = store_floor_bytes;
        self
    }

    /// Tells `progress` how far long work is.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    /// Lets rules ask for `policy` by a name: `policy = { custom = "name" }`.
    ///
    /// It must be a pure function of what it is given, and the same in every program of the workspace: where it is
    /// not installed the entries stay open for a person.
    #[must_use]
    pub fn with_policy(
        mut self,
        name: impl Into<String>,
        policy: impl Fn(&CustomInput<'_>) -> Option<usize> + Send + Sync + 'static,
    ) -> Self {
        self.policies.install(name, Arc::new(policy));
        self
    }

    pub(crate) fn tell(&self, progress: Progress) {
        if let Some(callback) = &self.progress {
            callback(progress);
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            device_name: "device".to_owned(),
            clock: Arc::new(SystemClock),
            randomness: Arc::new(|| Box::new(SystemRandomness)),
            keys: Arc::new(FileKeys),
            transport: Arc::new(TcpTransport),
            cache_bytes: DEFAULT_CACHE_BYTES,
            engine: None,
            store_floor_bytes: STORE_FLOOR_BYTES,
            progress: None,
            policies: Customs::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("device_name", &self.device_name)
            .field("cache_bytes", &self.cache_bytes)
            .field("engine", &self.engine)
            .field("store_floor_bytes", &self.store_floor_bytes)
            .finish_non_exhaustive()
    }
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        // Before 1970, or so far ahead that it does not fit, is no time to believe: the replica goes on from
        // the last one it knows.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|since| Millis::try_from(since.as_millis()).ok())
            .unwrap_or(0)
    }
}

/// The randomness of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes)
            .expect("an operating system that runs programs has randomness for them");
    }
}
