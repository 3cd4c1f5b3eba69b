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
  driftless get --dir laptop shops 'key:[\"Berlin\",\"Main Street 1\"]'
  driftless get --dir laptop airports key:00M --at 3f2a9c01";

pub(crate) const HISTORY: &str = "\
A line a field that a change wrote: what its author read there, and what came of it.
Every change stands after all its author knew of, in one order on every device; times are what \
the devices' clocks said. `get --at VERSION` shows the record as it was.

Examples:
  driftless history --dir laptop airports key:00M
  driftless history --dir laptop airports key:00M --field city --limit 5";

pub(crate) const EXPLAIN: &str = "\
What becomes of an edit made here while somebody else makes one without knowing of it, and what \
became of those that overlapped so far. It changes nothing.

Examples:
  driftless explain --dir laptop airports key:00M city
  driftless explain --dir laptop airports key:00M '$deleted'";

pub(crate) const SET: &str = "\
A value in quotes of its own is text: 'zip=\"00501\"'. `address.city` is the city inside the address;
a dot that belongs to a name is written \\. and a first $ is written \\$.
A counter, text, list or set is changed by what makes it read so: nobody's increment is lost.

Example:
  driftless set --dir laptop airports key:00M city='Bay St. Louis' latitude=31.95";

pub(crate) const INCREMENT: &str = "\
The first increment makes the counter. Increments made on other devices count as well: none is ever lost.

Examples:
  driftless increment --dir laptop airports key:00M visits=+1
  driftless increment --dir laptop stock key:A7 pieces=-2 sold=+2";

pub(crate) const TEXT: &str = "\
The first edit makes the text. Characters are Unicode code points, counted from 0. Edits that are made \
apart both stand; those that touch the same place are in the conflict log. Without an edit the text \
is printed.

Examples:
  driftless text --dir laptop airports key:00M notes --insert 'Closed on Mondays. '
  driftless text --dir laptop airports key:00M notes --at 10 --delete 7 --insert Sundays
  driftless text --dir laptop airports key:00M notes --replace 'Open every day.'
  fmt notes.txt | driftless text --dir laptop airports key:00M notes --replace-file -
  driftless text --dir laptop airports key:00M notes";

pub(crate) const PUSH: &str = "\
The first element makes the list. What others put in at the same time stands beside it.

Examples:
  driftless push --dir laptop trips key:7 stops Bern 'Bay St. Louis'
  driftless push --dir laptop trips key:7 stops --at 0 '{\"city\":\"Berlin\",\"nights\":2}'";

pub(crate) const PUT_AT: &str = "\
Example:
  driftless put-at --dir laptop trips key:7 stops 1 Basel";

pub(crate) const REMOVE_AT: &str = "\
Examples:
  driftless remove-at --dir laptop trips key:7 stops 0
  driftless remove-at --dir laptop trips key:7 stops 2 --count 3";

pub(crate) const ADD: &str = "\
The first member makes the set; a member is a text, a number, or true or false. A member that one \
device adds and another removes at the same time stays.

Example:
  driftless add --dir laptop airports key:00M tags=urgent tags=coast";

pub(crate) const REMOVE: &str = "\
Example:
  driftless remove --dir laptop airports key:00M tags=urgent";

pub(crate) const UNSET: &str = "\
A text or list is emptied, a set loses its members; a counter stays: set it to 0.

Example:
  driftless unset --dir laptop airports key:00M city";

pub(crate) const DELETE: &str = "\
Example:
  driftless delete --dir laptop airports key:00M";

pub(crate) const RESTORE: &str = "\
Example:
  driftless restore --dir laptop airports key:00M";

pub(crate) const INVITE: &str = "\
Whoever has the link can join: send it to nobody else. An admin reads, writes and sets the \
rules, an editor reads and writes, a viewer reads.

Examples:
  driftless invite --dir laptop --address ws://192.168.1.20:7717
  driftless invite --dir laptop --role admin --valid-for 1h";

pub(crate) const JOIN: &str = "\
The device that gave the link must be serving. Joining brings the list of members only;
`sync` brings the records.

Example:
  driftless join --dir phone driftless://join/... --name phone";

pub(crate) const SERVE: &str = "\
Other commands work on the folder meanwhile: this process carries them out.
The first line printed is `listening on ws://HOST:PORT`, with --invite the link is the second.
Interrupt it once to end it cleanly, twice to end it at once.
A peer that is lost is connected to again, after half a second at first and five minutes at most.

Examples:
  driftless serve --dir laptop --listen 0.0.0.0:7717 --invite
  driftless serve --dir phone --listen 127.0.0.1:0 --peer ws://192.168.1.20:7717";

pub(crate) const SYNC: &str = "\
Without a URL the peers that this device has met are tried, the latest first.

Examples:
  driftless sync --dir phone ws://192.168.1.20:7717
  driftless sync --dir phone";

