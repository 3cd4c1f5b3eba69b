//! The examples under each command's help.

pub(crate) const DRIFTLESS: &str = "\
Example: two devices that edit apart and agree afterwards
  driftless init --dir laptop --name laptop
  driftless import --dir laptop airports.csv --collection airports --key iata
  driftless serve --dir laptop --invite                prints a link
  driftless join --dir phone LINK --name phone         in another terminal
  driftless sync --dir phone
  driftless conflicts --dir phone

Exit codes: 2 usage, 3 not found, 4 refused, 5 network, 6 busy, 7 conflict, 8 storage, 1 the rest.
`driftless demo` shows all of it in a few seconds.";

pub(crate) const INIT: &str = "\
sled is the engine that is tried longest here; redb takes less room and mends itself after a power loss.
`rebuild` changes it later.

Examples:
  driftless init --dir laptop --name laptop
  driftless init --dir laptop --name laptop --engine redb";

pub(crate) const IMPORT: &str = "\
The whole file is checked first: a malformed one imports nothing. Then it is imported in blocks.
With --key a second run goes on where the first ended, adds nothing twice, and counts its changes.
Types are string, number, integer, float, bool, timestamp and json.

Examples:
  driftless import --dir laptop airports.csv --collection airports --key iata
  driftless import --dir laptop people.jsonl --collection people
  driftless import --dir laptop shops.csv --collection shops --key city --key name
  driftless import --dir laptop towns.csv --collection towns --key name --types zip=string";

pub(crate) const INSERT: &str = "\
Examples:
  driftless insert --dir laptop airports iata=ZZZ name='Test Field' latitude=47.5
  driftless insert --dir laptop people name=Ada address.city=London 'tags=[\"first\"]'";

pub(crate) const LIST: &str = "\
Examples:
  driftless list --dir laptop airports --limit 10
  driftless list --dir laptop airports --where state=TX --where country=USA --json";

pub(crate) const GET: &str = "\
Examples:
  driftless get --dir laptop airports key:00M
  driftless get --dir laptop shops 'key:[\"Berlin\",\"Main Street 1\"]'";

pub(crate) const SET: &str = "\
A value in quotes of its own is text: 'zip=\"00501\"'. `address.city` is the city inside the address;
a dot that belongs to a name is written \\. and a first $ is written \\$.

Example:
  driftless set --dir laptop airports key:00M city='Bay St. Louis' latitude=31.95";

pub(crate) const UNSET: &str = "\
Example:
  driftless unset --dir laptop airports key:00M city";

pub(crate) const DELETE: &str = "\
Example:
  driftless delete --dir laptop airports key:00M";

pub(crate) const RESTORE: &str = "\
Example:
  driftless restore --dir laptop airports key:00M";

pub(crate) const INVITE: &str = "\
Whoever has the link can join: send it to nobody else.

Example:
  driftless invite --dir laptop --address ws://192.168.1.20:7717";

pub(crate) const JOIN: &str = "\
The device that gave the link must be serving. Joining brings the list of members only;
`sync` brings the records.

Example:
  driftless join --dir phone driftless://join/... --name phone";

pub(crate) const SERVE: &str = "\
The first line printed is `listening on ws://HOST:PORT`, with --invite the link is the second.
Interrupt it once to end it cleanly, twice to end it at once.

Example:
  driftless serve --dir laptop --listen 0.0.0.0:7717 --invite";

pub(crate) const SYNC: &str = "\
Without a URL the peers that this device has met are tried, the latest first.

Examples:
  driftless sync --dir phone ws://192.168.1.20:7717
  driftless sync --dir phone";

pub(crate) const CONFLICTS: &str = "\
Examples:
  driftless conflicts --dir phone
  driftless conflicts --dir phone resolve 3f2a9c01 --keep 0";

pub(crate) const CONFLICTS_LIST: &str = "\
Example:
  driftless conflicts list --dir phone --status open --collection airports";

pub(crate) const CONFLICTS_SHOW: &str = "\
Example:
  driftless conflicts show --dir phone 3f2a9c01";

pub(crate) const CONFLICTS_RESOLVE: &str = "\
Nothing is lost: every candidate stays readable after the decision.

Examples:
  driftless conflicts resolve --dir phone 3f2a9c01 --keep 0
  driftless conflicts resolve --dir phone 3f2a9c01 --value '\"Bay St. Louis\"'";

pub(crate) const CONFLICTS_EXPORT: &str = "\
Example:
  driftless conflicts export --dir phone > conflicts.jsonl";

pub(crate) const STATUS: &str = "\
Example:
  driftless status --dir laptop --json";

pub(crate) const DIGEST: &str = "\
Example:
  driftless digest --dir laptop --json";

pub(crate) const VERIFY: &str = "\
Example:
  driftless verify --dir laptop";

pub(crate) const REBUILD: &str = "\
Nothing is lost: the journal holds the truth, and the store is derived from it.

Examples:
  driftless rebuild --dir laptop
  driftless rebuild --dir laptop --engine redb";

pub(crate) const COMPACT: &str = "\
A store whose files have outgrown its data is rewritten by itself, sooner or later; this does it now.
Interrupting it leaves everything as it was.

Example:
  driftless compact --dir laptop";

pub(crate) const DEMO: &str = "\
It makes folders of its own, so --dir is not used.

Examples:
  driftless demo
  driftless demo --keep try-it && driftless conflicts --dir try-it/phone";
