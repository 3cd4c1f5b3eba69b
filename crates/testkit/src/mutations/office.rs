//! The honest devices whose bytes are altered: an owner, a friend, and the member whose words are not to be trusted.
//! They are the same on every run.

use std::sync::Arc;

use driftless_document::{FieldPath, RecordId, Value, parse_record};
use driftless_engine::{Edit, JoinOutput, Joiner, Replica, SessionOutput, Side, Wishes};
use driftless_protocol::{DeviceKey, InviteLink};

use crate::device::{Device, START_MS};
use crate::ills::Ills;
use crate::wire::{DIALER, LISTENER, Link, start_of, sync};

/// The collection all write to.
const NOTES: &str = "notes";
/// What the handshakes of recorded sessions say.
pub(super) const HANDSHAKE: [u8; 32] = [9; 32];

/// The devices as they are before the member speaks.
pub(super) struct Office {
    /// Whom the member speaks to.
    pub(super) owner: Device,
    /// Who is to be served whatever the member says.
    pub(super) friend: Device,
    /// The member.
    pub(super) member: Device,
    /// An invitation by the owner.
    pub(super) link: InviteLink,
    /// What the member says in honest sessions.
    pub(super) dialogues: Vec<Dialogue>,
}

/// What one side says in an honest session, frame by frame.
pub(super) struct Dialogue {
    /// To whom.
    pub(super) partner: Partner,
    /// Whether the session stays open.
    pub(super) live: bool,
    /// The frames.
    pub(super) said: Vec<Vec<u8>>,
}

/// Whom the member speaks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Partner {
    /// The owner, who was called.
    Listener,
    /// The owner, who called.
    Dialer,
    /// A newcomer that asks to join.
    Joiner,
}

impl Partner {
    /// Which side of a session it is.
    pub(super) fn side(self) -> Side {
        match self {
            Self::Listener => Side::Listener,
            Self::Dialer | Self::Joiner => Side::Dialer,
        }
    }
}

impl Office {
    pub(super) fn new() -> Self {
        let [owner, friend, member] = [1, 2, 3].map(Device::new);
        let mut replica = owner.create("owner");
        let link = replica.invite("ws://127.0.0.1:1", 9, 60_000);
        let link = link.expect("an owner invites");
        replica.commit_group().expect("memory takes it");
        let mut theirs = friend.join(&mut replica, &link, "friend").expect("joins");
        let mut spoken = member.join(&mut replica, &link, "member").expect("joins");
        let shared = insert(
            &mut replica,
            r#"{"title":"one","address":{"city":"Oslo"},"done":false}"#,
        );
        for other in [&mut theirs, &mut spoken] {
            sync(other, &mut replica).expect("an honest session");
        }
        for (n, replica) in (0..).zip([&mut replica, &mut theirs, &mut spoken]) {
            work(replica, shared, n);
        }
        close(replica);
        close(theirs);
        close(spoken);
        let mut office = Self {
            owner,
            friend,
            member,
            link,
            dialogues: Vec::new(),
        };
        for (partner, live) in [
            (Partner::Listener, false),
            (Partner::Listener, true),
            (Partner::Dialer, true),
        ] {
            let said = office.said_to(partner, live);
            office.dialogues.push(Dialogue {
                partner,
                live,
                said,
            });
        }
        office.dialogues.push(Dialogue {
            partner: Partner::Joiner,
            live: false,
            said: office.said_to_a_newcomer(),
        });
        office
    }

    /// What the member says in an honest session with the owner.
    fn said_to(&self, partner: Partner, live: bool) -> Vec<Vec<u8>> {
        let (mut owner, mut member) = (copy(&self.owner).open(), copy(&self.member).open());
        let wishes = Wishes {
            live,
            ..Wishes::default()
        };
        let heard_by = if partner == Partner::Dialer {
            DIALER
        } else {
            LISTENER
        };
        let mut sides = match partner {
            Partner::Dialer => [&mut owner, &mut member],
            _ => [&mut member, &mut owner],
        };
        let [dialer, listener] = &mut sides;
        let mut link = Link::open(dialer, listener, HANDSHAKE, [wishes; 2]);
        let mut said = Vec::new();
        loop {
            let polled = [DIALER, LISTENER].map(|side| link.drain(side, sides[side]));
            if polled == [false, false] && !link.is_busy() {
                return said;
            }
            for side in [LISTENER, DIALER] {
                while let Some(frame) = link.deliver(side, sides[side], START_MS).expect("commits")
                {
                    if side == heard_by {
                        said.push(frame);
                    }
                }
            }
        }
    }

