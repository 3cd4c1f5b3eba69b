//! Sessions that stay open: what one device commits goes out at once, and costs what it is.

use driftless_document::RecordId;
use driftless_engine::{
    Replica, SessionFailure, SessionId, SessionOutput, SessionStart, SessionSummary, Side,
    SyncState, Wishes,
};
use driftless_protocol::{Ack, Code, Hello, Message, Refusal, decode_batch, encode_batch};

use crate::support::{Device, assert_equal, insert, set, sync, text, two};

const LIVE: Wishes = Wishes {
    live: true,
    push: true,
    pull: true,
};
const NOW: i64 = 1_790_000_000_000;

/// Some replicas with open sessions between them.
struct Net {
    replicas: Vec<Replica>,
    links: Vec<Link>,
    handshakes: u8,
}

/// An open session and how it went so far.
struct Link {
    ends: [(usize, SessionId); 2],
    caught_up: [Option<SessionSummary>; 2],
    finished: [bool; 2],
    failed: Option<SessionFailure>,
    frames: u64,
    bytes: usize,
}

impl Net {
    fn of(replicas: Vec<Replica>) -> Self {
        Self {
            replicas,
            links: Vec::new(),
            handshakes: 0,
        }
    }

    /// Opens a session; says which it is.
    fn connect(&mut self, dialer: (usize, Wishes), listener: (usize, Wishes)) -> usize {
        self.handshakes += 1;
        let hash = [self.handshakes; 32];
        let peers = [listener.0, dialer.0].map(|n| self.replicas[n].device());
        let sides = [Side::Dialer, Side::Listener];
        let mut ends = [(0, None); 2];
        for (n, (who, wishes)) in [dialer, listener].into_iter().enumerate() {
            let start = SessionStart {
                side: sides[n],
                peer: peers[n],
                handshake_hash: hash,
                wishes,
            };
            ends[n] = (who, Some(self.replicas[who].start_session(start)));
        }
        self.links.push(Link {
            ends: ends.map(|(who, id)| (who, id.unwrap())),
            caught_up: [None; 2],
            finished: [false; 2],
            failed: None,
            frames: 0,
            bytes: 0,
        });
        self.links.len() - 1
    }

