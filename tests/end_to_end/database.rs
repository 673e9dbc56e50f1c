//! A private Redis: plain, or as `deploy/` configures it, with TLS and a user for each of its clients.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::port::free_port;
use crate::process::project;

/// The services, by the number of their database.
pub const SERVICES: [&str; 2] = ["store", "warehouse"];

/// A Redis's addresses and secrets.
pub struct Database {
    folder: PathBuf,
    /// The port without TLS: for the test itself, and for everybody where Redis is plain.
    port: u16,
    secured: Option<Secured>,
}

struct Secured {
    tls_port: u16,
    folder: PathBuf,
    /// The secrets that `deploy/secrets.sh` has made, by name.
    env: BTreeMap<String, String>,
}

impl Secured {
    fn new(folder: PathBuf) -> Self {
        let made = Command::new(project().join("deploy/secrets.sh"))
            .arg(&folder)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let env = std::fs::read_to_string(folder.join("env")).unwrap();
        let pair = |line: &str| {
            line.split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        Self {
            tls_port: free_port(),
            env: env.lines().filter_map(pair).collect(),
            folder,
        }
    }

    fn password(&self, user: &str) -> &str {
        &self.env[&format!("{}_REDIS_PASSWORD", user.to_uppercase())]
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

impl Database {
    /// With its files in this folder.
    pub fn new(folder: &Path, secured: bool) -> Self {
        Self {
            folder: folder.to_owned(),
            port: free_port(),
            secured: secured.then(|| Secured::new(folder.join("secrets"))),
        }
    }

    /// The command that starts it.
    pub fn command(&self, appendfsync: &str) -> Command {
        let mut command = Command::new("redis-server");
        if let Some(secured) = &self.secured {
            command.arg(project().join("deploy/redis/redis.conf"));
            command.args(["--tls-port", &secured.tls_port.to_string()]);
            command.args(["--aclfile", &secured.file("users.acl")]);
            command.args(["--tls-cert-file", &secured.file("server.crt")]);
            command.args(["--tls-key-file", &secured.file("server.key")]);
            command.args(["--tls-ca-cert-file", &secured.file("ca.crt")]);
        } else {
            command.args(["--appendonly", "yes", "--maxmemory-policy", "noeviction", "--save", ""]);
        }
        command
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--appendfsync", appendfsync])
            .arg("--dir")
            .arg(&self.folder);
        command
    }

    /// The port for the app and the sidecar, or for a proxy before it.
    pub fn clients_port(&self) -> u16 {
        self.secured.as_ref().map_or(self.port, |secured| secured.tls_port)
    }

    /// Its URL for a user with all rights, without a database.
    pub fn operator_url(&self) -> String {
        self.url_as("operator")
    }

    /// Its URL for a user of `users.acl`, without TLS and without a database.
    pub fn url_as(&self, user: &str) -> String {
        let port = self.port;
        match &self.secured {
            Some(secured) => format!("redis://{user}:{}@127.0.0.1:{port}", secured.password(user)),
            None => format!("redis://127.0.0.1:{port}"),
        }
    }

    /// The app's variables with its address, on this port.
    pub fn app_variables(&self, port: u16) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        for service in SERVICES {
            let mut set = |name: &str, value: String| {
                let service = service.to_uppercase();
                variables.push((format!("SPIN_VARIABLE_{service}_REDIS_{name}"), value));
            };
            set("HOST", format!("127.0.0.1:{port}"));
            if let Some(secured) = &self.secured {
                set("AUTH", format!("{service}:{}@", secured.password(service)));
            }
        }
        if let Some(secured) = &self.secured {
            variables.push(("SPIN_VARIABLE_REDIS_SCHEME".to_owned(), "rediss".to_owned()));
            variables.push(("SSL_CERT_FILE".to_owned(), secured.file("ca.crt")));
        }
        variables
    }

    /// The sidecar's settings with its address, on this port.
    pub fn sidecar_settings(&self, port: u16) -> Vec<(String, String)> {
        let mut settings = Vec::new();
        for service in SERVICES {
            let mut set = |name: &str, value: String| {
                let service = service.to_uppercase();
                settings.push((format!("STREAM_SIDECAR__SERVICES__{service}__{name}"), value));
            };
            match &self.secured {
                Some(secured) => {
                    let password = secured.password("sidecar");
                    set("REDIS_URL", format!("rediss://sidecar:{password}@127.0.0.1:{port}"));
                    set("CA_FILE", secured.file("ca.crt"));
                }
                None => set("REDIS_URL", format!("redis://127.0.0.1:{port}")),
            }
        }
        settings
    }
}
