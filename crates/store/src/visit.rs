//! What a visitor answers: go on or stop.

/// What a visitor of frames or entries wants next; these two are all there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// Show the next one.
    Continue,
    /// Show no more; the scan or replay ends without an error.
    Stop,
}
