//! `driftless invite`: a link with which another device joins.

use driftless::{Database, InviteOptions, Role};
use serde_json::json;

use crate::args::{Invite, InvitedRole, Terms};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) async fn run(context: &mut Context, arguments: Invite) -> Result<(), Failure> {
    context
        .with_database(async |database, output| {
            let link = make(database, &arguments.terms, arguments.address).await?;
            print(output, &link)
        })
        .await
}

/// Makes a link that leads to `address`.
pub(crate) async fn make(
    database: &Database,
    terms: &Terms,
    address: String,
) -> Result<String, Failure> {
    let options = InviteOptions {
        address,
        uses: terms.uses,
        valid_for: terms.valid_for,
        role: match terms.role {
            InvitedRole::Admin => Role::Admin,
            InvitedRole::Editor => Role::Editor,
            InvitedRole::Viewer => Role::Viewer,
        },
    };
    Ok(database.invite(options).await?)
}

/// The link alone, so that a program can pass it on.
pub(crate) fn print(output: &mut Output, link: &str) -> Result<(), Failure> {
    output.answer(&json!({ "link": link }), link)
}
