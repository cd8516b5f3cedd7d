//! A client for low volumes: one connection, opened when needed and again when the server closed it.

use super::{Answer, Connection, Connector, Failure, Outgoing};

/// Sends requests one after another. Clones share the connector and have their own connections.
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

    /// The target.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Sends a request. A connection that the server closed while it was idle is opened anew, once, and only if the request was not
    /// answered in any part and may be repeated without harm (every method but POST).
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn send(&mut self, outgoing: &Outgoing) -> Result<Answer, Failure> {
        if let Some(mut connection) = self.connection.take().filter(Connection::is_open) {
            match connection.send(outgoing).await {
                Err(Failure::Closed) if outgoing.method != hyper::Method::POST => {}
                Err(failure) => return Err(failure),
                Ok(answer) => {
                    self.connection = Some(connection);
                    return Ok(answer);
                }
            }
        }
        let mut connection = self.connector.open().await?;
        let answer = connection.send(outgoing).await?;
        self.connection = Some(connection);
        Ok(answer)
    }
}
