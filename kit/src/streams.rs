//! A service's own streams over HTTP: how long they are, how far each group has come, and their dead letters.
//!
//! Only the streams that the service names are reachable, all of them in its own database: it is the one that appends
//! to them, so a replay is its own append.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use protocol::{
    DeadLetter, EntryId, GroupState, READ_STREAMS, REPLAY_DEAD_LETTERS, Replay, StreamState, WAITING_CONSUMER,
    dead_stream, parse_answer,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;

use crate::redis::{self, Reply, Script, StorageError, as_text, unexpected_reply};
use crate::web::openapi::below;
use crate::web::page::{Items, Page, PageQuery};
use crate::web::problem::{Problem, ProblemType};
use crate::web::response::json;

static READ: Script = Script::new(READ_STREAMS);
static REPLAY: Script = Script::new(REPLAY_DEAD_LETTERS);

/// A page of dead letters ends behind the one that passes this.
const PAGE_BYTES_MAX: usize = 512 * 1024;
/// Fields of one dead letter that are answered.
const FIELDS_MAX: usize = 100;
/// Bytes of a field's name or value that are answered.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// The service appends to no stream of this name.
const UNKNOWN_STREAM: ProblemType = ProblemType::new(404, "unknown_stream", "This service has no such stream");
/// The dead letter is not there, or no longer.
const UNKNOWN_DEAD_LETTER: ProblemType = ProblemType::new(404, "unknown_dead_letter", "There is no such dead letter");
/// The dead letter was kept by reference, and what it refers to is gone.
const NOTHING_TO_REPLAY: ProblemType =
    ProblemType::new(409, "nothing_to_replay", "Nothing of the original entry is left");

/// The streams that a service appends to.
#[derive(Clone, Copy)]
struct Own(&'static [&'static str]);

/// `/<service>/streams` and what is below it, for the streams that the service appends to; each route with the errors
/// that it may answer.
pub(crate) fn routes(
    service: &str,
    streams: &'static [&'static str],
) -> [(UtoipaMethodRouter, &'static [ProblemType]); 4] {
    let below = |route| -> UtoipaMethodRouter {
        let (schemas, paths, handlers) = below::<Own>(service, route);
        (schemas, paths, handlers.with_state(Own(streams)))
    };
    [
        (below(routes!(list_streams)), &[]),
        (below(routes!(list_dead_letters)), &[UNKNOWN_STREAM]),
        (
            below(routes!(replay_dead_letter)),
            &[UNKNOWN_STREAM, UNKNOWN_DEAD_LETTER, NOTHING_TO_REPLAY],
        ),
        (below(routes!(drop_dead_letter)), &[UNKNOWN_STREAM, UNKNOWN_DEAD_LETTER]),
    ]
}

/// A stream as it is answered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stream)]
struct StreamView {
    #[schema(example = "order-completed")]
    stream: &'static str,
    /// Entries in it, those that are done included, until they are trimmed.
    length: u64,
    /// Dead letters beside it, of all groups.
    dead: u64,
    groups: Vec<GroupView>,
}

/// A consumer group as it is answered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Group)]
struct GroupView {
    group: String,
    /// Entries that were never delivered to it; null where Redis does not know.
    lag: Option<u64>,
    /// Entries that were delivered and are not acknowledged.
    pending: u64,
    /// Of the pending ones, those that wait for their next attempt or for a sidecar to take them.
    waiting: u64,
    /// The age of the oldest pending one; null without one.
    oldest_pending_ms: Option<u64>,
}

impl From<GroupState> for GroupView {
    fn from(state: GroupState) -> Self {
        Self {
            group: state.group,
            lag: state.lag,
            pending: state.pending,
            waiting: state.waiting,
            oldest_pending_ms: state.oldest_pending_ms,
        }
    }
}

/// A dead letter as it is answered; what is null was not written by the sidecar.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
struct DeadLetterView {
    /// Its own id, which replaying and dropping it take.
    entry: String,
    cause: Option<String>,
    reason: Option<String>,
    attempts: Option<u64>,
    original_entry: Option<String>,
    group: Option<String>,
    at: Option<String>,
    /// The fields of the original, in its order.
    fields: Vec<FieldView>,
    /// Fields are left out or shortened.
    truncated: bool,
}

impl DeadLetterView {
    fn new(entry: String, fields: Vec<(String, String)>) -> Self {
        let letter = DeadLetter::from(fields);
        let mut truncated = letter.fields.len() > FIELDS_MAX;
        let mut shortened = |text: String| {
            truncated |= text.len() > TEXT_BYTES_MAX;
            let end = text.floor_char_boundary(TEXT_BYTES_MAX);
            text[..end].to_owned()
        };
        let fields = letter
            .fields
            .into_iter()
            .take(FIELDS_MAX)
            .map(|(name, value)| FieldView {
                name: shortened(name),
                value: shortened(value),
            });
        let fields = fields.collect();
        let header = letter.header.as_ref();
        Self {
            entry,
            cause: header.map(|header| header.cause.clone()),
            reason: header.map(|header| header.reason.clone()),
            attempts: header.and_then(|header| header.attempts.parse().ok()),
            original_entry: header.map(|header| header.entry.clone()),
            group: header.map(|header| header.group.clone()),
            at: header.map(|header| header.at.clone()),
            fields,
            truncated,
        }
    }

    fn bytes(&self) -> usize {
        self.fields
            .iter()
            .map(|field| field.name.len() + field.value.len())
            .sum()
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EntryField)]
struct FieldView {
    name: String,
    value: String,
}

/// The response to a replay.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Replay)]
struct ReplayView<'a> {
    stream: &'a str,
    /// The new entry.
    entry: String,
    /// The entry that died.
    replay_of: String,
    /// The group that gets it again.
    group: String,
}

