//! A connection to one Redis database that is made again whenever it broke, and what its errors mean.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, RedisError, RedisResult, TlsCertificates};
use tokio::sync::Mutex;

use crate::config::{Service, mask};

/// A connection to one Redis database, made when it is first needed and again whenever it broke.
///
/// Commands of several tasks share it, except blocking ones: a reader has a connection of its own.
pub struct Connection {
    client: Client,
    settings: AsyncConnectionConfig,
    open: Mutex<Option<MultiplexedConnection>>,
    address: String,
}

impl Connection {
    /// A connection to a service's database, on which no answer may take longer than `timeout`. Fails if the address
    /// or the certificate cannot be used.
    pub fn new(service: &Service, timeout: Duration) -> RedisResult<Self> {
        Ok(Self {
            client: client(service)?,
            settings: AsyncConnectionConfig::new()
                .set_connection_timeout(Some(timeout))
                .set_response_timeout(Some(timeout)),
            open: Mutex::new(None),
            address: address(service),
        })
    }

    /// For people: the password is masked.
    pub fn address(&self) -> &str {
        &self.address
    }

    async fn open(&self) -> RedisResult<MultiplexedConnection> {
        let mut open = self.open.lock().await;
        if let Some(connection) = &*open {
            return Ok(connection.clone());
        }
        let opening = self.client.get_multiplexed_async_connection_with_config(&self.settings);
        Ok(open.insert(opening.await?).clone())
    }

    async fn check<T>(&self, result: RedisResult<T>) -> RedisResult<T> {
        if let Err(err) = &result
            && (err.is_io_error() || err.is_timeout() || err.is_unrecoverable_error() || is_stale(err))
        {
            *self.open.lock().await = None;
        }
        result
    }

    /// Sends one command.
    pub async fn query<T: FromRedisValue>(&self, command: &redis::Cmd) -> RedisResult<T> {
        let mut connection = self.open().await?;
        let result = command.query_async(&mut connection).await;
        self.check(result).await
    }

    /// Runs a script, by its hash where Redis knows it.
    pub async fn run<T: FromRedisValue>(&self, script: &redis::ScriptInvocation<'_>) -> RedisResult<T> {
        let mut connection = self.open().await?;
        let result = script.invoke_async(&mut connection).await;
        self.check(result).await
    }
}

/// A client for a service's database. Fails if the address or the certificate cannot be used.
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

/// The address of a service's database, for people: the password is masked.
pub fn address(service: &Service) -> String {
    format!(
        "{}/{}",
        mask(&service.redis_url).trim_end_matches('/'),
        service.database
    )
}

/// Redis will answer otherwise only on a new connection: this one may lead to a former primary.
fn is_stale(err: &RedisError) -> bool {
    matches!(err.code(), Some("READONLY" | "NOAUTH"))
}

/// Meaning of a failed command for the work at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Redis cannot be reached or cannot work at present: try again later.
    Away,
    /// The consumer group, or its stream, does not exist.
    GroupMissing,
    /// Redis will say the same again until a person changes something.
    Refused,
}

pub fn fault(err: &RedisError) -> Fault {
    match err.code() {
        Some("NOGROUP" | "UNBLOCKED") => Fault::GroupMissing,
        Some("LOADING" | "READONLY" | "MASTERDOWN" | "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" | "NOREPLICAS") => Fault::Away,
        Some(_) => Fault::Refused,
        None if err.kind() == ErrorKind::AuthenticationFailed => Fault::Refused,
        None => Fault::Away,
    }
}
