//! `docs/api.md` is true: its blocks are run against a fresh system, and their answers compared.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Test;
use crate::harness::System;
use crate::process::{eventually, project};
use crate::runtime::Runtime;

pub const TESTS: &[Test] = &[("the API document is true", document)];

/// If this variable is set, the answers are written into the document instead.
const WRITE: &str = "WRITE_API_DOCUMENT";
/// The address in the document.
const ADDRESS: &str = "localhost:3000";
/// Ends the output of a block.
const END: &str = "=== end of block ===";
/// Written answers are wrapped after the last comma before this column.
const COLUMNS: usize = 110;

/// Lines of a shell, and the answer that the document shows.
struct Block {
    commands: String,
    /// Its kind, `json` or `text`, and its content; `None` when there is nothing to show.
    answer: Option<(String, String)>,
}

fn document(runtime: Runtime) {
    let path = project().join("docs/api.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let blocks = blocks(&text);
    let system = System::start(runtime);
    every_route_is_there(&system, &blocks);
    let mut shell = Shell::start(&system);
    let mut written = text.clone();
    for block in &blocks {
        let Some((kind, expected)) = &block.answer else {
            shell.run(&block.commands);
            continue;
        };
        if std::env::var_os(WRITE).is_some() {
            let settled = shell.settle(block);
            let fence = |answer: &str| format!("```sh\n{}```\n```{kind}\n{answer}```\n", block.commands);
            let shown = if kind == "json" { wrap(&settled) } else { settled };
            written = written.replacen(&fence(expected), &fence(&shown), 1);
            continue;
        }
        let is_right = |answer: &str| same(kind, answer, expected);
        if changes(&block.commands) {
            let answer = shell.run(&block.commands);
            assert!(
                is_right(&answer),
                "{}\n{answer}\nbut the document says\n{expected}",
                block.commands
            );
        } else {
            let mut last = String::new();
            eventually(&format!("{} answers\n{expected}", block.commands), || {
                let answer = shell.run(&block.commands);
                if answer != last {
                    println!("{answer}");
                    last.clone_from(&answer);
                }
                is_right(&answer).then_some(())
            });
        }
    }
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path, written).unwrap();
    }
    assert!(blocks.len() > 40);
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```").filter(|kind| !kind.is_empty()) else {
            continue;
        };
        let mut body = String::new();
        for line in lines.by_ref().take_while(|line| *line != "```") {
            body += line;
            body.push('\n');
        }
        if kind == "sh" {
            blocks.push(Block {
                commands: body,
                answer: None,
            });
        } else {
            let block = blocks.last_mut().expect("an answer follows its commands");
            assert!(block.answer.is_none(), "{body}");
            block.answer = Some((kind.to_owned(), body));
        }
    }
    blocks
}

/// True for commands that change something: they run only once.
fn changes(commands: &str) -> bool {
    commands.contains(" -d ") || commands.contains(" -X ")
}

/// Every operation of both OpenAPI documents is in some block.
fn every_route_is_there(system: &System, blocks: &[Block]) {
    let mut used: Vec<(String, String)> = Vec::new();
    for line in blocks.iter().flat_map(|block| block.commands.lines()) {
        for command in line.split("curl ").skip(1) {
            let method = match command.split(" -X ").nth(1).or_else(|| command.split("-X ").nth(1)) {
                Some(rest) => rest.split(' ').next().unwrap(),
                None if command.contains(" -d ") => "POST",
                None => "GET",
            };
            let path = command.split(ADDRESS).nth(1).unwrap();
            let path = path.split([' ', '?', '\'', '"', ')']).next().unwrap();
            used.push((method.to_lowercase(), path.to_owned()));
        }
    }
    let fits = |template: &str, path: &str| {
        let (mut template, mut path) = (template.split('/'), path.split('/'));
        loop {
            match (template.next(), path.next()) {
                (None, None) => return true,
                (Some(wanted), Some(part)) if wanted.starts_with('{') || wanted == part => {}
                _ => return false,
            }
        }
    };
    for service in ["store", "warehouse"] {
        let document = system.get(&format!("/{service}/openapi.json")).json();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                let is_there = used.iter().any(|(used, of)| used == method && fits(path, of));
                assert!(is_there, "docs/api.md does not show {method} {path}");
            }
        }
    }
}

/// A shell that keeps its variables from block to block.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    address: String,
}

impl Shell {
    fn start(system: &System) -> Self {
        let mut child = Command::new("bash")
            .current_dir(system.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
            address: system.listen(),
        }
    }

    fn run(&mut self, commands: &str) -> String {
        let commands = commands.replace(ADDRESS, &self.address);
        writeln!(self.input, "{commands}\necho; echo '{END}'").unwrap();
        let mut answer = String::new();
        loop {
            let mut line = String::new();
            assert!(
                self.output.read_line(&mut line).unwrap() > 0,
                "the shell is gone: {commands}"
            );
            if line.trim_end() == END {
                break;
            }
            answer += &line;
        }
        format!("{}\n", answer.trim_end())
    }

    /// The answer once it has stayed the same for a while.
    fn settle(&mut self, block: &Block) -> String {
        let mut answer = self.run(&block.commands);
        if changes(&block.commands) {
            return answer;
        }
        let mut since = Instant::now();
        while since.elapsed() < Duration::from_secs(4) {
            let next = self.run(&block.commands);
            if next != answer {
                answer = next;
                since = Instant::now();
            }
        }
        answer
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Compares two answers, but for ids and times.
fn same(kind: &str, answer: &str, expected: &str) -> bool {
    let (answer, expected) = (stable(answer), stable(expected));
    if kind != "json" {
        return answer == expected;
    }
    match (
        serde_json::from_str::<Value>(&answer),
        serde_json::from_str::<Value>(&expected),
    ) {
        (Ok(answer), Ok(expected)) => answer == expected,
        _ => false,
    }
}

/// The text with a word for each ULID, time and stream entry's id.
fn stable(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.');
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if is_word(c) {
            word.push(c);
            continue;
        }
        out += kind_of(&word).unwrap_or(&word);
        word.clear();
        out.push(c);
    }
    out
}

fn kind_of(word: &str) -> Option<&'static str> {
    let is_ulid = word.len() == 26 && word.starts_with("01") && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_time = word.len() == 24 && word.ends_with('Z') && word.as_bytes()[10] == b'T';
    let is_entry = word.split_once('-').is_some_and(|(time, number)| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        time.len() == 13 && digits(time) && digits(number)
    });
    match (is_ulid, is_time, is_entry) {
        (true, ..) => Some("ULID"),
        (_, true, _) => Some("TIME"),
        (.., true) => Some("ENTRY"),
        _ => None,
    }
}

/// Breaks long lines after commas that are in no string.
fn wrap(answer: &str) -> String {
    let mut out = String::new();
    for line in answer.lines() {
        let (mut column, mut in_text, mut last_comma) = (0, false, None);
        let mut wrapped = String::new();
        for (place, c) in line.char_indices() {
            if c == '"' && !line[..place].ends_with('\\') {
                in_text = !in_text;
            }
            wrapped.push(c);
            column += 1;
            if c == ',' && !in_text {
                last_comma = Some(wrapped.len());
            }
            if column > COLUMNS
                && let Some(at) = last_comma.take()
            {
                column = wrapped.len() - at;
                wrapped.insert_str(at, "\n ");
            }
        }
        let _ = writeln!(out, "{wrapped}");
    }
    out
}