    /// Carries frames until nobody has any, one at a time.
    fn run(&mut self) {
        loop {
            let mut moved = false;
            for n in 0..self.links.len() {
                for end in 0..2 {
                    moved |= self.step(n, end);
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn step(&mut self, link: usize, end: usize) -> bool {
        let link = &mut self.links[link];
        let (from, id) = link.ends[end];
        let (to, other) = link.ends[1 - end];
        match self.replicas[from].poll_session(id) {
            None => return false,
            Some(SessionOutput::Send(frame)) => {
                link.frames += 1;
                link.bytes += frame.len();
                self.replicas[to].handle_frame(other, &frame, NOW);
                self.replicas[to].commit_group().unwrap();
            }
            Some(SessionOutput::CaughtUp(summary)) => link.caught_up[end] = Some(summary),
            Some(SessionOutput::Finished(_)) => link.finished[end] = true,
            Some(SessionOutput::Failed(failure)) => link.failed = Some(failure),
            Some(_) => {}
        }
        true
    }

    fn cut(&mut self, link: usize) {
        let link = self.links.remove(link);
        for (who, id) in link.ends {
            self.replicas[who].end_session(id).unwrap();
            self.replicas[who].commit_group().unwrap();
        }
    }

    fn frames(&self) -> u64 {
        self.links.iter().map(|link| link.frames).sum()
    }
}

/// One device in the middle that four others keep a session with.
fn star() -> (Net, RecordId) {
    let mut hub = Device::new(1).create("hub");
    let record = insert(&mut hub, r#"{"title":"plan"}"#);
    let mut replicas = Vec::new();
    for n in 2..6 {
        let link = hub.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
        hub.commit_group().unwrap();
        let name = format!("spoke {n}");
        replicas.push(Device::new(n).join(&mut hub, &link, &name).unwrap());
    }
    for spoke in &mut replicas {
        sync(spoke, &mut hub).unwrap(); // all know all: what they agreed on is the same
    }
    replicas.insert(0, hub);
    let mut net = Net::of(replicas);
    for n in 1..5 {
        net.connect((n, LIVE), (0, LIVE));
    }
    net.run();
    (net, record)
}

fn title(net: &Net, n: usize, record: RecordId) -> String {
    match text(&net.replicas[n], record, "title") {
        Some(driftless_document::Value::String(title)) => title,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_edit_on_one_of_five_is_on_the_other_four_without_a_command() {
    let (mut net, record) = star();
    let all_caught_up = net
        .links
        .iter()
        .all(|l| l.caught_up.iter().all(Option::is_some));
    assert!(all_caught_up);
    let before = (net.frames(), net.replicas[0].envelopes_encoded());
    net.run();
    assert_eq!(
        net.frames(),
        before.0,
        "nothing is said while nothing happens"
    );

    set(&mut net.replicas[2], record, "title", "edited");
    assert_eq!(net.replicas[2].take_awakened().len(), 1);
    net.run();
    for n in 0..5 {
        assert_eq!(title(&net, n, record), "edited");
    }
    // One frame up and its answer, three down and theirs.
    assert_eq!(net.frames() - before.0, 8);
    let encoded = net.replicas[0].envelopes_encoded() - before.1;
    assert_eq!(encoded, 1, "once for all who get it");
    for n in 1..5 {
        assert_equal(&net.replicas[0], &net.replicas[n]);
    }
    assert_eq!(net.replicas[2].status().unwrap().pending, 0);
}

#[test]
fn edits_at_both_ends_at_once_cross_and_stand_in_both_logs() {
    let (_, laptop, _, phone) = two();
    let mut net = Net::of(vec![laptop, phone]);
    let record = insert(&mut net.replicas[0], r#"{"title":"a"}"#);
    net.connect((1, LIVE), (0, LIVE));
    net.run();
    set(&mut net.replicas[0], record, "title", "laptop");
    set(&mut net.replicas[1], record, "title", "phone");
    net.run();
    assert_equal(&net.replicas[0], &net.replicas[1]);
    assert_eq!(net.replicas[0].status().unwrap().conflicts_open, 1);
}

#[test]
fn what_is_committed_while_the_two_still_greet_is_not_forgotten() {
    for frames in 0..6 {
        let (_, laptop, _, phone) = two();
        let mut net = Net::of(vec![laptop, phone]);
        let record = insert(&mut net.replicas[0], r#"{"title":"a"}"#);
        let theirs = insert(&mut net.replicas[1], r#"{"title":"b"}"#);
        let link = net.connect((1, LIVE), (0, LIVE));
        for turn in 0..frames {
            net.step(link, turn % 2);
        }
        set(&mut net.replicas[0], record, "title", "b");
        set(&mut net.replicas[1], theirs, "title", "c");
        net.run();
        assert_equal(&net.replicas[0], &net.replicas[1]);
        assert_eq!(net.links[link].failed, None);
    }
}

#[test]
fn a_session_with_a_device_that_does_not_stay_ends_as_ever() {
    let (_, laptop, _, phone) = two();
    let mut net = Net::of(vec![laptop, phone]);
    insert(&mut net.replicas[0], r#"{"title":"a"}"#);
    let link = net.connect((1, LIVE), (0, Wishes::default()));
    net.run();
    assert_eq!(net.links[link].finished, [true, true]);
    assert_equal(&net.replicas[0], &net.replicas[1]);
}

#[test]
fn a_side_that_does_not_push_keeps_its_work_and_one_that_does_not_pull_gets_none() {
    let mute = Wishes {
        push: false,
        ..LIVE
    };
    let deaf = Wishes {
        pull: false,
        ..LIVE
    };
    for wishes in [mute, deaf] {
        let (_, laptop, _, phone) = two();
        let mut net = Net::of(vec![laptop, phone]);
        let ours = insert(&mut net.replicas[0], r#"{"title":"laptop"}"#);
        let theirs = insert(&mut net.replicas[1], r#"{"title":"phone"}"#);
        let link = net.connect((1, wishes), (0, LIVE));
        net.run();
        set(&mut net.replicas[0], ours, "title", "laptop 2");
        set(&mut net.replicas[1], theirs, "title", "phone 2");
        net.run();
        let came = net.replicas[1].get("notes", ours).unwrap().is_some();
        let went = net.replicas[0].get("notes", theirs).unwrap().is_some();
        assert_eq!((came, went), (wishes.pull, wishes.push));
        let status = net.replicas[1].status().unwrap();
        assert_eq!(status.pending, u64::from(!wishes.push));
        assert_eq!(net.links[link].failed, None);
        // Later, in full.
        net.cut(link);
        net.connect((1, LIVE), (0, LIVE));
        net.run();
        assert_equal(&net.replicas[0], &net.replicas[1]);
    }
}

#[test]
fn a_device_that_joins_meanwhile_is_known_before_its_work_arrives() {
    let (mut net, record) = star();
    let newcomer = Device::new(9);
    let link = net.replicas[0]
        .invite("ws://127.0.0.1:1", 1, 60_000)
        .unwrap();
    net.replicas[0].commit_group().unwrap();
    let joined = newcomer.join(&mut net.replicas[0], &link, "ninth").unwrap();
    net.replicas.push(joined);
    net.connect((5, LIVE), (0, LIVE));
    net.run();
    set(&mut net.replicas[5], record, "title", "from the ninth");
    net.run();
    for n in 0..6 {
        assert_eq!(title(&net, n, record), "from the ninth");
        assert_eq!(net.replicas[n].status().unwrap().members.len(), 6);
    }
    assert!(net.links.iter().all(|link| link.failed.is_none()));
}

#[test]
fn a_link_cut_at_any_frame_goes_on_where_it_ended() {
    for frames in 0..12 {
        let (_, laptop, _, phone) = two();
        let mut net = Net::of(vec![laptop, phone]);
        let record = insert(&mut net.replicas[0], r#"{"title":"a"}"#);
        let link = net.connect((1, LIVE), (0, LIVE));
        for n in 0..frames {
            set(&mut net.replicas[0], record, "title", &n.to_string());
            net.step(link, 0);
            net.step(link, 1);
        }
        net.cut(link);
        set(&mut net.replicas[0], record, "title", "end");
        net.connect((1, LIVE), (0, LIVE));
        net.run();
        assert_equal(&net.replicas[0], &net.replicas[1]);
    }
}

/// Fills a replica with about `kilobytes` of envelopes, 30 KB each.
fn fill(replica: &mut Replica, kilobytes: usize) {
    for n in 0..kilobytes / 30 {
        let random: String = (0..30_000_u32)
            .map(|at| char::from(b'a' + ((at * 7_919 + u32::try_from(n).unwrap()) % 26) as u8))
            .collect();
        insert(replica, &format!(r#"{{"text":"{random}"}}"#));
    }
}

#[test]
fn a_peer_that_grants_nothing_gets_no_more_than_everybody_may_send() {
    let (_, mut laptop, _, phone) = two();
    fill(&mut laptop, 1_200);
    let mut net = Net::of(vec![laptop, phone]);
    let link = net.connect((1, LIVE), (0, LIVE));
    // The phone answers, but what it grants is lost on the way.
    let mut sent = 0;
    for _ in 0..400 {
        let (from, id) = net.links[link].ends[1];
        let (to, other) = net.links[link].ends[0];
        if let Some(SessionOutput::Send(frame)) = net.replicas[from].poll_session(id) {
            sent += envelope_bytes(&frame);
            net.replicas[to].handle_frame(other, &frame, NOW);
            net.replicas[to].commit_group().unwrap();
        }
        if let Some(SessionOutput::Send(frame)) = net.replicas[to].poll_session(other) {
            let said = decode_batch(&frame).unwrap().into_iter();
            let kept: Vec<_> = said
                .filter(|message| !matches!(message, Message::Credit { .. }))
                .collect();
            if !kept.is_empty() {
                let frame = encode_batch(&kept).unwrap();
                net.replicas[from].handle_frame(id, &frame, NOW);
                net.replicas[from].commit_group().unwrap();
            }
        }
    }
    let at_first = driftless_protocol::limits::CREDIT_AT_FIRST as usize;
    assert!(sent >= at_first && sent < at_first + 64 * 1024, "{sent}");
    // With what it grants, everything comes.
    net.cut(link);
    net.connect((1, LIVE), (0, LIVE));
    net.run();
    assert_equal(&net.replicas[0], &net.replicas[1]);
}

fn envelope_bytes(frame: &[u8]) -> usize {
    let messages = decode_batch(frame).unwrap().into_iter();
    messages
        .map(|message| match message {
            Message::Envelope { bytes, .. } => bytes.len(),
            _ => 0,
        })
        .sum()
}

#[test]
fn a_record_is_called_synced_by_acknowledgements_only() {
    let mut laptop = Device::new(1).create("laptop");
    let record = insert(&mut laptop, r#"{"title":"a"}"#);
    let state = |replica: &Replica| replica.record_sync("notes", record).unwrap().state;
    assert_eq!(state(&laptop), SyncState::LocalOnly);
    let link = laptop.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    laptop.commit_group().unwrap();
    let mut phone = Device::new(2).join(&mut laptop, &link, "phone").unwrap();
    assert_eq!(state(&laptop), SyncState::LocalOnly);
    sync(&mut phone, &mut laptop).unwrap();
    assert_eq!(state(&laptop), SyncState::Synced);
    set(&mut laptop, record, "title", "b");
    assert_eq!(state(&laptop), SyncState::Pending);

    let mut net = Net::of(vec![laptop, phone]);
    let link = net.connect((1, LIVE), (0, LIVE));
    net.run();
    let phone = net.replicas[1].device();
    let synced = net.replicas[0].record_sync("notes", record).unwrap();
    assert_eq!(
        (synced.state, synced.peers),
        (SyncState::Synced, vec![phone])
    );
    set(&mut net.replicas[0], record, "title", "c");
    let commit = net.replicas[0].edit("notes", record, &[]).unwrap();
    assert_eq!((commit.changed, commit.envelope), (false, None));
    let (_, id) = net.links[link].ends[1];
    assert!(matches!(
        net.replicas[0].poll_session(id),
        Some(SessionOutput::Send(_))
    ));
    assert_eq!(state(&net.replicas[0]), SyncState::InTransit);
    // The frame is lost with the link.
    net.cut(link);
    assert_eq!(state(&net.replicas[0]), SyncState::Pending);
    let news = net.replicas[0].peer_news();
    net.connect((1, LIVE), (0, LIVE));
    net.run();
    assert_eq!(state(&net.replicas[0]), SyncState::Synced);
    assert!(net.replicas[0].peer_news() > news);
}

#[test]
fn what_a_peer_refuses_is_neither_synced_nor_forgotten() {
    let (a, laptop, b, phone) = two();
    let mut net = Net::of(vec![laptop, phone]);
    let record = insert(&mut net.replicas[0], r#"{"title":"a"}"#);
    let other = insert(&mut net.replicas[0], r#"{"title":"b"}"#);
    net.connect((1, LIVE), (0, LIVE));
    net.run();
    let edit = driftless_engine::Edit::Unset {
        path: driftless_document::FieldPath::parse("title").unwrap(),
    };
    let commit = net.replicas[0].edit("notes", record, &[edit]).unwrap();
    net.replicas[0].commit_group().unwrap();
    let (feed, n) = commit.envelope.unwrap();
    // The phone answers as a newer version with another rule might.
    let (_, id) = net.links[0].ends[1];
    assert!(net.replicas[0].poll_session(id).is_some());
    let refused = vec![Refusal {
        feed,
        n,
        code: Code::NotAllowed,
    }];
    let workspace = net.replicas[0].workspace();
    let ack = Ack::sign(&b.key(), &workspace, Vec::new(), refused);
    let frame = encode_batch(&[Message::Ack(ack)]).unwrap();
    net.replicas[0].handle_frame(id, &frame, NOW);
    net.replicas[0].commit_group().unwrap();

    let expected = SyncState::Refused {
        peer: b.key().device_id(),
        code: Code::NotAllowed,
    };
    let check = |laptop: &Replica| {
        let state = |id| laptop.record_sync("notes", id).unwrap().state;
        assert_eq!((state(record), state(other)), (expected, SyncState::Synced));
        assert!(!laptop.is_held_by_peer(&feed, n));
        assert!(laptop.is_held_by_peer(&feed, n - 1));
        let status = laptop.status().unwrap();
        assert_eq!((status.pending, status.peers[0].refused), (1, 1));
    };
    check(&net.replicas[0]);
    // It is remembered across a restart.
    net.cut(0);
    net.replicas.remove(0).close().unwrap();
    check(&a.open());
}

#[test]
fn what_is_written_while_two_greet_is_sent_though_membership_comes_in_two_messages() {
    let (_, laptop, _, mut phone) = two();
    let id = insert(&mut phone, r#"{"title":"a"}"#);
    let start = SessionStart {
        side: Side::Dialer,
        peer: laptop.device(),
        handshake_hash: [5; 32],
        wishes: Wishes {
            live: true,
            ..Wishes::default()
        },
    };
    let session = phone.start_session(start);
    let say = |phone: &mut Replica, messages: &[Message]| {
        phone.handle_frame(session, &encode_batch(messages).unwrap(), 0);
        phone.commit_group().unwrap();
    };
    let hear = |phone: &mut Replica| {
        let mut heard = Vec::new();
        while let Some(output) = phone.poll_session(session) {
            if let SessionOutput::Send(frame) = output {
                heard.extend(decode_batch(&frame).unwrap());
            }
        }
        heard
    };
    let Some(Message::Hello(hello)) = hear(&mut phone).into_iter().next() else {
        panic!("the dialer greets");
    };
    set(&mut phone, id, "title", "b");
    // The laptop has the same envelopes, and knows of another member.
    let greeting = Message::Hello(Hello {
        membership_digest: [7; 16],
        ..hello
    });
    let have = Message::MembershipHave { prefixes: vec![] };
    say(&mut phone, &[greeting, have]);
    hear(&mut phone);
    let membership = Message::Membership {
        records: vec![],
        last: true,
    };
    say(&mut phone, &[membership.clone(), membership]);
    let heard = hear(&mut phone);
    let sent = |message: &Message| matches!(message, Message::Envelope { n: 2, .. });
    assert!(heard.iter().any(sent), "{heard:?}");
}