pub(crate) const WATCH: &str = "\
A line for each change that this device makes or receives, and for each entry of the conflict log that is \
opened, changed or closed by it. On a folder that is served it shows what the serving process sees. Otherwise \
it holds the folder itself, carries out the commands of others on it, and shows those; it does not sync.

Examples:
  driftless watch --dir laptop airports
  driftless watch --dir laptop --since 3376 --json";

pub(crate) const CONFLICTS: &str = "\
Examples:
  driftless conflicts --dir phone
  driftless conflicts --dir phone review
  driftless conflicts --dir phone resolve 3f2a9c01 --keep 0";

pub(crate) const CONFLICTS_LIST: &str = "\
Examples:
  driftless conflicts list --dir phone --status open --collection airports
  driftless conflicts list --dir phone --author laptop --newer-than 7d --limit 20
  driftless conflicts list --dir phone --status open --older-than 4w --count";

pub(crate) const CONFLICTS_REVIEW: &str = "\
Needs a terminal. Each key does at once what the command of that name does; ? explains the keys.
An entry that has grown or was decided meanwhile is shown again, and nothing is decided.

Examples:
  driftless conflicts review --dir phone
  driftless conflicts review --dir phone --collection airports --kind put_put";

pub(crate) const CONFLICTS_SHOW: &str = "\
What was there before stands above the sides, who wrote them and when below. Words that the sides \
disagree about are marked: {+new+}, [-gone-], or in colours on a terminal (not if NO_COLOR is set).

Examples:
  driftless conflicts show --dir phone 3f2a9c01
  driftless conflicts show --dir phone 3f2a9c01 --full";

pub(crate) const CONFLICTS_RESOLVE: &str = "\
Nothing is lost: every candidate stays readable after the decision.

Examples:
  driftless conflicts resolve --dir phone 3f2a9c01 --keep 0
  driftless conflicts resolve --dir phone 3f2a9c01 --value '\"Bay St. Louis\"'
  driftless conflicts resolve --dir phone --all --collection airports --keep shown --preview
  driftless conflicts resolve --dir phone --all --path elevation --keep-of laptop";

pub(crate) const CONFLICTS_ACKNOWLEDGE: &str = "\
The field stays as it is shown. A write that was made without knowing of this opens the entry again.

Examples:
  driftless conflicts acknowledge --dir phone 3f2a9c01
  driftless conflicts acknowledge --dir phone 3f2a9c01 --note 'asked the airport: both are used'
  driftless conflicts acknowledge --dir phone --all --older-than 4w --note 'nobody missed it'";

pub(crate) const CONFLICTS_WATCH: &str = "\
A line for each entry that opens, changes or is closed. Other commands work on the folder meanwhile.

Examples:
  driftless conflicts watch --dir phone
  driftless conflicts watch --dir phone --open --collection airports --json";

pub(crate) const CONFLICTS_UNDO: &str = "\
The record stays as it was decided until somebody decides anew.

Example:
  driftless conflicts undo --dir phone 3f2a9c01";

pub(crate) const CONFLICTS_INSIGHT: &str = "\
Equal on devices that hold the same. It reads the histories of all records that were edited apart.

Examples:
  driftless conflicts insight --dir phone
  driftless conflicts insight --dir phone --fields 3 --json";

pub(crate) const CONFLICTS_EXPORT: &str = "\
Example:
  driftless conflicts export --dir phone > conflicts.jsonl";

pub(crate) const RULES: &str = "\
Rules pick one side of a conflict, the same one on every device; nothing is \
lost, and a person can still decide otherwise.

Examples:
  driftless rules --dir laptop
  driftless rules --dir laptop set rules.toml";

pub(crate) const RULES_CHECK: &str = "\
Example:
  driftless rules check rules.toml";

pub(crate) const RULES_SET: &str = "\
Only the owner and admins of the workspace may. They take the place of all rules that were set before.

Example:
  driftless rules set --dir laptop rules.toml";

pub(crate) const RULES_SHOW: &str = "\
Examples:
  driftless rules show --dir laptop
  driftless rules show --dir laptop --json";

pub(crate) const RULES_EXPLAIN: &str = "\
A * stands before the rule that matches, a ? before one that may, as the edits come.

Examples:
  driftless rules explain --dir laptop tasks key:42 status
  driftless rules explain --dir laptop tasks key:42 '$deleted'";

pub(crate) const MEMBERS: &str = "\
Examples:
  driftless members --dir laptop
  driftless members remove --dir laptop tablet";

pub(crate) const MEMBERS_LIST: &str = "\
Example:
  driftless members list --dir laptop --json";

pub(crate) const MEMBERS_REMOVE: &str = "\
For the owner and admins; the owner stays, and nobody removes itself. What this \
device holds of the removed one counts for ever. What comes of it later waits in \
the quarantine until somebody adopts it. The removed device keeps what it has, \
and gets nothing new from whoever has heard of its removal.

