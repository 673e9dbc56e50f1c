//! The connection to the service's own Redis, and scripts run on it.
//!
//! **Every command and every script that goes through here may be run twice with the same arguments**: a connection
//! that broke says nothing about whether the server had done the work, so it is done again on a new one.

use std::cell::RefCell;
use std::sync::Arc;

pub use spin_sdk::redis::RedisResult as Reply;
use spin_sdk::redis::{Connection, Error, RedisParameter};

use crate::deadline;
use crate::problem::{CORRUPT_DATA, Problem, STORAGE_FULL, STORAGE_UNAVAILABLE};
use crate::{read_only_script, setting};

/// The component's variable that holds the URL of its Redis database.
const URL_VARIABLE: &str = "redis_url";

thread_local! {
    /// Kept across the requests of an instance: opening one costs more than most commands.
    static KEPT: RefCell<Option<Arc<Connection>>> = const { RefCell::new(None) };
}

/// Why Redis could not do what was asked. Nothing was done by halves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Redis is away, too slow, or refuses: what it said.
    Unavailable(String),
    /// Redis is out of memory and refuses writes: what it said.
    Full(String),
    /// A key holds something else than the service writes there: what Redis said.
    WrongType(String),
}

impl Failure {
    /// The failure in words for a person who operates the service.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Unavailable(what) => format!("Redis is unavailable: {what}"),
            Self::Full(what) => format!("Redis is full; raise maxmemory or remove data: {what}"),
            Self::WrongType(what) => format!("Redis holds something else than the service writes: {what}"),
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unavailable(_) => STORAGE_UNAVAILABLE.with(failure.reason()),
            Failure::Full(_) => STORAGE_FULL.with(failure.reason()),
            Failure::WrongType(_) => CORRUPT_DATA.with(failure.reason()),
        }
    }
}

/// Reads fields of many hashes in one step; see the file.
static READ_HASHES: Script = read_only_script!("read_hashes.lua");

/// What a Redis that does not know the first lines of scripts says of them.
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

/// What both are made of.
#[doc(hidden)]
#[macro_export]
macro_rules! script_with_first_line {
    ($first_line:literal, $($file:literal),+) => {
        $crate::redis::Script::new(concat!(
            $first_line,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../edge/src/prelude.lua")),
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
    pub async fn run(&self, keys: Vec<String>, arguments: Vec<String>) -> Result<Vec<Reply>, Failure> {
        let count = i64::try_from(keys.len()).unwrap_or(i64::MAX);
        let mut parameters = Vec::with_capacity(2 + keys.len() + arguments.len());
        parameters.push(RedisParameter::Binary(self.sha1.to_vec()));
        parameters.push(RedisParameter::Int64(count));
        parameters.extend(keys.into_iter().chain(arguments).map(text));
        match execute("EVALSHA", &parameters).await {
            Err(Failure::Unavailable(error)) if is_unknown_script(&error) => {
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

/// What [`read_hashes`] found at a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hash {
    /// Nothing.
    Absent,
    /// Something that is no hash.
    Corrupt,
    /// A hash: the value of each field that was asked for.
    Fields(Vec<Option<String>>),
}

/// Reads the same fields of many hashes in one step.
///
/// # Errors
/// When Redis is away or refuses.
pub async fn read_hashes(keys: Vec<String>, fields: &[&str]) -> Result<Vec<Hash>, Failure> {
    let count = keys.len();
    if count == 0 {
        return Ok(Vec::new());
    }
    let names = fields.iter().map(ToString::to_string).collect();
    let replies = READ_HASHES.run(keys, names).await?;
    // The lists arrive as one.
    let hashes: Vec<_> = replies
        .chunks_exact(fields.len())
        .map(|values| match values {
            [Reply::Int64(_), ..] => Hash::Corrupt,
            values if values.iter().all(|value| *value == Reply::Nil) => Hash::Absent,
            values => Hash::Fields(values.iter().map(as_optional_text).collect()),
        })
        .collect();
    if hashes.len() == count {
        Ok(hashes)
    } else {
        Err(Failure::Unavailable(
            "a reply had another length than expected".to_owned(),
        ))
    }
}

/// Runs one command. Nested replies arrive flattened.
///
/// # Errors
/// When Redis is away, full, or refuses the command.
pub async fn command<A: Into<String>>(
    name: &str,
    arguments: impl IntoIterator<Item = A>,
) -> Result<Vec<Reply>, Failure> {
    let parameters: Vec<_> = arguments.into_iter().map(|argument| text(argument.into())).collect();
    execute(name, &parameters).await
}

/// Opens the connection, if there is none.
///
/// # Errors
/// When Redis is away.
pub(crate) async fn connect() -> Result<(), Failure> {
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

async fn execute(command: &str, parameters: &[RedisParameter]) -> Result<Vec<Reply>, Failure> {
    let kept = KEPT.with_borrow(Clone::clone);
    if let Some(connection) = kept {
        match on(&connection, command, parameters).await {
            // A kept connection that Redis has dropped fails for ever: drop it too, and try a new one.
            Err(Failure::Unavailable(error)) if !is_unknown_script(&error) => forget(),
            outcome => return outcome,
        }
    }
    let connection = within_deadline(open()).await?;
    let outcome = on(&connection, command, parameters).await;
    if matches!(&outcome, Err(Failure::Unavailable(error)) if !is_unknown_script(error)) {
        forget();
    } else {
        KEPT.set(Some(connection));
    }
    outcome
}

async fn on(connection: &Connection, command: &str, parameters: &[RedisParameter]) -> Result<Vec<Reply>, Failure> {
    within_deadline(async {
        connection
            .execute(command, parameters.iter().cloned())
            .await
            .map_err(failure)
    })
    .await
}

async fn open() -> Result<Arc<Connection>, Failure> {
    let url = setting::read(URL_VARIABLE)
        .await
        .map_err(|error| Failure::Unavailable(format!("the variable {URL_VARIABLE} is not set: {error}")))?;
    let opened = Connection::open(url).await.map_err(failure);
    opened.map(Arc::new).map_err(|failure| match failure {
        Failure::Unavailable(what) => Failure::Unavailable(format!(
            "{what}; the variable {URL_VARIABLE} in spin.toml says where it is, and as whom to go there"
        )),
        other => other,
    })
}

fn forget() {
    KEPT.set(None);
}

async fn within_deadline<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    deadline::within(work)
        .await
        .unwrap_or_else(|limit_ms| Err(Failure::Unavailable(format!("no answer within {limit_ms} ms"))))
}

fn failure(error: Error) -> Failure {
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
        Failure::Unavailable(format!(
            "it does not take scripts as of Redis 7.0; run that or a later one: {text}"
        ))
    } else if text.contains("OOM") {
        Failure::Full(text)
    } else if text.contains("WRONGTYPE") || text.contains("WrongType") {
        Failure::WrongType(text)
    } else {
        Failure::Unavailable(text)
    }
}

fn is_unknown_script(error: &str) -> bool {
    error.contains("NoScriptError") || error.contains("NOSCRIPT")
}
