//! The process: connections, background tasks, and their end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::answer::Answer;
use super::api_key::ApiKey;
use super::charges::{Charges, Reply};
use super::database::{self, ConnectError};
use super::faults::FaultPlan;
use super::routes::Api;
use super::settlement;
use super::signature::WebhookSecret;
use super::webhooks::{Receiver, Webhooks};

/// Most open connections. Further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 4096;

/// Most bytes of the head of a request.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Longest time for a head, which includes the pause before it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest time for the requests in flight at the end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause before the next connection is accepted if that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A provider that is connected to its database.
#[derive(Debug)]
pub struct Provider {
    charges: Charges,
}

/// A background task of the provider panicked, so all of it stopped.
#[derive(Debug, thiserror::Error)]
#[error("a background task of the provider has ended, so the provider stopped: start it again")]
pub struct Stopped(#[from] tokio::task::JoinError);

/// The end of a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the provider never answers this request")]
struct Silence;

impl Provider {
    /// Connects to the database, and creates the tables if they are missing.
    pub async fn connect(database_url: &str, faults: FaultPlan) -> Result<Self, ConnectError> {
        Ok(Provider { charges: Charges { pool: database::connect(database_url).await?, faults } })
    }

    /// Serves until `shutdown`, and then ends the requests and deliveries in flight. Events wait in the outbox while there
    /// is no receiver.
    pub async fn serve(
        self,
        listener: TcpListener,
        key: ApiKey,
        receiver: Option<Receiver>,
        secret: WebhookSecret,
        shutdown: CancellationToken,
    ) -> Result<(), Stopped> {
        let charges = self.charges;
        let mut tasks = vec![background(settlement::run(charges.clone(), shutdown.clone()), &shutdown)];
        if let Some(receiver) = receiver {
            let webhooks = Webhooks::new(charges.pool.clone(), receiver, secret);
            tasks.push(background(webhooks.run(shutdown.clone()), &shutdown));
        }
        accept(listener, Arc::new(Api { charges, key }), &shutdown).await;
        for task in tasks {
            task.await?;
        }
        Ok(())
    }
}

/// Starts a background task. If it ends, `shutdown` is cancelled.
fn background(task: impl Future<Output = ()> + Send + 'static, shutdown: &CancellationToken) -> JoinHandle<()> {
    let ends_all = shutdown.clone().drop_guard();
    tokio::spawn(async move {
        let _ends_all = ends_all;
        task.await;
    })
}

/// Accepts connections until `shutdown`, and drains them.
async fn accept(listener: TcpListener, api: Arc<Api>, shutdown: &CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let next = async || {
        let place = places.clone().acquire_owned().await;
        (listener.accept().await, place)
    };
    while let Some((accepted, place)) = shutdown.run_until_cancelled(next()).await {
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let serving = serve_connection(stream, api.clone(), shutdown.clone());
                connections.spawn(async move {
                    let _place = place;
                    serving.await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_TIMEOUT, ended).await.is_err() {
        tracing::warn!(connections = connections.len(), "open connections are closed");
    }
}

async fn serve_connection(stream: TcpStream, api: Arc<Api>, shutdown: CancellationToken) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES_MAX);
    let service = service_fn(|request| respond(&api, request, &shutdown));
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

async fn respond(
    api: &Api,
    request: Request<Incoming>,
    shutdown: &CancellationToken,
) -> Result<Response<Full<Bytes>>, Silence> {
    match api.reply(request).await {
        Reply::Answered(answer) => Ok(response(answer)),
        Reply::Silent => {
            // A client that gives up drops this future.
            shutdown.cancelled().await;
            Err(Silence)
        }
    }
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(answer.body));
    *response.status_mut() = answer.status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
