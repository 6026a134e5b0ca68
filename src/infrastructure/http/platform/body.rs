//! The body of an answer: bytes, or a stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use futures::stream::BoxStream;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::activity::ActiveRequest;

/// An error of a body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer. Complete bytes, which nearly every answer has, need no box.
pub enum Body {
    /// `None` after the bytes have been sent.
    Full(Option<Bytes>),
    Stream(Chunks),
}

/// Chunks that are sent as they come.
pub struct Chunks {
    chunks: BoxStream<'static, Result<Bytes, BoxError>>,
    /// Keeps the connection from being idle until the last chunk has been sent.
    _serving: Option<ActiveRequest>,
}

impl Body {
    /// A body of these bytes.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Body::Full(Some(bytes.into()))
    }

    /// A body of these chunks. An error breaks the answer off, so that the client sees that it is not complete.
    pub fn stream(chunks: impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static) -> Self {
        Body::Stream(Chunks { chunks: Box::pin(chunks), _serving: None })
    }

    /// Ends the request now if the body is complete, and otherwise when the stream ends or is dropped.
    pub fn end_with_last_chunk(&mut self, serving: ActiveRequest) {
        if let Body::Stream(stream) = self {
            stream._serving = Some(serving);
        }
    }

    /// Returns true if its chunks are sent as they come.
    pub fn is_stream(&self) -> bool {
        matches!(self, Body::Stream(_))
    }

    /// Returns the bytes of a body that is no stream.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Body::Full(bytes) => bytes.as_ref(),
            Body::Stream(_) => None,
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Body::Full(None)
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Body::Full(bytes) => Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(Frame::data).map(Ok)),
            Body::Stream(stream) => {
                let chunk = ready!(stream.chunks.as_mut().poll_next(context));
                if let Some(Err(error)) = &chunk {
                    tracing::warn!(%error, "a streamed answer broke off");
                }
                Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Full(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Body::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Body::Stream(_) => SizeHint::default(),
        }
    }
}
