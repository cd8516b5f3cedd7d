//! A client for low volumes: one connection, opened when needed and again after the server closed it.

use super::{Connection, Connector, Exchange, Failure, OutgoingRequest, Response, exchange};

/// Sends requests one after another. A clone shares the connector and opens its own connection.
#[derive(Debug)]
pub struct Client {
    connector: Connector,
    connection: Option<Connection>,
}

impl Clone for Client {
    fn clone(&self) -> Self {
        Self::new(self.connector.clone())
    }
}

impl Client {
    /// A client without a connection yet.
    pub fn new(connector: Connector) -> Self {
        Self { connector, connection: None }
    }

    /// The connector, and with it the target.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Sends a request; retries as [`exchange()`] does.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn send(&mut self, request: &OutgoingRequest) -> Result<Response, Failure> {
        let exchange = self.exchange(request).await;
        exchange.result
    }

    /// Like [`Self::send`], with the instants of the request.
    pub(super) async fn exchange(&mut self, request: &OutgoingRequest) -> Exchange {
        let kept = self.connection.take().and_then(|mut connection| connection.is_open().then_some(connection));
        let given_up = tokio::time::sleep(self.connector.config.response_timeout);
        let mut exchange = exchange(&self.connector, request, None, kept, given_up, |_| {}).await;
        self.connection = exchange.connection.take();
        exchange
    }
}
