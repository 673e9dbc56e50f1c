//! Packs the folder `page` into the component: every file under a name with a hash of all of them, plain and compressed.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;

/// The document; the other files are its assets.
const INDEX: &str = "index.html";
/// Characters of the hash in the names.
const HASH_CHARS: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=page");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for file in fs::read_dir("page")? {
        let path = file?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or("a name that is no text")?;
        files.push((name.to_owned(), fs::read(&path)?));
    }
    files.sort();

    let mut hash = sha1_smol::Sha1::new();
    for (name, content) in &files {
        hash.update(name.as_bytes());
        hash.update(&content.len().to_le_bytes());
        hash.update(content);
    }
    let folder = format!("/assets/{}", &hash.hexdigest()[..HASH_CHARS]);

    // Modules import each other; named here, they are all fetched at once.
    let mut preloads = String::new();
    for (name, _) in files.iter().filter(|(name, _)| is_module(name)) {
        write!(preloads, "<link rel=\"modulepreload\" href=\"{folder}/{name}\">")?;
    }

    let mut code = String::from("static FILES: &[File] = &[\n");
    for (name, content) in &files {
        let is_index = name == INDEX;
        let content = if is_index {
            let text = std::str::from_utf8(content)?;
            text.replace("{{assets}}", &folder)
                .replace("{{preloads}}", &preloads)
                .into_bytes()
        } else {
            content.clone()
        };
        let path = if is_index {
            "/".to_owned()
        } else {
            format!("{folder}/{name}")
        };
        fs::write(out.join(name), &content)?;
        fs::write(out.join(format!("{name}.gz")), gzip(&content)?)?;
        writeln!(
            code,
            "File {{ path: {path:?}, media_type: {:?}, immutable: {}, etag: \"\\\"{}\\\"\", \
             plain: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}\")), \
             gzip: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.gz\")) }},",
            media_type(name)?,
            !is_index,
            &sha1_smol::Sha1::from(&content).hexdigest()[..HASH_CHARS],
        )?;
    }
    code += "];\n";
    fs::write(out.join("files.rs"), code)?;
    Ok(())
}

fn extension(name: &str) -> &str {
    Path::new(name)
        .extension()
        .and_then(|end| end.to_str())
        .unwrap_or_default()
}

fn is_module(name: &str) -> bool {
    extension(name) == "js"
}

fn media_type(name: &str) -> Result<&'static str, String> {
    match extension(name) {
        "html" => Ok("text/html; charset=utf-8"),
        "css" => Ok("text/css; charset=utf-8"),
        "js" => Ok("text/javascript; charset=utf-8"),
        "svg" => Ok("image/svg+xml"),
        _ => Err(format!("page/{name}: its media type is not known; add it to build.rs")),
    }
}

fn gzip(content: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    encoder.finish()
}