/// The service's streams: how long each is, and how far its groups have come.
#[utoipa::path(get, path = "/streams", operation_id = "list_streams", responses(
    (status = 200, description = "All of them", body = Items<StreamView>),
))]
async fn list_streams(State(Own(streams)): State<Own>) -> Result<Response, Problem> {
    let keys = streams
        .iter()
        .flat_map(|stream| [(*stream).to_owned(), dead_stream(stream)]);
    let states: Vec<StreamState> = run(&READ, keys.collect(), vec![WAITING_CONSUMER.to_owned()]).await?;
    let items = streams.iter().zip(states).map(|(stream, state)| {
        let StreamState { length, dead, groups } = state;
        let groups = groups.into_iter().map(GroupView::from).collect();
        StreamView {
            stream,
            length,
            dead,
            groups,
        }
    });
    let (items, next_cursor) = (items.collect::<Vec<_>>(), None);
    Ok(json(StatusCode::OK, &Items { items, next_cursor }))
}

/// The dead letters beside a stream, newest first.
#[utoipa::path(get, path = "/streams/{stream}/dead", operation_id = "list_dead_letters",
    params(("stream" = String, Path, description = "One of the service's streams"), PageQuery),
    responses((status = 200, description = "A page of dead letters", body = Items<DeadLetterView>)),
)]
async fn list_dead_letters(
    State(own): State<Own>,
    Path(stream): Path<String>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    own.check(&stream)?;
    let page = Page::parse(query, check_entry)?;
    let mut from = page.after.map_or_else(|| "+".to_owned(), |entry| format!("({entry}"));
    let dead = dead_stream(&stream);
    let (mut items, mut bytes, mut next_cursor) = (Vec::<DeadLetterView>::new(), 0, None);
    // One at a time: each may be as large as an entry, and a page has its bounds.
    while let Some((entry, fields)) = read_letter(&dead, &from).await? {
        if items.len() == page.limit || bytes >= PAGE_BYTES_MAX {
            next_cursor = items.last().map(|letter| letter.entry.clone());
            break;
        }
        from = format!("({entry}");
        let letter = DeadLetterView::new(entry, fields);
        bytes += letter.bytes();
        items.push(letter);
    }
    Ok(json(StatusCode::OK, &Items { items, next_cursor }))
}

