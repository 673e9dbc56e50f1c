//! `spin:redis`: a component's connections to Redis.

use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, Cmd, ErrorKind, FromRedisValue, Value};
use wasmtime::component::{Accessor, HasData, Resource, ResourceTable};

use super::bindings::redis::{
    Error, Host, HostConnection, HostConnectionWithStore, Payload, RedisParameter, RedisResult,
};
use crate::app::{Component, Refused};
use crate::output::print_error;

/// One TCP connection. As with Spin, it has no timeouts and never reconnects: once it is lost, every command fails.
#[expect(unreachable_pub, reason = "the generated code re-exports it")]
pub type Connection = MultiplexedConnection;

/// Gives the generated code access to an instance's connections.
pub(crate) struct RedisHost;

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
        query(accessor, &connection, &Cmd::publish(channel, payload)).await
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
    ) -> Result<Option<Payload>, Error> {
        query(accessor, &connection, &Cmd::get(key)).await
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
        value: Payload,
    ) -> Result<(), Error> {
        query(accessor, &connection, &Cmd::set(key, value)).await
    }

    async fn incr(accessor: &Accessor<T, Self>, connection: Resource<Connection>, key: String) -> Result<i64, Error> {
        query(accessor, &connection, &Cmd::incr(key, 1)).await
    }

    async fn del(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        keys: Vec<String>,
    ) -> Result<u32, Error> {
        query(accessor, &connection, &Cmd::del(keys)).await
    }

    async fn sadd(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
        values: Vec<String>,
    ) -> Result<u32, Error> {
        let added = find(accessor, &connection)?.sadd(key, values).await;
        added.map_err(|error: redis::RedisError| match error.kind() {
            ErrorKind::TypeError => Error::TypeError,
            _ => other(error),
        })
    }

    async fn smembers(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
    ) -> Result<Vec<String>, Error> {
        query(accessor, &connection, &Cmd::smembers(key)).await
    }

    async fn srem(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
        values: Vec<String>,
    ) -> Result<u32, Error> {
        query(accessor, &connection, &Cmd::srem(key, values)).await
    }

    async fn execute(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        command: String,
        arguments: Vec<RedisParameter>,
    ) -> Result<Vec<RedisResult>, Error> {
        let mut command = redis::cmd(&command);
        for argument in arguments {
            match argument {
                RedisParameter::Int64(number) => command.arg(number),
                RedisParameter::Binary(bytes) => command.arg(bytes),
            };
        }
        let Flattened(results) = query(accessor, &connection, &command).await?;
        Ok(results)
    }
}

/// The text of the error, which is all that Spin gives a component: components look for words such as `NoScriptError`.
fn other(error: redis::RedisError) -> Error {
    Error::Other(error.to_string())
}

async fn query<T, R: FromRedisValue>(
    accessor: &Accessor<T, RedisHost>,
    connection: &Resource<Connection>,
    command: &Cmd,
) -> Result<R, Error> {
    let mut connection = find(accessor, connection)?;
    command.query_async(&mut connection).await.map_err(other)
}

fn find<T>(accessor: &Accessor<T, RedisHost>, connection: &Resource<Connection>) -> Result<Connection, Error> {
    accessor
        .with(|mut access| access.get().table.get(connection).cloned())
        .map_err(|_| Error::Other("could not find connection for resource".to_owned()))
}

fn check_allowed(component: &Component, address: &str) -> Result<(), Error> {
    component.allowed_hosts.check(address).map_err(|refused| {
        let id = &component.id;
        match refused {
            Refused::NotAnAddress => print_error(format_args!(
                "component {id}: a connection was refused: it is to no Redis address"
            )),
            Refused::NotAllowed(entry) => print_error(format_args!(
                "component {id}: a connection to {entry} was refused; to allow it, add \"{entry}\" to \
                 allowed_outbound_hosts of [component.{id}]"
            )),
        }
        Error::InvalidAddress
    })
}

/// A reply in the form of the interface: nested arrays become one flat list.
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
        assert_eq!(results.len(), 5);
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
