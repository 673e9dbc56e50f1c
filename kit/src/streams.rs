//! A service's own streams over HTTP: how long they are, how far each group has come, and their dead letters.
//!
//! Only the streams that the service names are reachable, all of them in its own database: it is the one that appends
//! to them, so a replay is its own append.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use delivery::WAITING_CONSUMER;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;

use crate::redis::{Reply, Script, as_text};
use crate::web::openapi::below;
use crate::web::page::{Items, Page, PageQuery};
use crate::web::problem::{CORRUPT_DATA, Problem, ProblemType};
use crate::web::response::json;
use crate::{read_only_script, script};

static READ_STREAMS: Script = read_only_script!("read_streams.lua");
static READ_DEAD_LETTERS: Script = read_only_script!("read_dead_letters.lua");
static REPLAY_DEAD_LETTER: Script = script!("replay_dead_letter.lua");
static DROP_DEAD_LETTER: Script = script!("drop_dead_letter.lua");

/// A page of dead letters ends behind the one that passes this.
const PAGE_BYTES_MAX: usize = 512 * 1024;
/// Fields of one dead letter that are answered.
const FIELDS_MAX: usize = 100;
/// Bytes of a field's name or value that are answered.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// The fields that the sidecar puts before those of the original, in this order.
const OWN_FIELDS: [&str; 6] = [
    "dead_cause",
    "dead_reason",
    "dead_attempts",
    "dead_entry",
    "dead_group",
    "dead_at",
];

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
    /// How long ago the oldest pending one was appended; null without one.
    oldest_pending_ms: Option<u64>,
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
    /// Whether fields are left out or shortened.
    truncated: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EntryField)]
struct FieldView {
    name: String,
    value: String,
}

