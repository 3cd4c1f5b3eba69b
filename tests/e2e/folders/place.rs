//! A folder, and what its device wrote that nobody else surely has.

use std::path::{Path, PathBuf};

use crate::support::{Device, text};

/// A value that was acknowledged: nobody else ever writes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Written {
    pub collection: &'static str,
    /// The record's id, or `key:VALUE`.
    pub record: String,
    pub value: String,
}

pub struct Place {
    pub device: Device,
    /// A copied folder and the copy have one.
    pub device_id: String,
    /// What was acknowledged here and is in no other folder for sure.
    pub own: Vec<Written>,
    pub backups: Vec<PathBuf>,
}

impl Place {
    pub fn of(device: Device) -> Self {
        let device_id = text(&device.json(["status"])["device"]);
        Self::new(device, device_id)
    }

    pub fn new(device: Device, device_id: String) -> Self {
        Self {
            device,
            device_id,
            own: Vec::new(),
            backups: Vec::new(),
        }
    }

    pub fn dir(&self) -> &Path {
        &self.device.dir
    }
}
