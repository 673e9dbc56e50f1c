/// Rows of cells under headings, in aligned columns.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(headings: &[&str]) -> Self {
        Self {
            rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()],
        }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(super) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&format!("{cell:<width$}  "));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// A duration as a person would say it: `850ms`, `12s`, `3m`, `5h`, `2d`.
pub(super) fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..120_000 => format!("{}s", ms / 1_000),
        120_000..7_200_000 => format!("{}m", ms / 60_000),
        7_200_000..172_800_000 => format!("{}h", ms / 3_600_000),
        _ => format!("{}d", ms / 86_400_000),
    }
}

/// Reads `90s`, `15m`, `2h` or `7d` as milliseconds.
///
/// # Errors
///
/// Says what is expected.
pub(super) fn parse_duration(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no duration such as 90s, 15m, 2h or 7d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let factor = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    number.checked_mul(factor).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&["A", "LONG"]);
        table.row(vec!["äöü".into(), "1".into()]);
        assert_eq!(table.render(), "A    LONG\näöü  1\n");
    }

    #[test]
    fn durations_are_read_and_written() {
        for (text, ms) in [
            ("90s", 90_000),
            ("15m", 900_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(parse_duration(text), Ok(ms));
        }
        for wrong in ["", "s", "5", "5w", "-1s", "1.5h", "99999999999999999999d", "ä"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
        for (ms, text) in [
            (850, "850ms"),
            (90_000, "90s"),
            (900_000, "15m"),
            (7_200_000, "2h"),
            (604_800_000, "7d"),
        ] {
            assert_eq!(duration(ms), text);
        }
    }
}
