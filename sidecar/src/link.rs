//! A connection to one Redis database that comes back by itself, and what can be wrong with it.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, RedisError, RedisResult, TlsCertificates};
use tokio::sync::Mutex;

use crate::config::{Service, mask};

/// A connection to one Redis database, made when it is first needed and again whenever it broke.
///
/// Commands of several tasks share it, except blocking ones: a reader has a link of its own.
pub struct Link {
    client: Client,
    settings: AsyncConnectionConfig,
    connection: Mutex<Option<MultiplexedConnection>>,
    address: String,
}

impl Link {
    /// A link to a service's database, on which no answer may take longer than `timeout`.
    ///
    /// # Errors
    ///
    /// An address that cannot be used.
    pub fn new(service: &Service, timeout: Duration) -> RedisResult<Self> {
        Ok(Self {
            client: client(service)?,
            settings: AsyncConnectionConfig::new()
                .set_connection_timeout(Some(timeout))
                .set_response_timeout(Some(timeout)),
            connection: Mutex::new(None),
            address: address(service),
        })
    }

    /// Where it leads, for people: the password is masked.
    pub fn address(&self) -> &str {
        &self.address
    }

    async fn connection(&self) -> RedisResult<MultiplexedConnection> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        let made = self
            .client
            .get_multiplexed_async_connection_with_config(&self.settings)
            .await?;
        Ok(connection.insert(made).clone())
    }

    async fn check<T>(&self, result: RedisResult<T>) -> RedisResult<T> {
        if let Err(err) = &result
            && (err.is_io_error() || err.is_timeout() || err.is_unrecoverable_error() || is_stale(err))
        {
            *self.connection.lock().await = None;
        }
        result
    }

    /// Sends one command.
    ///
    /// # Errors
    ///
    /// Redis is away, or refused.
    pub async fn query<T: FromRedisValue>(&self, command: &redis::Cmd) -> RedisResult<T> {
        let mut connection = self.connection().await?;
        let result = command.query_async(&mut connection).await;
        self.check(result).await
    }

    /// Runs a script, by its hash where Redis knows it.
    ///
    /// # Errors
    ///
    /// Redis is away, or refused.
    pub async fn run<T: FromRedisValue>(&self, script: &redis::ScriptInvocation<'_>) -> RedisResult<T> {
        let mut connection = self.connection().await?;
        let result = script.invoke_async(&mut connection).await;
        self.check(result).await
    }
}

/// A client for a service's database.
///
/// # Errors
///
/// An address that cannot be used.
pub fn client(service: &Service) -> RedisResult<Client> {
    let info = redis::IntoConnectionInfo::into_connection_info(service.redis_url.as_str())?;
    // Without the library's name: telling it takes a right of its own, and Redis 7.2.
    let database = info
        .redis_settings()
        .clone()
        .set_db(i64::from(service.database))
        .set_skip_set_lib_name();
    // Small requests one after the other: waiting to fill a segment would cost 40 ms each.
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    let info = info.set_redis_settings(database).set_tcp_settings(tcp);
    let Some(file) = &service.ca_file else {
        return Client::open(info);
    };
    let certificates = std::fs::read(file)
        .map_err(|err| RedisError::from((ErrorKind::InvalidClientConfig, "ca_file", format!("{file}: {err}"))))?;
    let trusted = TlsCertificates {
        client_tls: None,
        root_cert: Some(certificates),
    };
    Client::build_with_tls(info, trusted)
}

/// Where a service's database is, for people: the password is masked.
pub fn address(service: &Service) -> String {
    format!(
        "{}/{}",
        mask(&service.redis_url).trim_end_matches('/'),
        service.database
    )
}

/// A connection that must be made anew for Redis to answer otherwise, such as to a former primary.
fn is_stale(err: &RedisError) -> bool {
    matches!(err.code(), Some("READONLY" | "NOAUTH"))
}

/// What a failed command means for the work at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Redis cannot be reached or cannot work at present: try again later.
    Away,
    /// The consumer group, or its stream, does not exist.
    GroupMissing,
    /// Redis will say the same again until a person changes something.
    Refused,
}

/// Tells the faults apart.
pub fn fault(err: &RedisError) -> Fault {
    match err.code() {
        Some("NOGROUP" | "UNBLOCKED") => Fault::GroupMissing,
        Some("LOADING" | "READONLY" | "MASTERDOWN" | "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" | "NOREPLICAS") => Fault::Away,
        Some(_) => Fault::Refused,
        None if err.kind() == ErrorKind::AuthenticationFailed => Fault::Refused,
        None => Fault::Away,
    }
}
