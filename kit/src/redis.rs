//! The connection to the service's own Redis, and scripts run on it.
//!
//! **Every command and every script that goes through here may be run twice with the same arguments**: a connection
//! that broke says nothing about whether the server had done the work, so it is done again on a new one.

use std::cell::RefCell;
use std::sync::Arc;

pub use crate::storage_error::{StorageError, unexpected_reply};
pub use spin_sdk::redis::RedisResult as Reply;
use spin_sdk::redis::{Connection, Error, RedisParameter};

use crate::deadline;
use crate::{read_only_script, variables};

/// The component's variable that holds the URL of its Redis database.
const URL_VARIABLE: &str = "redis_url";

/// A key that holds nothing, ever; of those that the service's user of Redis may write.
const NEVER_KEY: &str = "idem:never";

thread_local! {
    /// Kept across the requests of an instance: opening one costs more than most commands.
    static KEPT: RefCell<Option<Arc<Connection>>> = const { RefCell::new(None) };
}

/// Reads fields of many hashes in one step; see the file.
static READ_HASHES: Script = read_only_script!("read_hashes.lua");

/// The words of a Redis that does not know the first lines of scripts.
const OLD_REDIS: &str = "unexpected symbol near '#'";

/// A Lua script that is one atomic commit, or one look.
pub struct Script {
    text: &'static str,
    /// By which Redis knows it, in hexadecimal digits.
    sha1: [u8; 40],
}

/// The [`redis::Script`](Script) in these files, each of which may use what those before it define, and all of them what
/// `prelude.lua` defines. Out of memory, Redis refuses it whole, rather than a write in its middle.
#[macro_export]
macro_rules! script {
    ($($file:literal),+) => { $crate::script_with_first_line!("#!lua\n", $($file),+) };
}

/// The same for a script that changes nothing, which Redis runs out of memory too.
#[macro_export]
macro_rules! read_only_script {
    ($($file:literal),+) => { $crate::script_with_first_line!("#!lua flags=no-writes\n", $($file),+) };
}

/// The common part of both.
#[doc(hidden)]
#[macro_export]
macro_rules! script_with_first_line {
    ($first_line:literal, $($file:literal),+) => {
        $crate::redis::Script::new(concat!(
            $first_line,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../kit/src/prelude.lua")),
            $(include_str!($file)),+
        ))
    };
}

impl Script {
    /// The script of this text. Its hash is made by the compiler, since each delivery through Spin's Redis trigger has a
    /// new instance, which would make it anew.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        let sha1 = hexadecimal(const_sha1::sha1(text.as_bytes()).as_bytes());
        Self { text, sha1 }
    }

    /// Runs the script, by its hash where the server knows it.
    ///
    /// # Errors
    /// When Redis is away, full, or refuses the script as a whole.
    pub async fn run(&self, keys: Vec<String>, arguments: Vec<String>) -> Result<Vec<Reply>, StorageError> {
        let count = i64::try_from(keys.len()).unwrap_or(i64::MAX);
        let mut parameters = Vec::with_capacity(2 + keys.len() + arguments.len());
        parameters.push(RedisParameter::Binary(self.sha1.to_vec()));
        parameters.push(RedisParameter::Int64(count));
        parameters.extend(keys.into_iter().chain(arguments).map(text));
        match execute("EVALSHA", &parameters).await {
            Err(StorageError::Unavailable(error)) if is_unknown_script(&error) => {
                parameters[0] = text(self.text.to_owned());
                execute("EVAL", &parameters).await
            }
            outcome => outcome,
        }
    }
}

const fn hexadecimal(bytes: [u8; 20]) -> [u8; 40] {
    let mut digits = [0; 40];
    let mut at = 0;
    while at < digits.len() {
        let nibble = (bytes[at / 2] >> (4 * (1 - at % 2))) & 0xf;
        digits[at] = b"0123456789abcdef"[nibble as usize];
        at += 1;
    }
    digits
}

/// The strings at these keys; an error within the list says that this key holds something else.
///
/// # Errors
/// When Redis is away or refuses.
pub async fn read_strings(keys: &[String]) -> Result<Vec<Result<Option<String>, StorageError>>, StorageError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    // One MGET costs Redis a fraction of what a script or a hash for each key does.
    let replies = command("MGET", keys).await?;
    if replies.len() != keys.len() {
        return Err(unexpected_reply());
    }
    let mut strings = Vec::with_capacity(keys.len());
    for (key, reply) in keys.iter().zip(replies) {
        strings.push(match reply {
            Reply::Binary(bytes) => String::from_utf8(bytes)
                .map(Some)
                .map_err(|_| StorageError::Corrupt(format!("the key {key} holds a string that is not UTF-8"))),
            // MGET does not tell a key that holds nothing from one that holds no string.
            _ => match as_text(command("TYPE", [key]).await?.first().unwrap_or(&Reply::Nil)).as_str() {
                "none" => Ok(None),
                other => Err(StorageError::Corrupt(format!(
                    "the key {key} holds a {other} where a string belongs"
                ))),
            },
        });
    }
    Ok(strings)
}

