//! `driftless sync`: both devices get what the other has.

use driftless::{Database, SyncReport};

use crate::args::Sync;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Output, clean, count};

/// The exit code of errors of the network: the next peer may be within reach.
const NETWORK: u8 = 5;

pub(crate) async fn run(context: &mut Context, arguments: Sync) -> Result<(), Failure> {
    let interrupt = context.interrupt()?;
    let database = context.open_unless(&interrupt).await?;
    let result = tokio::select! {
        report = sync(context, &database, arguments.url) => report,
        () = interrupt.wait() => Err(interrupted()),
    };
    let report = context.close_after(database, result).await?;
    print(&mut context.output, &report)
}

fn interrupted() -> Failure {
    Failure::Interrupted {
        done: "what has arrived is kept".into(),
        remedy: "Run the command again: it goes on where it ended.",
    }
}

async fn sync(
    context: &Context,
    database: &Database,
    url: Option<String>,
) -> Result<SyncReport, Failure> {
    match url {
        Some(url) => Ok(database.sync().once(&url).await?),
        None => sync_with_known(context, database).await,
    }
}

/// Tries the peers this device has met, the latest first, until one answers.
async fn sync_with_known(context: &Context, database: &Database) -> Result<SyncReport, Failure> {
    let mut peers = database.sync().peers().await?;
    peers.sort_by_key(|peer| std::cmp::Reverse(peer.last_sync_ms));
    let mut failure: Option<Failure> = None;
    for address in peers.into_iter().filter_map(|peer| peer.address) {
        if let Some(before) = failure.take() {
            context.say(&clean(&format!("{before}; trying {address}")));
        }
        match database.sync().once(&address).await.map_err(Failure::from) {
            Ok(report) => return Ok(report),
            Err(unreachable) if unreachable.exit_code() == NETWORK => failure = Some(unreachable),
            Err(other) => return Err(other),
        }
    }
    Err(failure.unwrap_or(Failure::NoPeer))
}

fn print(output: &mut Output, report: &SyncReport) -> Result<(), Failure> {
    output.answer(
        &report.to_json(),
        &format!(
            "sent {} and received {}, in {} and {}",
            count(report.records_sent, "record"),
            count(report.records_received, "record"),
            count(report.bytes_sent + report.bytes_received, "byte"),
            count(report.round_trips, "round trip"),
        ),
    )
}
