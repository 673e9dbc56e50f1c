use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::*;

const FILE: &str = r#"instance = "local"
[services.store]
redis_url = "redis://127.0.0.1:6379"
[services.warehouse]
redis_url = "redis://user:p@ss@127.0.0.1:6379"
database = 1
[routes.take-stock]
stream = "order-completed"
from = "store"
to = "warehouse"
group = "warehouse-group"
"#;

const URL: &str = r#"delivery_url = "http://h/warehouse/deliveries""#;

/// Settings of a service that gets its deliveries over HTTP.
fn http() -> String {
    format!("deliver = \"http\"\n{URL}\ndelivery_secret = \"0123456789abcdef0123456789abcdef\"")
}

fn parse(file: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let variables = variables
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()));
    Config::parse("sidecar.toml", file, variables).map_err(|err| err.0)
}

#[test]
fn defaults_fill_what_the_file_leaves_out() {
    let config = parse(FILE, &[]).unwrap();
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.admin.listen, "127.0.0.1:9900");
    let lanes: Vec<LaneName> = config.lanes("warehouse").collect();
    assert_eq!(lanes.len(), 1);
    assert_eq!(config.channel(&lanes[0]), "warehouse.1.local");
    assert_eq!(config.receipts(&lanes[0]), "receipts.warehouse.1.local");
    assert_eq!(config.consumer(&lanes[0]), "local");
}

#[test]
fn each_lane_has_names_of_its_own() {
    let file = FILE.replace("database = 1", "database = 1\nlanes = 2");
    let config = parse(&file, &[("STREAM_SIDECAR__SERVICES__STORE__CHANNEL", "here")]).unwrap();
    let lanes: Vec<LaneName> = config.lanes("warehouse").collect();
    assert_eq!(lanes.len(), 2);
    assert_eq!(config.channel(&lanes[1]), "warehouse.1.local~2");
    assert_eq!(config.receipts(&lanes[1]), "receipts.warehouse.1.local~2");
    assert_eq!(config.consumer(&lanes[1]), "local~2");
    let config = parse(&file, &[("STREAM_SIDECAR__SERVICES__WAREHOUSE__CHANNEL", "here")]).unwrap();
    assert_eq!(config.channel(&lanes[1]), "here~2");
}

