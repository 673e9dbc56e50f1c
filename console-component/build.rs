//! Embeds the folder `page` into the component: every file plain and compressed, under a path with a hash of all files.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;

/// The page; the other files are its assets.
const INDEX: &str = "index.html";
const HASH_CHARS: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=page");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for file in fs::read_dir("page")? {
        let file = file?;
        let name = file
            .file_name()
            .into_string()
            .map_err(|_| "a file name that is not UTF-8")?;
        files.push((name, fs::read(file.path())?));
    }
    files.sort();

    let mut hash = sha1_smol::Sha1::new();
    for (name, content) in &files {
        hash.update(name.as_bytes());
        hash.update(&content.len().to_le_bytes());
        hash.update(content);
    }
    let folder = format!("/assets/{}", &hash.hexdigest()[..HASH_CHARS]);

    // Without preloads the browser would find the modules one after the other, by their imports.
    let mut preloads = String::new();
    for (name, _) in files.iter().filter(|(name, _)| extension(name) == "js") {
        write!(preloads, "<link rel=\"modulepreload\" href=\"{folder}/{name}\">")?;
    }

    let mut code = String::from("static FILES: &[File] = &[\n");
    for (name, mut content) in files {
        let is_index = name == INDEX;
        let mut path = format!("{folder}/{name}");
        if is_index {
            path = "/".to_owned();
            let text = String::from_utf8(content)?;
            content = text
                .replace("{{assets}}", &folder)
                .replace("{{preloads}}", &preloads)
                .into_bytes();
        }
        fs::write(out.join(&name), &content)?;
        fs::write(out.join(format!("{name}.gz")), gzip(&content)?)?;
        writeln!(
            code,
            "File {{ path: {path:?}, media_type: {:?}, immutable: {}, etag: \"\\\"{}\\\"\", \
             plain: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}\")), \
             gzip: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.gz\")) }},",
            media_type(&name)?,
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