/// What a replay answers.
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
        .flat_map(|stream| [(*stream).to_owned(), dead_key(stream)])
        .collect();
    let mut replies = Replies(
        READ_STREAMS
            .run(keys, vec![WAITING_CONSUMER.to_owned()])
            .await?
            .into_iter(),
    );
    replies.expect_word("read")?;
    let now_ms = replies.number()?;
    let mut items = Vec::with_capacity(streams.len());
    for stream in streams {
        let (length, dead, groups) = (replies.number()?, replies.number()?, replies.number()?);
        let groups = (0..groups)
            .map(|_| {
                Ok(GroupView {
                    group: replies.text()?,
                    lag: number(&replies.next()?),
                    pending: replies.number()?,
                    waiting: replies.number()?,
                    oldest_pending_ms: appended_ms(&replies.text()?).map(|ms| now_ms.saturating_sub(ms)),
                })
            })
            .collect::<Result<_, Problem>>()?;
        items.push(StreamView {
            stream,
            length,
            dead,
            groups,
        });
    }
    let next_cursor = None;
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
    let from = page.after.map_or_else(|| "+".to_owned(), |entry| format!("({entry}"));
    let arguments = [page.limit, PAGE_BYTES_MAX, FIELDS_MAX, TEXT_BYTES_MAX].map(|number| number.to_string());
    let arguments = [from].into_iter().chain(arguments).collect();
    let mut replies = Replies(
        READ_DEAD_LETTERS
            .run(vec![dead_key(&stream)], arguments)
            .await?
            .into_iter(),
    );
    replies.expect_word("read")?;
    let more = replies.number()? == 1;
    let mut items: Vec<DeadLetterView> = Vec::new();
    while let Some(entry) = replies.0.next() {
        let truncated = replies.number()? == 1;
        let values = (0..replies.number()?)
            .map(|_| replies.text())
            .collect::<Result<_, _>>()?;
        items.push(dead_letter(as_text(&entry), truncated, values));
    }
    let next_cursor = items.last().filter(|_| more).map(|letter| letter.entry.clone());
    Ok(json(StatusCode::OK, &Items { items, next_cursor }))
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
    let keys = vec![stream.clone(), dead_key(&stream)];
    let mut replies = Replies(REPLAY_DEAD_LETTER.run(keys, vec![entry.clone()]).await?.into_iter());
    match &*replies.text()? {
        "replayed" => Ok(json(
            StatusCode::OK,
            &ReplayView {
                stream: &stream,
                entry: replies.text()?,
                replay_of: replies.text()?,
                group: replies.text()?,
            },
        )),
        "unknown" => Err(unknown_dead_letter(&stream, &entry)),
        "lost" => Err(NOTHING_TO_REPLAY.with(format!(
            "nothing of the original of the dead letter {entry} of {stream} is left, or no sidecar wrote it; it can only be dropped"
        ))),
        _ => Err(CORRUPT_DATA.with(replies.text()?)),
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
    let dropped = DROP_DEAD_LETTER
        .run(vec![dead_key(&stream)], vec![entry.clone()])
        .await?;
    let mut replies = Replies(dropped.into_iter());
    match &*replies.text()? {
        "dropped" => Ok(StatusCode::NO_CONTENT.into_response()),
        "unknown" => Err(unknown_dead_letter(&stream, &entry)),
        _ => Err(CORRUPT_DATA.with(replies.text()?)),
    }
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

/// Where the sidecar puts the dead letters of a stream.
fn dead_key(stream: &str) -> String {
    format!("{stream}.dead")
}

fn unknown_dead_letter(stream: &str, entry: &str) -> Problem {
    UNKNOWN_DEAD_LETTER.with(format!(
        "no dead letter {entry} of {stream}; it may have been replayed or dropped before"
    ))
}

/// An entry's id: milliseconds, a hyphen, and a number that tells apart the entries of one millisecond.
fn check_entry(entry: &str) -> Result<(), String> {
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u64>().is_ok();
    match entry.split_once('-') {
        Some((ms, seq)) if is_number(ms) && is_number(seq) => Ok(()),
        _ => Err(format!("must be an entry's id such as 1764000000000-0, is {entry:?}")),
    }
}

/// When an entry was appended.
fn appended_ms(entry: &str) -> Option<u64> {
    entry.split_once('-')?.0.parse().ok()
}

fn dead_letter(entry: String, truncated: bool, values: Vec<String>) -> DeadLetterView {
    let mut fields: Vec<_> = values
        .chunks_exact(2)
        .map(|pair| FieldView {
            name: pair[0].clone(),
            value: pair[1].clone(),
        })
        .collect();
    let is_own = fields.len() >= OWN_FIELDS.len() && OWN_FIELDS.iter().zip(&fields).all(|(name, f)| *name == f.name);
    let mut own = if is_own {
        let rest = fields.split_off(OWN_FIELDS.len());
        std::mem::replace(&mut fields, rest)
    } else {
        Vec::new()
    }
    .into_iter()
    .map(|field| field.value);
    let (cause, reason, attempts) = (own.next(), own.next(), own.next());
    DeadLetterView {
        entry,
        cause,
        reason,
        attempts: attempts.and_then(|attempts| attempts.parse().ok()),
        original_entry: own.next(),
        group: own.next(),
        at: own.next(),
        fields,
        truncated,
    }
}

fn number(reply: &Reply) -> Option<u64> {
    match reply {
        Reply::Int64(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

/// A script's flat reply, taken apart from its start.
struct Replies(std::vec::IntoIter<Reply>);

impl Replies {
    fn next(&mut self) -> Result<Reply, Problem> {
        self.0
            .next()
            .ok_or_else(|| CORRUPT_DATA.with("a reply was shorter than expected"))
    }

    fn text(&mut self) -> Result<String, Problem> {
        self.next().map(|reply| as_text(&reply))
    }

    fn number(&mut self) -> Result<u64, Problem> {
        let reply = self.next()?;
        number(&reply).ok_or_else(|| CORRUPT_DATA.with(format!("a reply was no number: {}", as_text(&reply))))
    }

    /// The word that says that all went well; instead of it stands what is damaged.
    fn expect_word(&mut self, word: &str) -> Result<(), Problem> {
        if self.text()? == word {
            return Ok(());
        }
        Err(CORRUPT_DATA.with(self.text()?))
    }
}
