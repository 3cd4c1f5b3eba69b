//! Bytes to a plan, and back.

use super::{Plan, REPLICAS, STEPS, Step, What};

/// Bytes before the steps.
const HEAD_BYTES: usize = 4;
/// Bytes of one step.
const STEP_BYTES: usize = 4;
/// Replicas are numbered below this in a step's second byte; the field has the rest of it.
const REPLICA_NUMBERS: u8 = 8;

/// How many values of a step's first byte stand for each kind: 256 in all.
///
/// A kind that is added takes values from others, which changes what some kept inputs mean: then the corpus is
/// written anew from its stories.
const KINDS: [(What, u16); 16] = [
    (What::Write, 58),
    (What::WriteTwo, 10),
    (What::Remove, 32),
    (What::Settle, 10),
    (What::Confirm, 6),
    (What::WriteAndDelete, 6),
    (What::Delete, 14),
    (What::SettleDeleted, 4),
    (What::Decide, 22),
    (What::Acknowledge, 10),
    (What::Reopen, 14),
    (What::Note, 2),
    (What::Restart, 6),
    (What::Meet, 8),
    (What::PullAll, 30),
    (What::PullOne, 24),
];

impl Plan {
    /// The plan that these bytes are.
    pub fn decode(bytes: &[u8]) -> Self {
        let at = |n: usize| bytes.get(n).copied().unwrap_or(0);
        let span = REPLICAS.end() - REPLICAS.start() + 1;
        let steps = bytes.get(HEAD_BYTES..).unwrap_or_default();
        Self {
            replicas: REPLICAS.start() + usize::from(at(0)) % span,
            palette: at(1),
            seed: u16::from_le_bytes([at(2), at(3)]),
            steps: steps
                .chunks(STEP_BYTES)
                .take(STEPS)
                .map(Step::decode)
                .collect(),
        }
    }

    /// Bytes that decode to this plan.
    pub fn encode(&self) -> Vec<u8> {
        let replicas = u8::try_from(self.replicas - REPLICAS.start()).unwrap_or(0);
        let [low, high] = self.seed.to_le_bytes();
        let mut bytes = vec![replicas, self.palette, low, high];
        for step in &self.steps {
            bytes.extend(step.encode());
        }
        bytes
    }
}

impl Step {
    /// The step that some bytes are.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        let at = |n: usize| bytes.get(n).copied().unwrap_or(0);
        Self {
            what: kind_of(at(0)),
            replica: at(1) % REPLICA_NUMBERS,
            field: at(1) / REPLICA_NUMBERS,
            at: at(2),
            value: at(3),
        }
    }

    fn encode(self) -> [u8; STEP_BYTES] {
        let who = self.field * REPLICA_NUMBERS + self.replica;
        [first_byte_of(self.what), who, self.at, self.value]
    }
}

fn kind_of(byte: u8) -> What {
    let mut left = u16::from(byte);
    for (what, share) in KINDS {
        if left < share {
            return what;
        }
        left -= share;
    }
    What::PullOne
}

fn first_byte_of(wanted: What) -> u8 {
    let before = KINDS.iter().take_while(|(what, _)| *what != wanted);
    let sum: u16 = before.map(|(_, share)| share).sum();
    u8::try_from(sum).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histories::Manner;

    #[test]
    fn every_first_byte_is_a_kind() {
        assert_eq!(KINDS.iter().map(|(_, share)| share).sum::<u16>(), 256);
        for (what, _) in KINDS {
            assert_eq!(kind_of(first_byte_of(what)), what);
        }
    }

    #[test]
    fn a_plan_is_its_bytes() {
        for seed in 0..200 {
            let plan = Plan::random(seed, &Manner::default());
            assert_eq!(Plan::decode(&plan.encode()), plan);
        }
        assert!(Plan::decode(&[]).steps.is_empty());
    }
}
