//! `loadtest bare-server`: a server that answers every request with the same bytes. It is the cost of hyper and of the
//! kernel alone, to which the bench compares the service.

use std::convert::Infallible;
use std::io::{self, Read};
use std::process::ExitCode;
use std::thread;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// The argument that selects this program.
pub const NAME: &str = "bare-server";

/// Prints the address and serves until the standard input is closed.
pub fn run() -> ExitCode {
    thread::spawn(|| {
        let _closed = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let serving = tokio::runtime::Runtime::new().and_then(|runtime| runtime.block_on(serve()));
    match serving {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{NAME}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
        tokio::spawn(serving);
    }
}

async fn answer(_request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(br#"{"status":"UP"}"#)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
