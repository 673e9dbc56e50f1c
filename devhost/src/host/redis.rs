//! `spin:redis`: a component's connections to Redis.

use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, ErrorKind, FromRedisValue, Value};
use wasmtime::component::{Accessor, HasData, Resource, ResourceTable};

use super::bindings::redis::{
    Error, Host, HostConnection, HostConnectionWithStore, Payload, RedisParameter, RedisResult,
};
use crate::app::{Component, Refused};

/// One TCP connection. Like Spin's it has no timeouts and never reconnects: once Redis has dropped it, every command
/// fails.
#[expect(unreachable_pub, reason = "the generated code re-exports it")]
pub type Connection = MultiplexedConnection;

/// Gives the generated code access to an instance's connections.
pub(crate) struct RedisHost;

/// An instance's connections, and the component that it is.
pub(crate) struct RedisView<'a> {
    pub(crate) table: &'a mut ResourceTable,
    pub(crate) component: &'a Component,
}

impl HasData for RedisHost {
    type Data<'a> = RedisView<'a>;
}

impl Host for RedisView<'_> {}

impl HostConnection for RedisView<'_> {}

impl<T: Send> HostConnectionWithStore<T> for RedisHost {
    async fn drop(accessor: &Accessor<T, Self>, connection: Resource<Connection>) -> wasmtime::Result<()> {
        accessor.with(|mut access| access.get().table.delete(connection))?;
        Ok(())
    }

    async fn open(accessor: &Accessor<T, Self>, address: String) -> Result<Resource<Connection>, Error> {
        accessor.with(|mut access| check_allowed(access.get().component, &address))?;
        let connection = redis::Client::open(address)
            .map_err(|_| Error::InvalidAddress)?
            .get_multiplexed_async_connection()
            .await
            .map_err(other)?;
        accessor
            .with(|mut access| access.get().table.push(connection))
            .map_err(|_| Error::TooManyConnections)
    }

    async fn publish(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        channel: String,
        payload: Payload,
    ) -> Result<(), Error> {
        let mut connection = find(accessor, &connection)?;
        connection.publish(channel, payload).await.map_err(other)
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
    ) -> Result<Option<Payload>, Error> {
        let mut connection = find(accessor, &connection)?;
        connection.get(key).await.map_err(other)
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
        value: Payload,
    ) -> Result<(), Error> {
        let mut connection = find(accessor, &connection)?;
        connection.set(key, value).await.map_err(other)
    }

    async fn incr(accessor: &Accessor<T, Self>, connection: Resource<Connection>, key: String) -> Result<i64, Error> {
        let mut connection = find(accessor, &connection)?;
        connection.incr(key, 1).await.map_err(other)
    }

    async fn del(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        keys: Vec<String>,
    ) -> Result<u32, Error> {
        let mut connection = find(accessor, &connection)?;
        connection.del(keys).await.map_err(other)
    }

    async fn sadd(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
        values: Vec<String>,
    ) -> Result<u32, Error> {
        let mut connection = find(accessor, &connection)?;
        connection.sadd(key, values).await.map_err(|error| {
            if error.kind() == ErrorKind::TypeError {
                Error::TypeError
            } else {
                other(error)
            }
        })
    }

    async fn smembers(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
    ) -> Result<Vec<String>, Error> {
        let mut connection = find(accessor, &connection)?;
        connection.smembers(key).await.map_err(other)
    }

    async fn srem(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
        values: Vec<String>,
    ) -> Result<u32, Error> {
        let mut connection = find(accessor, &connection)?;
        connection.srem(key, values).await.map_err(other)
    }

    async fn execute(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        command: String,
        arguments: Vec<RedisParameter>,
    ) -> Result<Vec<RedisResult>, Error> {
        let mut connection = find(accessor, &connection)?;
        let mut command = redis::cmd(&command);
        for argument in arguments {
            match argument {
                RedisParameter::Int64(number) => command.arg(number),
                RedisParameter::Binary(bytes) => command.arg(bytes),
            };
        }
        let Flattened(results) = command.query_async(&mut connection).await.map_err(other)?;
        Ok(results)
    }
}

