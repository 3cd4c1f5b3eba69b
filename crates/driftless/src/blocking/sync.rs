//! Sync without async.

use std::net::SocketAddr;
use std::time::Duration;

use driftless_engine::PeerView;

use super::wait;
use crate::error::Error;
use crate::net::connection::{ConnectOptions, SyncTrigger};
use crate::net::state::ConnectionStatus;
use crate::sync::SyncReport;
use crate::sync_for::BudgetReport;

/// [`Sync`](crate::Sync) without async.
#[derive(Clone, Debug)]
pub struct Sync {
    inner: crate::Sync,
}

impl Sync {
    pub(super) fn new(inner: crate::Sync) -> Self {
        Self { inner }
    }

    /// See [`Sync::serve`](crate::Sync::serve).
    pub fn serve(&self, address: &str) -> Result<Server, Error> {
        let (inner, address) = (self.inner.clone(), address.to_owned());
        wait(async move { inner.serve(&address).await }).map(|inner| Server { inner })
    }

    /// See [`Sync::once`](crate::Sync::once).
    pub fn once(&self, address: &str) -> Result<SyncReport, Error> {
        let (inner, address) = (self.inner.clone(), address.to_owned());
        wait(async move { inner.once(&address).await })
    }

    /// See [`Sync::again`](crate::Sync::again).
    pub fn again(&self) -> Result<SyncReport, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.again().await })
    }

    /// See [`Sync::connect`](crate::Sync::connect).
    pub fn connect(&self, address: &str) -> Result<Connection, Error> {
        self.connect_with(address, ConnectOptions::default())
    }

    /// See [`Sync::connect_with`](crate::Sync::connect_with).
    pub fn connect_with(
        &self,
        address: &str,
        options: ConnectOptions,
    ) -> Result<Connection, Error> {
        let (inner, address) = (self.inner.clone(), address.to_owned());
        wait(async move { inner.connect_with(&address, options).await })
            .map(|inner| Connection { inner })
    }

    /// See [`Sync::connections`](crate::Sync::connections).
    pub fn connections(&self) -> Vec<ConnectionStatus> {
        self.inner.connections()
    }

    /// See [`Sync::retry_now`](crate::Sync::retry_now).
    pub fn retry_now(&self) {
        self.inner.retry_now();
    }

    /// See [`Sync::sync_for`](crate::Sync::sync_for).
    pub fn sync_for(&self, budget: Duration) -> Result<BudgetReport, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.sync_for(budget).await })
    }

    /// See [`Sync::last_address`](crate::Sync::last_address).
    pub fn last_address(&self) -> Result<Option<String>, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.last_address().await })
    }

    /// See [`Sync::peers`](crate::Sync::peers).
    pub fn peers(&self) -> Result<Vec<PeerView>, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.peers().await })
    }
}

/// [`Server`](crate::Server) without async.
#[derive(Debug)]
pub struct Server {
    inner: crate::Server,
}

impl Server {
    /// See [`Server::local_addr`](crate::Server::local_addr).
    pub fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr()
    }

    /// See [`Server::url`](crate::Server::url).
    pub fn url(&self) -> String {
        self.inner.url()
    }

    /// See [`Server::stop`](crate::Server::stop).
    pub fn stop(self) -> Result<(), Error> {
        wait(async move {
            self.inner.stop().await;
            Ok(())
        })
    }
}

/// [`Connection`](crate::Connection) without async.
#[derive(Debug)]
#[must_use = "a connection that is dropped is stopped"]
pub struct Connection {
    inner: crate::Connection,
}

impl Connection {
    /// See [`Connection::status`](crate::Connection::status).
    pub fn status(&self) -> ConnectionStatus {
        self.inner.status()
    }

    /// See [`Connection::options`](crate::Connection::options).
    pub fn options(&self) -> ConnectOptions {
        self.inner.options()
    }

    /// See [`Connection::set_trigger`](crate::Connection::set_trigger).
    pub fn set_trigger(&self, trigger: SyncTrigger) {
        self.inner.set_trigger(trigger);
    }

    /// See [`Connection::set_push`](crate::Connection::set_push).
    pub fn set_push(&self, push: bool) {
        self.inner.set_push(push);
    }

    /// See [`Connection::set_pull`](crate::Connection::set_pull).
    pub fn set_pull(&self, pull: bool) {
        self.inner.set_pull(pull);
    }

    /// See [`Connection::sync_now`](crate::Connection::sync_now).
    pub fn sync_now(&self) -> Result<SyncReport, Error> {
        let (line, options) = (self.inner.line().clone(), self.inner.options());
        wait(async move { line.sync_now(options).await })
    }

    /// See [`Connection::stop`](crate::Connection::stop).
    pub fn stop(self) -> Result<(), Error> {
        wait(async move {
            self.inner.stop().await;
            Ok(())
        })
    }
}
