//! What a port serves: the answer that is asked for most, and behind it the router.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use futures_util::future::Either;
use tower_service::Service;

use crate::door::{AtOnce, DOORS, Head};
use crate::{State, Transport, router};

/// Everything on the HTTP port. Cloning it is cheap.
#[derive(Clone)]
pub struct Front {
    at_once: Arc<[Box<dyn AtOnce>]>,
    routes: Router,
}

impl Front {
    #[must_use]
    pub fn new(state: State) -> Self {
        let at_once = DOORS.iter().filter_map(|door| door.at_once);
        Self {
            at_once: at_once.map(|make| make(&state)).collect(),
            routes: router(state),
        }
    }

    /// The answers to one connection.
    #[must_use]
    pub fn to(&self, peer: SocketAddr, transport: Transport) -> Connection {
        Connection {
            front: self.clone(),
            peer,
            transport,
        }
    }

    /// What needs no router; `None` where it is asked.
    pub fn at_once<B>(&self, request: &Request<B>) -> Option<Response> {
        let head = Head::of(request);
        self.at_once.iter().find_map(|door| door.answer(&head))
    }
}

/// [`Front`] as one peer sees it.
#[derive(Clone)]
pub struct Connection {
    front: Front,
    peer: SocketAddr,
    transport: Transport,
}

impl Service<Request<Body>> for Connection {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, RouteFuture<Infallible>>;

    /// A router is always ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(response) = self.front.at_once(&request) {
            return Either::Left(ready(Ok(response)));
        }
        request.extensions_mut().insert(ConnectInfo(self.peer));
        request.extensions_mut().insert(self.transport);
        Either::Right(Service::call(&mut self.front.routes, request))
    }
}
