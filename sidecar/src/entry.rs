//! Stream entries as they reach the sidecar, before anything is decided about them.

pub use protocol::EntryId;
use protocol::Fields;

/// An entry that has just become this sidecar's, by a read or by a claim.
#[derive(Debug)]
pub struct Entry {
    pub id: EntryId,
    /// The delivery counter: which attempt comes next, from 1.
    pub attempt: u32,
    /// The only group that is meant, if the entry is the replay of a dead letter.
    pub replay_group: Option<String>,
    pub body: Body,
}

/// The content of an entry, as far as it can be delivered.
#[derive(Debug)]
pub enum Body {
    /// Text throughout: the fields, untouched, and how much of a message the entry takes, in bytes of JSON.
    Text { fields: Fields<'static>, bytes: usize },
    /// This field is not UTF-8, so that JSON cannot carry it; what is not text in its name is replaced.
    NotText { field: String },
    /// Over `entry_bytes_max`; it was not even fetched if that could be helped.
    TooLarge { bytes: usize },
    /// Pending, but no longer in the stream.
    Deleted,
}

impl Body {
    pub fn from_raw(raw: Vec<(Vec<u8>, Vec<u8>)>, entry_bytes_max: usize) -> Self {
        // 80 bytes cover an entry's own names, id, attempt and punctuation.
        let mut bytes = 80;
        let mut fields = Vec::with_capacity(raw.len());
        let mut not_text = None;
        for (name, value) in raw {
            bytes += json_len(&name) + json_len(&value) + 6;
            match (String::from_utf8(name), String::from_utf8(value)) {
                (Ok(name), Ok(value)) => fields.push((name.into(), value.into())),
                (Ok(name), Err(_)) => not_text = Some(name),
                (Err(name), _) => {
                    not_text = Some(String::from_utf8_lossy(name.as_bytes()).into_owned());
                }
            }
        }
        if bytes > entry_bytes_max {
            Self::TooLarge { bytes }
        } else if let Some(field) = not_text {
            Self::NotText { field }
        } else {
            Self::Text {
                fields: Fields(fields),
                bytes,
            }
        }
    }
}

/// The length of a string within JSON quotes: escapes can make an entry several times larger than it looks.
fn json_len(text: &[u8]) -> usize {
    text.iter()
        .map(|&byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
            0x00..=0x1f => 6,
            _ => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_knows_its_size_as_json_at_least() {
        let raw = vec![(b"na\"me".to_vec(), "v\u{1}\n\\ä".as_bytes().to_vec())];
        let Body::Text { fields, bytes } = Body::from_raw(raw, 1000) else {
            panic!("text");
        };
        let entry = protocol::Entry {
            entry: "1764000000000-0".into(),
            attempt: 1,
            fields,
        };
        let json = serde_json::to_string(&entry).unwrap();
        assert!(
            bytes >= json.len() && bytes < json.len() + 40,
            "{bytes} for {}",
            json.len()
        );
    }

    #[test]
    fn what_is_not_text_names_its_field() {
        let raw = vec![(b"ok".to_vec(), b"x".to_vec()), (b"blob".to_vec(), vec![0xff])];
        assert!(matches!(Body::from_raw(raw, 1000), Body::NotText { field } if field == "blob"));
        let raw = vec![(vec![b'k', 0xff], b"x".to_vec())];
        assert!(matches!(Body::from_raw(raw, 1000), Body::NotText { field } if field == "k\u{fffd}"));
    }

    #[test]
    fn what_is_too_large_says_how_large() {
        let raw = vec![(b"data".to_vec(), vec![b'x'; 2000])];
        assert!(matches!(Body::from_raw(raw, 1000), Body::TooLarge { bytes } if bytes > 2000));
    }
}