/// Spin gives a component the text of the error and nothing else, so that components look for words such as
/// `NoScriptError` in it.
fn other(error: redis::RedisError) -> Error {
    Error::Other(error.to_string())
}

fn find<T>(accessor: &Accessor<T, RedisHost>, connection: &Resource<Connection>) -> Result<Connection, Error> {
    accessor
        .with(|mut access| access.get().table.get(connection).cloned())
        .map_err(|_| Error::Other("could not find connection for resource".to_owned()))
}

fn check_allowed(component: &Component, address: &str) -> Result<(), Error> {
    component.allowed_hosts.check(address).map_err(|refused| {
        match refused {
            Refused::NotAnAddress => eprintln!(
                "component {}: what it tried to connect to is no Redis address",
                component.id
            ),
            Refused::NotAllowed(entry) => eprintln!(
                "component {id}: a connection to {entry} was refused; to allow it, add \"{entry}\" to \
                 allowed_outbound_hosts of [component.{id}]",
                id = component.id
            ),
        }
        Error::InvalidAddress
    })
}

/// A reply as the interface can carry it: arrays within arrays become one flat list.
struct Flattened(Vec<RedisResult>);

impl FromRedisValue for Flattened {
    fn from_redis_value(value: &Value) -> redis::RedisResult<Self> {
        let mut results = Vec::new();
        flatten(value, &mut results)?;
        Ok(Self(results))
    }
}

fn flatten(value: &Value, results: &mut Vec<RedisResult>) -> redis::RedisResult<()> {
    let result = match value {
        Value::Array(values) | Value::Set(values) => {
            return values.iter().try_for_each(|value| flatten(value, results));
        }
        Value::Nil => RedisResult::Nil,
        Value::Okay => RedisResult::Status("OK".to_owned()),
        Value::SimpleString(text) => RedisResult::Status(text.clone()),
        Value::Int(number) => RedisResult::Int64(*number),
        Value::Boolean(truth) => RedisResult::Int64((*truth).into()),
        Value::BulkString(bytes) => RedisResult::Binary(bytes.clone()),
        Value::Double(number) => RedisResult::Binary(number.to_string().into_bytes()),
        Value::BigNumber(number) => RedisResult::Binary(number.to_string().into_bytes()),
        Value::ServerError(error) => {
            return Err((ErrorKind::ResponseError, "Server error", format!("{error:?}")).into());
        }
        Value::Map(_) | Value::Attribute { .. } | Value::VerbatimString { .. } | Value::Push { .. } => {
            return Err((
                ErrorKind::TypeError,
                "Could not convert Redis response",
                format!("{value:?} has a type that spin:redis does not carry"),
            )
                .into());
        }
    };
    results.push(result);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flattens_arrays_completely() {
        let nested = Value::Array(vec![
            Value::Int(1),
            Value::Array(vec![
                Value::BulkString(b"a".to_vec()),
                Value::Array(vec![Value::Nil, Value::Okay]),
                Value::Array(vec![]),
            ]),
            Value::SimpleString("QUEUED".to_owned()),
        ]);
        let Flattened(results) = Flattened::from_redis_value(&nested).unwrap();
        let texts: Vec<String> = results.iter().map(|result| format!("{result:?}")).collect();
        assert_eq!(texts.len(), 5);
        assert!(matches!(&results[0], RedisResult::Int64(1)));
        assert!(matches!(&results[1], RedisResult::Binary(bytes) if bytes == b"a"));
        assert!(matches!(&results[2], RedisResult::Nil));
        assert!(matches!(&results[3], RedisResult::Status(text) if text == "OK"));
        assert!(matches!(&results[4], RedisResult::Status(text) if text == "QUEUED"));
    }

    #[test]
    fn refuses_what_the_interface_does_not_carry() {
        assert!(Flattened::from_redis_value(&Value::Map(vec![])).is_err());
    }
}
