//! The key-value store with what is staged on top of it.
//!
//! Nothing staged reaches the store before the journal has it, and all of it reaches the store in one batch.

use std::cell::OnceCell;
use std::io;

use driftless_store::{Batch, Kv, KvError, Visit, prefix_end};

/// A store and the writes that wait for the journal.
pub(crate) struct Base {
    kv: Box<dyn Kv>,
    staged: Batch,
    /// How its disk failed first: from then on an engine answers as it likes, until it is opened again.
    failed: OnceCell<(io::ErrorKind, String)>,
}

impl Base {
    pub(crate) fn new(kv: Box<dyn Kv>) -> Self {
        Self {
            kv,
            staged: Batch::new(),
            failed: OnceCell::new(),
        }
    }

    /// An error if the store's disk failed before.
    pub(crate) fn check_disk(&self) -> Result<(), KvError> {
        match self.failed.get() {
            Some((kind, reason)) => Err(io::Error::new(*kind, reason.clone()).into()),
            None => Ok(()),
        }
    }

    fn noted<T>(&self, result: Result<T, KvError>) -> Result<T, KvError> {
        if let Err(KvError::Io(error)) = &result {
            self.failed
                .get_or_init(|| (error.kind(), error.to_string()));
        }
        result
    }

    /// The store below what is staged.
    pub(crate) fn kv(&self) -> &dyn Kv {
        &*self.kv
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        match self.staged.write_of(key) {
            Some(write) => Ok(write.map(<[u8]>::to_vec)),
            None => self.noted(self.kv.get(key)),
        }
    }

    pub(crate) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.staged.put(key, value);
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.staged.delete(key);
    }

    /// Shows every entry whose key has the prefix and is not below `from`, in order.
    pub(crate) fn scan(
        &self,
        prefix: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), KvError> {
        let from = if from < prefix { prefix } else { from };
        let mut staged = self
            .staged
            .iter()
            .filter(|(key, _)| key.starts_with(prefix) && *key >= from)
            .peekable();
        let end = prefix_end(prefix);
        let mut stopped = false;
        let read = self.kv.read(&mut |snapshot| {
            snapshot.scan(from, end.as_deref(), &mut |key, value| {
                while let Some((above, write)) = staged.next_if(|(above, _)| *above <= key) {
                    let same = above == key;
                    if let Some(value) = write
                        && visit(above, value) == Visit::Stop
                    {
                        stopped = true;
                        return Visit::Stop;
                    }
                    if same {
                        return Visit::Continue;
                    }
                }
                let next = visit(key, value);
                stopped = next == Visit::Stop;
                next
            })
        });
        self.noted(read)?;
        if !stopped {
            for (key, write) in staged {
                if let Some(value) = write
                    && visit(key, value) == Visit::Stop
                {
                    break;
                }
            }
        }
        Ok(())
    }

    /// All keys with the prefix.
    pub(crate) fn keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, KvError> {
        let mut keys = Vec::new();
        self.scan(prefix, prefix, &mut |key, _| {
            keys.push(key.to_vec());
            Visit::Continue
        })?;
        Ok(keys)
    }

    pub(crate) fn has_staged(&self) -> bool {
        !self.staged.is_empty()
    }

    pub(crate) fn staged_keys(&self) -> usize {
        self.staged.len()
    }

    /// Applies what is staged, in one batch.
    pub(crate) fn apply(&mut self) -> Result<(), KvError> {
        let batch = std::mem::take(&mut self.staged);
        self.noted(self.kv.apply(&batch))
    }

    pub(crate) fn discard(&mut self) {
        self.staged = Batch::new();
    }

    pub(crate) fn flush(&self) -> Result<(), KvError> {
        self.kv.flush()
    }

    pub(crate) fn close(self) -> Result<(), KvError> {
        self.kv.close()
    }
}
