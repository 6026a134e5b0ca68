//! The running service of a bench. It outlives an interrupted measurement, so that it can be stopped in order: only then
//! its data are deleted for certain.

use std::path::{Path, PathBuf};

use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use super::Error;
use crate::private_service::{self, PrivateService, State};

/// At most one private service, and further instances with the same stores.
pub struct Services {
    program: PathBuf,
    log: PathBuf,
    service: Mutex<Option<PrivateService>>,
    instances: Mutex<Vec<Child>>,
}

impl Services {
    pub fn new(program: PathBuf, log: PathBuf) -> Self {
        Services { program, log, service: Mutex::default(), instances: Mutex::default() }
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Stops the service that runs, and starts one with new stores.
    pub async fn start(&self, settings: &[(&str, &str)]) -> Result<State, Error> {
        self.stop().await;
        let mut slot = self.service.lock().await;
        let service = slot.insert(PrivateService::start(&self.program, settings, &self.log)?);
        Ok(service.state().await?)
    }

    /// Starts another instance. Returns its pid and its address, on which it may not listen yet.
    pub async fn start_instance(&self, settings: &[(&str, &str)]) -> Result<(u32, std::net::SocketAddr), Error> {
        // The port is free again when the listener is dropped.
        let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        let service = self.service.lock().await;
        let service = service.as_ref().ok_or(Error::NotRunning)?;
        let child = service.start_instance(&address.to_string(), settings)?;
        let pid = child.id().ok_or(Error::NotRunning)?;
        self.instances.lock().await.push(child);
        Ok((pid, address))
    }

    /// Returns the command `flashsale verify --json` for the running service.
    pub async fn verify_command(&self) -> Result<Command, Error> {
        Ok(self.service.lock().await.as_ref().ok_or(Error::NotRunning)?.verify_command())
    }

    /// Stops what runs and deletes its data.
    pub async fn stop(&self) {
        let mut instances = self.instances.lock().await;
        for child in instances.iter_mut() {
            private_service::stop(child).await;
        }
        instances.clear();
        let mut service = self.service.lock().await;
        if let Some(service) = service.as_mut() {
            service.stop().await;
        }
        *service = None;
    }
}