/// The values of the same fields of many hashes, read in one step; `None` for a key that holds nothing. An error within
/// the list says that this key holds something else.
///
/// # Errors
/// When Redis is away or refuses.
pub async fn read_hashes(
    keys: &[String],
    fields: &[&str],
) -> Result<Vec<Result<Option<Vec<Option<String>>>, StorageError>>, StorageError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let names = fields.iter().map(ToString::to_string).collect();
    let replies = READ_HASHES.run(keys.to_vec(), names).await?;
    // The lists arrive as one.
    let rows = replies.chunks_exact(fields.len());
    if rows.len() != keys.len() {
        return Err(unexpected_reply());
    }
    let hash = |(key, row): (&String, &[Reply])| match row {
        [Reply::Int64(_), ..] => Err(StorageError::Corrupt(format!("the key {key} holds no hash"))),
        row if row.iter().all(|value| *value == Reply::Nil) => Ok(None),
        row => Ok(Some(row.iter().map(as_optional_text).collect())),
    };
    Ok(keys.iter().zip(rows).map(hash).collect())
}

/// Runs one command, whose first argument is its key. Nested replies arrive flattened.
///
/// # Errors
/// When Redis is away, full, or refuses the command; and when the key holds something of another type.
pub async fn command<A: Into<String>>(
    name: &str,
    arguments: impl IntoIterator<Item = A>,
) -> Result<Vec<Reply>, StorageError> {
    let arguments: Vec<String> = arguments.into_iter().map(Into::into).collect();
    let key = arguments.first().cloned().unwrap_or_default();
    let parameters: Vec<_> = arguments.into_iter().map(text).collect();
    execute(name, &parameters).await.map_err(|error| match error {
        StorageError::Corrupt(what) => StorageError::Corrupt(format!("the key {key}: {what}")),
        other => other,
    })
}

/// Checks that Redis would take a write now, and writes nothing.
///
/// Not `PING`, which Redis answers well when it is full, has too few replicas, or is a replica itself. This costs it no
/// more: the key is never there, so `XX` sets nothing, and Redis neither logs nor replicates it.
///
/// # Errors
/// When Redis is away, full, or refuses to write for another reason.
pub(crate) async fn check_writable() -> Result<(), StorageError> {
    command("SET", [NEVER_KEY, "", "XX"]).await.map(drop)
}

/// Opens the connection, if there is none.
///
/// # Errors
/// When Redis is away.
pub(crate) async fn connect() -> Result<(), StorageError> {
    if KEPT.with_borrow(Option::is_none) {
        KEPT.set(Some(within_deadline(open()).await?));
    }
    Ok(())
}

/// The reply as text; other replies than text are empty.
#[must_use]
pub fn as_text(reply: &Reply) -> String {
    match reply {
        Reply::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Reply::Status(status) => status.clone(),
        Reply::Int64(number) => number.to_string(),
        Reply::Nil => String::new(),
    }
}

fn as_optional_text(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Nil => None,
        reply => Some(as_text(reply)),
    }
}

fn text(value: String) -> RedisParameter {
    RedisParameter::Binary(value.into_bytes())
}

async fn execute(command: &str, parameters: &[RedisParameter]) -> Result<Vec<Reply>, StorageError> {
    let kept = KEPT.with_borrow(Clone::clone);
    if let Some(connection) = kept {
        match on(&connection, command, parameters).await {
            // A kept connection that Redis has dropped fails for ever: drop it too, and try a new one.
            Err(StorageError::Unavailable(error)) if !is_unknown_script(&error) => forget(),
            outcome => return outcome,
        }
    }
    let connection = within_deadline(open()).await?;
    let outcome = on(&connection, command, parameters).await;
    if matches!(&outcome, Err(StorageError::Unavailable(error)) if !is_unknown_script(error)) {
        forget();
    } else {
        KEPT.set(Some(connection));
    }
    outcome
}

async fn on(connection: &Connection, command: &str, parameters: &[RedisParameter]) -> Result<Vec<Reply>, StorageError> {
    within_deadline(async {
        connection
            .execute(command, parameters.iter().cloned())
            .await
            .map_err(failure)
    })
    .await
}

async fn open() -> Result<Arc<Connection>, StorageError> {
    let url = variables::read(URL_VARIABLE)
        .await
        .map_err(|error| StorageError::Unavailable(format!("the variable {URL_VARIABLE} is not set: {error}")))?;
    let opened = Connection::open(url).await.map_err(failure);
    opened.map(Arc::new).map_err(|failure| match failure {
        StorageError::Unavailable(what) => StorageError::Unavailable(format!(
            "{what}; the variable {URL_VARIABLE} in spin.toml says where it is, and as whom to go there"
        )),
        other => other,
    })
}

fn forget() {
    KEPT.set(None);
}

async fn within_deadline<T>(work: impl Future<Output = Result<T, StorageError>>) -> Result<T, StorageError> {
    deadline::within(work)
        .await
        .unwrap_or_else(|limit_ms| Err(StorageError::Unavailable(format!("no answer within {limit_ms} ms"))))
}

fn failure(error: Error) -> StorageError {
    let text = match error {
        Error::InvalidAddress => format!(
            "its address is not allowed or not valid; see {URL_VARIABLE} and allowed_outbound_hosts in spin.toml"
        ),
        Error::TooManyConnections => "too many connections are open".to_owned(),
        Error::TypeError => "a value has another type than expected".to_owned(),
        Error::Other(text) => text,
    };
    // Spin passes on Redis's error code within the text, and not always at its start.
    if text.contains(OLD_REDIS) {
        StorageError::Unavailable(format!(
            "it does not take scripts as of Redis 7.0; run that or a later one: {text}"
        ))
    } else if text.contains("OOM") {
        StorageError::Full(text)
    } else if text.contains("WRONGTYPE") || text.contains("WrongType") {
        StorageError::Corrupt(format!("Redis holds something else than the service writes: {text}"))
    } else {
        StorageError::Unavailable(text)
    }
}

fn is_unknown_script(error: &str) -> bool {
    error.contains("NoScriptError") || error.contains("NOSCRIPT")
}
