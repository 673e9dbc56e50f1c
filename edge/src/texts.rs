//! Texts in Redis, many at a time: one MGET costs Redis a fraction of what a script or a hash per key does.

use crate::read_only_script;
use crate::redis::{Failure, Reply, Script, command};

/// Tells a key that holds nothing from one that holds no text; see the file.
static READ_TEXTS: Script = read_only_script!("read_texts.lua");

/// What [`read_texts`] found at a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// Nothing.
    Absent,
    /// Something that is no text.
    Corrupt,
    /// A text.
    Found(String),
}

/// Reads the texts at these keys.
///
/// # Errors
/// When Redis is away or refuses.
pub async fn read_texts(keys: Vec<String>) -> Result<Vec<Text>, Failure> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut texts: Vec<Text> = command("MGET", &keys).await?.into_iter().map(found).collect();
    let unseen: Vec<String> = keys
        .iter()
        .zip(&texts)
        .filter(|(_, text)| **text == Text::Absent)
        .map(|(key, _)| key.clone())
        .collect();
    if !unseen.is_empty() {
        let mut again = READ_TEXTS.run(unseen, Vec::new()).await?.into_iter();
        for text in texts.iter_mut().filter(|text| **text == Text::Absent) {
            *text = again.next().map_or(Text::Absent, found);
        }
    }
    if texts.len() == keys.len() {
        Ok(texts)
    } else {
        Err(Failure::Unavailable(
            "a reply had another length than expected".to_owned(),
        ))
    }
}

fn found(reply: Reply) -> Text {
    match reply {
        Reply::Nil => Text::Absent,
        // Bytes that are no UTF-8 are no text either.
        Reply::Binary(bytes) => String::from_utf8(bytes).map_or(Text::Corrupt, Text::Found),
        Reply::Int64(_) | Reply::Status(_) => Text::Corrupt,
    }
}