Example:
  driftless members remove --dir laptop tablet";

pub(crate) const QUARANTINE: &str = "\
What is refused is held and passed on, and stops nothing else.

Examples:
  driftless quarantine --dir laptop
  driftless quarantine --dir laptop show 5b1f0c…:3";

pub(crate) const QUARANTINE_LIST: &str = "\
Example:
  driftless quarantine list --dir laptop --all --limit 20";

pub(crate) const QUARANTINE_SHOW: &str = "\
Example:
  driftless quarantine show --dir laptop 5b1f0c…:3";

pub(crate) const QUARANTINE_RETRY: &str = "\
The verdict depends on nothing but the change, what it rests on and the list of members: this helps \
after an update. A change in the list of members needs no command.

Example:
  driftless quarantine retry --dir laptop 5b1f0c…:3";

pub(crate) const QUARANTINE_ADOPT: &str = "\
For the owner and admins. What a removed device had not sent counts then on \
every device, for good; what breaks the rules cannot be adopted. Look at it \
first: show, or export.

Examples:
  driftless quarantine adopt --dir laptop 5b1f0c…:3
  driftless quarantine adopt --dir laptop --all";

pub(crate) const QUARANTINE_REISSUE: &str = "\
A memory image that is resumed twice signs two changes with one number; none of \
the two counts, and each run writes its own again by itself. This is for a run \
that is gone, as when a machine was set back: while it lives, both would write.

Examples:
  driftless quarantine reissue --dir laptop 5b1f0c…:3
  driftless quarantine reissue --dir laptop --all";

pub(crate) const QUARANTINE_EXPORT: &str = "\
Example:
  driftless quarantine export --dir laptop 5b1f0c…:3 > refused.json";

pub(crate) const QUARANTINE_DISCARD: &str = "\
What this device made is taken back for everybody, and its writes are printed as a draft; what another \
device made is left out of the list here. There is no undo: export it first.

Examples:
  driftless quarantine discard --dir laptop 5b1f0c…:3
  driftless quarantine discard --dir laptop 5b1f0c…:3 > draft.json";

pub(crate) const OUTBOX: &str = "\
Examples:
  driftless outbox --dir laptop
  driftless outbox --dir laptop discard 5b1f0c…:3 > draft.json";

pub(crate) const OUTBOX_LIST: &str = "\
Example:
  driftless outbox list --dir laptop --limit 20";

pub(crate) const OUTBOX_SHOW: &str = "\
Example:
  driftless outbox show --dir laptop 5b1f0c…:3";

pub(crate) const OUTBOX_RETRY: &str = "\
Nothing has to be done for what was not sent yet: it goes out with the next sync. What a device has \
refused only that device can judge again.

Example:
  driftless outbox retry --dir laptop 5b1f0c…:3";

pub(crate) const OUTBOX_EXPORT: &str = "\
Example:
  driftless outbox export --dir laptop 5b1f0c…:3 > refused.json";

pub(crate) const OUTBOX_DISCARD: &str = "\
Only what a device has refused, and no device has applied or built on. It is taken back for everybody, \
with what rests on it. There is no undo: its writes are printed as a draft, to be edited and written \
again with `outbox apply`; discarding it once more prints the draft again.

Example:
  driftless outbox discard --dir laptop 5b1f0c…:3 > draft.json";

pub(crate) const OUTBOX_APPLY: &str = "\
Edits that no longer fit are skipped and named; the rest is written.

Example:
  driftless outbox apply --dir laptop draft.json";

pub(crate) const STATUS: &str = "\
It says as well if this folder is a copy, was restored from a backup, or if another folder writes with \
this device's key, and what to do; --dismiss says that you have read it.

Examples:
  driftless status --dir laptop --json
  driftless status --dir laptop --dismiss";

pub(crate) const DIGEST: &str = "\
Example:
  driftless digest --dir laptop --json";

pub(crate) const VERIFY: &str = "\
It reads the journal and all that is in it (checksums, chains, signatures), derives everything again in \
memory, and compares it with the store. It goes on behind what is wrong, and says where that is and what \
mends it; the exit code is then 8. Nothing is changed, and interrupting it does no harm.

Examples:
  driftless verify --dir laptop
  driftless verify --dir laptop --json";

pub(crate) const REPAIR: &str = "\
Everything that is whole is kept. Damaged files of the journal are moved to journal.damaged in the device's \
folder. What was in them comes back with the next sync with a device that has it, or at once with \
--peer; what rests on it waits until then. A damaged store is derived again from the journal. Where nothing \
is damaged, nothing is changed. Should it be interrupted, run it again: it goes on.

Examples:
  driftless repair --dir laptop --dry-run
  driftless repair --dir laptop --peer ws://192.168.1.20:7717";

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
