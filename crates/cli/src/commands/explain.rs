//! `driftless explain`: how edits of a field merge, before and after they are made.

use crate::args::Explain;
use crate::assign;
use crate::conflict_table::DELETED;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::clean;
use crate::sides::{COLUMNS_OF_NO_TERMINAL, paragraph};

pub(super) async fn run(context: &mut Context, arguments: Explain) -> Result<(), Failure> {
    let Explain { name, field } = arguments;
    // The register of a record's deletion has a name of ours, which is no field's path.
    let path = if field == DELETED {
        field
    } else {
        assign::parse_field(&field)?.to_key()
    };
    context
        .with_database(async |database, output| {
            let record = database
                .collection(&name.collection)
                .find(&name.record)
                .await?;
            let told = database
                .conflicts()
                .explain(&name.collection, record, &path)
                .await?;
            if output.json() {
                return output.object(&told.to_json());
            }
            let columns = output.width().unwrap_or(COLUMNS_OF_NO_TERMINAL);
            let after = told.after.iter().map(|(_, sentences)| sentences.join(" "));
            for sentence in told.before.iter().cloned().chain(after) {
                for line in paragraph(&sentence, columns) {
                    output.line(&clean(&line))?;
                }
            }
            Ok(())
        })
        .await
}