/// The dead letter at or before this id, with all of its fields.
async fn read_letter(dead: &str, from: &str) -> Result<Option<(String, Vec<(String, String)>)>, StorageError> {
    let reply = redis::command("XREVRANGE", [dead, from, "-", "COUNT", "1"]).await?;
    let mut texts = reply.iter().map(as_text);
    let Some(entry) = texts.next() else {
        return Ok(None);
    };
    let fields = std::iter::from_fn(|| Some((texts.next()?, texts.next()?)));
    Ok(Some((entry, fields.collect())))
}

/// Appends a dead letter's original to its stream again, for the group in which it died, and removes the dead letter.
#[utoipa::path(post, path = "/streams/{stream}/dead/{entry}/replay", operation_id = "replay_dead_letter",
    params(
        ("stream" = String, Path, description = "One of the service's streams"),
        ("entry" = String, Path, description = "The dead letter's own id"),
    ),
    responses((status = 200, description = "It is in its stream again", body = ReplayView)),
)]
async fn replay_dead_letter(
    State(own): State<Own>,
    Path((stream, entry)): Path<(String, String)>,
) -> Result<Response, Problem> {
    own.check(&stream)?;
    check_entry(&entry).map_err(|_| unknown_dead_letter(&stream, &entry))?;
    let keys = vec![stream.clone(), dead_stream(&stream)];
    let mut replays: Vec<Replay> = run(&REPLAY, keys, vec![entry.clone()]).await?;
    match replays.pop() {
        Some(Replay::Replayed { entry, replay_of, replay_group }) => {
            let (stream, group) = (&*stream, replay_group);
            Ok(json(StatusCode::OK, &ReplayView { stream, entry, replay_of, group }))
        }
        Some(Replay::Lost) => Err(NOTHING_TO_REPLAY.with(format!(
            "nothing of the original of the dead letter {entry} of {stream} is left, or no sidecar wrote it; it can only \
             be dropped"
        ))),
        Some(Replay::Unknown) | None => Err(unknown_dead_letter(&stream, &entry)),
    }
}

/// Removes a dead letter for good.
#[utoipa::path(delete, path = "/streams/{stream}/dead/{entry}", operation_id = "drop_dead_letter",
    params(
        ("stream" = String, Path, description = "One of the service's streams"),
        ("entry" = String, Path, description = "The dead letter's own id"),
    ),
    responses((status = 204, description = "It is gone")),
)]
async fn drop_dead_letter(
    State(own): State<Own>,
    Path((stream, entry)): Path<(String, String)>,
) -> Result<Response, Problem> {
    own.check(&stream)?;
    check_entry(&entry).map_err(|_| unknown_dead_letter(&stream, &entry))?;
    let removed = redis::command("XDEL", [dead_stream(&stream), entry.clone()]).await?;
    match removed.first() {
        Some(Reply::Int64(1)) => Ok(StatusCode::NO_CONTENT.into_response()),
        _ => Err(unknown_dead_letter(&stream, &entry)),
    }
}

/// Runs a script of the protocol.
async fn run<T: DeserializeOwned>(
    script: &Script,
    keys: Vec<String>,
    arguments: Vec<String>,
) -> Result<T, StorageError> {
    let answer = script.run(keys, arguments).await?;
    let answer = answer.first().map(as_text).unwrap_or_default();
    parse_answer(answer.as_bytes()).map_err(|_| unexpected_reply())
}

impl Own {
    /// A stranger must not read, and still less append to, any other key.
    fn check(self, stream: &str) -> Result<(), Problem> {
        if self.0.contains(&stream) {
            return Ok(());
        }
        Err(UNKNOWN_STREAM.with(format!("no stream {stream}; there are {}", self.0.join(", "))))
    }
}

fn unknown_dead_letter(stream: &str, entry: &str) -> Problem {
    UNKNOWN_DEAD_LETTER.with(format!(
        "no dead letter {entry} of {stream}; it may have been replayed or dropped before"
    ))
}

fn check_entry(entry: &str) -> Result<(), String> {
    match entry.parse::<EntryId>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("must be an entry's id such as 1764000000000-0, is {entry:?}")),
    }
}