    /// What a member answers a newcomer.
    fn said_to_a_newcomer(&self) -> Vec<Vec<u8>> {
        let mut member = copy(&self.owner).open();
        let newcomer = Device::new(4);
        let mut joiner = Joiner::new(&self.link, &newcomer.key(), "newcomer", &HANDSHAKE);
        let peer = newcomer.key().device_id();
        let start = start_of(Side::Listener, peer, HANDSHAKE, Wishes::default());
        let session = member.start_session(start);
        let mut said = Vec::new();
        loop {
            match joiner.poll() {
                Some(JoinOutput::Send(frame)) => {
                    member.handle_frame(session, &frame, START_MS);
                    member.commit_group().expect("memory takes it");
                }
                Some(JoinOutput::Joined(_)) => return said,
                Some(other) => panic!("an honest newcomer: {other:?}"),
                None => match member.poll_session(session) {
                    Some(SessionOutput::Send(frame)) => {
                        joiner.handle_frame(&frame);
                        said.push(frame);
                    }
                    Some(_) => {}
                    None => panic!("joining stalls"),
                },
            }
        }
    }

    /// Key of the member.
    pub(super) fn member_key(&self) -> DeviceKey {
        self.member.key()
    }
}

/// A device with the same folder and store, that goes its own way.
pub(super) fn copy(device: &Device) -> Device {
    Device {
        files: device.files.duplicate(),
        kv: device.copy_of_store(),
        seed: device.seed,
        clock: device.clock.clone(),
        processes: Arc::clone(&device.processes),
        ills: Ills::default(),
    }
}

/// Takes what a session has to say, and says whether it is over.
pub(super) fn drain(replica: &mut Replica, session: driftless_engine::SessionId) -> bool {
    let mut over = false;
    while let Some(output) = replica.poll_session(session) {
        over |= matches!(
            output,
            SessionOutput::Failed(_) | SessionOutput::Finished(_)
        );
    }
    over
}

fn close(replica: Replica) {
    replica.close().expect("memory takes it");
}

fn insert(replica: &mut Replica, json: &str) -> RecordId {
    let fields = parse_record(json).expect("it is an object");
    let (id, _) = replica
        .insert(NOTES, fields)
        .expect("the fields are fields");
    replica.commit_group().expect("memory takes it");
    id
}

/// Edits of every type, some of them against what the others do.
fn work(replica: &mut Replica, shared: RecordId, n: i64) {
    let path = |text: &str| FieldPath::parse(text).expect("it is a path");
    let set = |text: &str, json: &str| Edit::Set {
        path: path(text),
        node: driftless_document::parse_node(json).expect("it is JSON"),
    };
    let rounds: [Vec<Edit>; 5] = [
        vec![set("title", &format!("\"of {n}\""))],
        vec![
            Edit::AppendText {
                path: path("notes"),
                text: format!("Device {n} writes a few words. "),
            },
            Edit::Increment {
                path: path("views"),
                by: n + 1,
            },
        ],
        vec![Edit::InsertElements {
            path: path("items"),
            at: None,
            values: (0..5).map(|m| Value::Int(n * 10 + m)).collect(),
        }],
        vec![
            set("address.city", "\"Bergen\""),
            set("score", "[1,{\"a\":2.5}]"),
        ],
        vec![Edit::Splice {
            path: path("notes"),
            at: 2,
            delete: 3,
            insert: "v".into(),
        }],
    ];
    for edits in rounds {
        replica.edit(NOTES, shared, &edits).expect("honest edits");
        replica.commit_group().expect("memory takes it");
    }
    for m in 0..3 {
        insert(
            replica,
            &format!(r#"{{"title":"{n} {m}","long":"{}"}}"#, "x".repeat(400)),
        );
    }
}
