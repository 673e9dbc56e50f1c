//! Answers on a kept-alive connection leave whole, so that no body waits for the client's delayed acknowledgement (40 ms).

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::Test;
use crate::harness::System;
use crate::runtime::Runtime;

pub const TESTS: &[Test] = &[("an answer's head and body leave together", together)];

/// Requests per path, one after another on one connection.
const REQUESTS: usize = 300;
/// Answers of those that may come in two parts, since other tests run beside this one.
const APART_MAX: usize = 3;

fn together(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 1_000_000);
    let order = system.order(&[("cup", 1)]);
    let body = crate::shop::order_body(&[("cup", 1)]).to_string();
    let address = system.listen();
    let gets = [
        "/store/healthz",
        "/store/nothing",
        "/warehouse/products/cup",
        "/store/orders?limit=1",
        &format!("/store/orders/{order}"),
    ]
    .map(|path| format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n"));
    let post = format!(
        "POST /store/orders HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    for request in gets.iter().chain([&post]) {
        let mut connection = TcpStream::connect(&address).unwrap();
        let apart = (0..REQUESTS).filter(|_| !comes_whole(&mut connection, request)).count();
        let what = request.lines().next().unwrap();
        assert!(
            apart <= APART_MAX,
            "{what}: {apart} of {REQUESTS} answers came in two parts"
        );
    }
}

/// Sends a request, and tells whether one read gave the whole answer. Of one that was sent in two parts, the second leaves when the
/// first was acknowledged, which the kernel puts off by 40 ms.
fn comes_whole(connection: &mut TcpStream, request: &str) -> bool {
    connection.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut reads) = (Vec::new(), 0);
    loop {
        let mut part = [0; 8_192];
        let length = connection.read(&mut part).unwrap();
        assert!(length > 0, "the connection was closed");
        answer.extend_from_slice(&part[..length]);
        reads += 1;
        if is_complete(&answer) {
            return reads == 1;
        }
    }
}

fn is_complete(answer: &[u8]) -> bool {
    let text = std::str::from_utf8(answer).unwrap();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .expect("an answer says how long it is");
    body.len() == length.parse::<usize>().unwrap()
}