#[test]
fn variables_set_every_value() {
    let config = parse(
        FILE,
        &[
            ("STREAM_SIDECAR__INSTANCE", "7"),
            ("STREAM_SIDECAR__SERVICES__STORE__REDIS_URL", "redis://elsewhere:1"),
            ("STREAM_SIDECAR__SERVICES__STORE__DATABASE", "3"),
            ("STREAM_SIDECAR__SERVICES__STORE__CHANNEL", "here"),
            ("STREAM_SIDECAR__ROUTES__TAKE_STOCK__GROUP", "other"),
            ("STREAM_SIDECAR__LIMITS__LEASE_MS", "60000"),
            ("STREAM_SIDECAR__ADMIN__LISTEN", ""),
            ("STREAM_SIDECAR__STREAMS__X__STREAM", "order-completed"),
            ("STREAM_SIDECAR__STREAMS__X__FROM", "store"),
            ("STREAM_SIDECAR__STREAMS__X__REQUIRED_GROUPS", "a, b"),
            ("STREAM_SIDECAR__SERVICES__STOR__REDIS_URL", "redis://elsewhere:1"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert_eq!(config.instance, "7");
    assert_eq!(config.services["store"].redis_url, "redis://elsewhere:1");
    assert_eq!(config.services["store"].database, 3);
    assert_eq!(config.channel(&config.lanes("store").next().unwrap()), "here");
    assert_eq!(config.routes["take-stock"].group, "other");
    assert_eq!(config.limits.lease_ms, 60_000);
    assert_eq!(config.admin.listen, "");
    assert_eq!(config.required_groups(&config.routes["take-stock"]), ["a", "b"]);
    assert_eq!(
        config.remarks(),
        ["services.stor: no route leads from it or to it: is its name right?"]
    );
}

#[test]
fn own_variables_must_be_text_and_the_rest_may_be_anything() {
    let own = |name: &[u8], value: &[u8]| {
        let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        own_variables([(text(name), text(value))])
    };
    let lease = (b"STREAM_SIDECAR__LIMITS__LEASE_MS", "STREAM_SIDECAR__LIMITS__LEASE_MS");
    assert_eq!(own(lease.0, b"1"), Ok(vec![(lease.1.to_owned(), "1".to_owned())]));
    for name in [lease.1, "STREAM_SIDECAR_LOG_FORMAT"] {
        let BadConfig(message) = own(name.as_bytes(), b"\xff").unwrap_err();
        assert_eq!(message, format!("{name}: is not UTF-8 text"));
    }
    assert!(own(b"STREAM_SIDECAR__\xff", b"1").is_err());
    for name in [&b"PATH"[..], b"\xff", b"STREAM_SIDECAR_CONFIG"] {
        assert_eq!(own(name, b"\xff"), Ok(vec![]));
    }
}

#[test]
fn errors_name_the_line_and_the_field() {
    let http = format!("deliver = \"http\"\n{URL}");
    let same_channel = "lanes = 2\n[services.other]\nredis_url = \"redis://user:p@ss@127.0.0.1:6379\"\n\
                        channel = \"warehouse.0.local~2\"";
    // A part of the file, its replacement, and the error.
    for (from, to, expected) in [
        (FILE, "", "instance"),
        ("\"local\"", "local", "line 1"),
        ("\"local\"", "\"a b\"", "sidecar.toml:1: instance: must be"),
        ("\"local\"", "\"~waiting\"", "sidecar.toml:1: instance: must be"),
        (
            "= 1",
            "= \"one\"",
            "sidecar.toml:6: services.warehouse.database: invalid type",
        ),
        (
            "group =",
            "groupe =",
            "sidecar.toml:11: routes.take-stock.groupe: unknown field",
        ),
        (
            "to = \"warehouse\"",
            "to = \"x\"",
            "sidecar.toml:10: routes.take-stock.to: there is no service",
        ),
        (
            "database = 1",
            "lanes = 17",
            "sidecar.toml:6: services.warehouse.lanes: must be 1 to 16",
        ),
        (
            "database = 1",
            same_channel,
            "services.warehouse.channel: the services `other` and `warehouse` share a channel",
        ),
        (
            "6379\"\n[",
            "6379/2\"\n[",
            "sidecar.toml:3: services.store.redis_url: must not name a database",
        ),
        (
            "6379\"\n[",
            "6379?protocol=resp3\"\n[",
            "sidecar.toml:3: services.store.redis_url: must end after the port",
        ),
        (
            "redis://127.0.0.1:6379\"\n[",
            "rediss://127.0.0.1/#insecure\"\n[",
            "sidecar.toml:3: services.store.redis_url: must end after the port",
        ),
        (
            "[routes",
            "[streams.order-complete]\nfrom = \"store\"\n[routes",
            "sidecar.toml:7: streams.order-complete: no route reads the stream `order-complete` from `store`; is \
             `order-completed` from `store` meant?",
        ),
        (
            "[routes",
            "[streams.order-completed]\nfrom = \"warehouse\"\n[routes",
            "sidecar.toml:7: streams.order-completed: no route reads the stream `order-completed` from `warehouse`; is \
             `order-completed` from `store` meant?",
        ),
        (
            "[routes",
            "[streams.x]\nfrom = \"store\"\nstream = \"y\"\n[routes",
            "sidecar.toml:9: streams.x.stream: no route reads the stream `y`",
        ),
        (
            "6379\"\n[",
            "6379\"\nx = 1\n[",
            "sidecar.toml:4: services.store.x: unknown field",
        ),
        (
            "database = 1",
            "deliver = \"http\"",
            "services.warehouse.delivery_url: must be the http:// or https:// address",
        ),
        (
            "database = 1",
            &http,
            "services.warehouse.delivery_secret: must have at least 32 characters",
        ),
    ] {
        let message = parse(&FILE.replacen(from, to, 1), &[]).expect_err(expected);
        assert!(message.contains(expected), "expected {expected:?} in {message:?}");
    }
}

#[test]
fn errors_name_the_variable() {
    for (name, value, expected) in [
        ("SERVICES__STORE__LANES", "two", "LANES: `two` is no whole"),
        (
            "LIMITS__LEASE_MS",
            "soon",
            "STREAM_SIDECAR__LIMITS__LEASE_MS: `soon` is no whole",
        ),
        (
            "LIMITS__LEASE_MS",
            "-1",
            "STREAM_SIDECAR__LIMITS__LEASE_MS: invalid value",
        ),
        ("LIMITS__LEASES", "1", "STREAM_SIDECAR__LIMITS__LEASES: unknown field"),
        ("LIMITS", "1", "STREAM_SIDECAR__LIMITS: "),
        ("INSTANCE__NAME", "1", "`instance` is a value"),
        ("", "1", "names no value"),
        (
            "LIMITS__BACKOFF_MS_MAX",
            "30001",
            "BACKOFF_MS_MAX: must be at most lease_ms",
        ),
        (
            "LIMITS__ATTEMPTS_MAX",
            "3",
            "ATTEMPTS_MAX: is too small for a batch_max of 512",
        ),
        ("LIMITS__BATCH_MAX", "0", "BATCH_MAX: must be at least 1"),
        ("LIMITS__WINDOW_BYTES", "1000", "WINDOW_BYTES: must be at least"),
        (
            "SERVICES__WAREHOUSE__DELIVER",
            "pigeon",
            "DELIVER: unknown variant `pigeon`",
        ),
    ] {
        let message = parse(FILE, &[(&format!("STREAM_SIDECAR__{name}"), value)]).expect_err(expected);
        assert!(message.contains(expected), "expected {expected:?} in {message:?}");
    }
    let large = [("STREAM_SIDECAR__LIMITS__ENTRY_BYTES_MAX", "2097152")];
    let message = parse(&FILE.replace("database = 1", &http()), &large).unwrap_err();
    assert!(
        message.contains("services.warehouse.deliver: cannot be used with entry_bytes_max"),
        "{message}"
    );
}

#[test]
fn a_service_is_delivered_to_over_http_and_its_secret_is_masked() {
    let config = parse(&FILE.replace("database = 1", &http()), &[]).unwrap();
    assert_eq!(config.services["warehouse"].deliver, Transport::Http);
    assert_eq!(config.services["store"].deliver, Transport::Redis);
    let shown = toml::to_string(&config.masked()).unwrap();
    assert!(!shown.contains("0123456789abcdef"), "{shown}");
}

#[test]
fn a_stream_is_read_once_per_group() {
    let twice = format!(
        "{FILE}[routes.again]\nstream = \"order-completed\"\nfrom = \"store\"\nto = \"store\"\ngroup = \"warehouse-group\"\n"
    );
    let message = parse(&twice, &[]).unwrap_err();
    assert!(
        message.contains("`again` and `take-stock` read the same stream"),
        "{message}"
    );
}

/// However their URLs are written.
#[test]
fn services_that_share_a_database_are_remarked_on_and_their_streams_are_the_same() {
    let second = "[services.other]\nredis_url = \"redis://127.0.0.1\"\n[routes.again]\nstream = \"order-completed\"\n\
                  from = \"other\"\nto = \"store\"\ngroup = \"more\"\n[streams.order-completed]\nfrom = \"other\"\n\
                  required_groups = [\"audit\"]\n";
    let file = format!("{FILE}{second}");
    let config = parse(&file, &[]).unwrap();
    let shared = "services.store.database: `store` and `other` share a database: do their keys differ?";
    assert_eq!(config.remarks(), [shared]);
    assert_eq!(config.required_groups(&config.routes["take-stock"]), ["audit"]);
    let message = parse(&file.replace("\"more\"", "\"warehouse-group\""), &[]).unwrap_err();
    assert!(message.contains("read the same stream for the same group"), "{message}");
}

#[test]
fn passwords_are_masked() {
    for (url, masked) in [
        ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
        ("redis://user:p@ss@host", "redis://user:***@host"),
        ("rediss://:secret@host:1", "rediss://:***@host:1"),
        ("nonsense", "nonsense"),
    ] {
        assert_eq!(mask(url), masked);
    }
}

#[test]
fn batches_shrink_to_one_by_the_fourth_attempt() {
    let limits = Limits::default();
    let caps: Vec<usize> = (1..=6).map(|attempt| limits.batch_cap(attempt)).collect();
    assert_eq!(caps, [512, 64, 8, 1, 1, 1]);
}
