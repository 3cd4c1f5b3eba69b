//! Plans of seeds, and properties that hold for all of them.

use std::fmt::{Debug, Write as _};
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Dice, PALETTES, Plan, REPLICAS, SCALAR_PALETTES, Step, What};
use crate::shrink::shrink;
use crate::story;

/// What the seeds of [`for_all`] begin at.
const FIRST_SEED: u64 = 2_026_000_000;

/// Which plans are drawn.
#[derive(Clone, Debug)]
pub struct Manner {
    /// How many replicas.
    pub replicas: RangeInclusive<usize>,
    /// Steps, at most.
    pub steps: usize,
    /// Whether only fields that are replaced as a whole are written, and nothing is said of entries.
    pub scalars: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            replicas: REPLICAS,
            steps: 60,
            scalars: false,
        }
    }
}

impl Plan {
    /// The plan of a seed. How long it is, and how often its replicas hear of each other, is drawn first.
    ///
    /// It has at most two steps more than the manner says.
    pub fn random(seed: u64, manner: &Manner) -> Self {
        let mut dice = Dice(seed);
        let span = manner.replicas.end() - manner.replicas.start() + 1;
        let palettes = if manner.scalars {
            SCALAR_PALETTES
        } else {
            PALETTES.len()
        };
        let replicas = manner.replicas.start() + dice.below(span);
        let palette = u8::try_from(dice.below(palettes)).unwrap_or(0);
        let length = 1 + dice.below(manner.steps);
        let deaf = dice.below(4); // of four deliveries so many are drawn again
        let steps = (0..length).map(|_| {
            let step = random_step(&mut dice);
            let is_delivery = matches!(step.what, What::Meet | What::PullAll | What::PullOne);
            let mut step = if is_delivery && dice.below(4) < deaf {
                random_step(&mut dice)
            } else {
                step
            };
            let is_review = matches!(step.what, What::Decide | What::Acknowledge | What::Reopen);
            if manner.scalars && is_review {
                step.what = What::Write;
            }
            step
        });
        let mut steps: Vec<Step> = steps.collect();
        if !manner.scalars && dice.below(4) == 0 {
            // Somebody who knows everything has the last word on it: seldom so by chance.
            for what in [What::Meet, LAST_WORDS[dice.below(LAST_WORDS.len())]] {
                let step = random_step(&mut dice);
                steps.push(Step { what, ..step });
            }
        }
        Self {
            replicas,
            palette,
            seed: u16::from_le_bytes([seed.to_le_bytes()[0], seed.to_le_bytes()[1]]),
            steps,
        }
    }
}

/// What is said last of an entry.
const LAST_WORDS: [What; 4] = [
    What::Acknowledge,
    What::Acknowledge,
    What::Decide,
    What::Reopen,
];

fn random_step(dice: &mut Dice) -> Step {
    let bytes = dice.roll().to_le_bytes();
    Step::decode(&bytes[..4])
}

/// Holds a property against the plans of so many seeds, or of as many as `DRIFTLESS_CASES` says.
///
/// # Panics
///
/// Where the property fails or panics: with the smallest plan found that fails too, told as a story.
pub fn for_all<E: Debug>(
    cases: u64,
    manner: &Manner,
    mut property: impl FnMut(&Plan) -> Result<(), E>,
) {
    let asked = std::env::var("DRIFTLESS_CASES").ok();
    let cases = asked.and_then(|text| text.parse().ok()).unwrap_or(cases);
    let mut fails = |plan: &Plan| -> Option<String> {
        match catch_unwind(AssertUnwindSafe(|| property(plan))) {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some(format!("{why:?}")),
            Err(panic) => Some(story::panic_text(panic.as_ref())),
        }
    };
    for seed in FIRST_SEED..FIRST_SEED + cases {
        let plan = Plan::random(seed, manner);
        let Some(first) = fails(&plan) else { continue };
        let small = shrink(&plan, &mut |smaller| fails(smaller).is_some());
        let why = fails(&small).unwrap_or(first);
        let mut bytes = String::new();
        for byte in small.encode() {
            let _ = write!(bytes, "{byte:02x}");
        }
        panic!(
            "seed {seed}; the smallest that fails:\n{}\n{why}\n\nits bytes: {bytes}",
            story::tell(&small)
        );
    }
}
