//! Random histories of members against their oracle, one after the other.

use driftless_testkit::members::{self, Reached, oracle::Canary};

use crate::options::{Options, cpu_text};

/// From so many histories on all that can be reached has to be.
const MANY: u64 = 1_000;

pub(crate) fn soak(options: &Options) -> Result<(), String> {
    let mut all = Reached::default();
    let cases = options.each("histories of members", |seed| {
        let reached = members::run(seed);
        let reached = reached.map_err(|why| format!("history {seed}: {why}"))?;
        all.add(&reached);
        Ok::<_, String>(())
    })?;
    let (never, unnoticed) = (all.never(), all.unnoticed());
    if cases >= MANY && (!never.is_empty() || !unnoticed.is_empty()) {
        return Err(format!(
            "never reached: {never:?}; not noticed to be broken: {unnoticed:?}"
        ));
    }
    let Reached {
        envelopes,
        removals,
        quarantined,
        void,
        adopted,
        returned,
        split,
        reissued,
        duplicates,
        orders,
        ..
    } = all;
    let noticed = all.noticed.iter().zip(Canary::ALL);
    let noticed: Vec<_> = noticed
        .map(|(n, canary)| format!("{canary:?} {n}"))
        .collect();
    println!(
        "| `soak members --seed {} --cases {cases}` | {} | {cases} | {} | {envelopes} envelopes, {removals} removals, \
         {quarantined} quarantined, {void} void, {adopted} adoptions, {returned} returned, \
         {split} on branches or resting on them, {reissued} issued again, {duplicates} of them twice, {orders} orders of arrival; \
         rules left out on purpose: {} histories; no failure |",
        options.seed,
        options.commit,
        cpu_text(),
        noticed.join(", "),
    );
    Ok(())
}
