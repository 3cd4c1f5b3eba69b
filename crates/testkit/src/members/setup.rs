//! The members that a history begins with.

use driftless_engine::Replica;
use driftless_protocol::{
    Admit, DeviceKey, Genesis, Invite, Record, RecordBody, Role, WorkspaceId,
};
use driftless_store::Journal;

use super::DEVICES;
use crate::device::{Device, START_MS};

/// An owner, two admins and editors, and the records that let them in, one after the other.
pub(super) fn members() -> (Vec<Device>, Vec<Record>) {
    let numbers = (1..).take(DEVICES);
    let devices: Vec<Device> = numbers.map(Device::new).collect();
    let owner = devices[0].key();
    let genesis = Genesis {
        owner_name: "device 0".into(),
        limits_version: 1,
        nonce: [7; 16],
        orderer: None,
        recovery: None,
        region: String::new(),
        rules: None,
    };
    let genesis = Record::genesis(&owner, genesis).expect("it is sound");
    let workspace = genesis.workspace();
    let mut records = vec![genesis];
    for (n, device) in devices.iter().enumerate().skip(1) {
        let role = if n < 3 { Role::Admin } else { Role::Editor };
        let last = records[records.len() - 1].hash();
        let let_in = let_in(&owner, workspace, last, &device.key(), n, role);
        records.extend(let_in);
    }
    (devices, records)
}

fn let_in(
    owner: &DeviceKey,
    workspace: WorkspaceId,
    last: driftless_protocol::Hash,
    device: &DeviceKey,
    n: usize,
    role: Role,
) -> [Record; 3] {
    let once = DeviceKey::from_seed(&[100 + u8::try_from(n).expect("a few devices"); 32]);
    let invite = RecordBody::Invite(Invite {
        key: once.device_id(),
        role,
        expires_ms: START_MS,
        uses: 1,
    });
    let sign = |parent, body| {
        Record::sign(owner, Some(workspace), vec![parent], body).expect("it is sound")
    };
    let invite = sign(last, invite);
    let name = format!("device {n}");
    let join = Record::join(device, workspace, invite.hash(), &once, &name);
    let join = join.expect("it is sound");
    let admit = sign(join.hash(), RecordBody::Admit(Admit { join: join.hash() }));
    [invite, join, admit]
}

/// A fresh replica of a device that holds these records.
pub(super) fn begin(device: &Device, records: &[Record]) -> Result<Replica, String> {
    let journal = Journal::create(Box::new(device.files.clone())).map_err(|e| e.to_string())?;
    let replica = Replica::create_joined(device.parts(journal), records.to_vec());
    replica.map_err(|error| error.to_string())
}
