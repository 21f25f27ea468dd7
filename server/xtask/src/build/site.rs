//! The site's folder: everything that the browser gets, with one content hash
//! in the names under `pkg/`, and precompressed copies beside what compresses.
//! Files that have not changed are not touched, so that a server that embeds
//! them is not built again for nothing.

use super::front::{Front, read_tree};
use super::{Mode, pictures, styles};
use crate::{Result, paths};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

/// What was assembled.
pub struct Site {
    /// Of all content; in the names under `pkg/` and in the service worker
    pub hash: String,
    /// Every file except the compressed copies
    pub files: Vec<File>,
}

/// One file and what it weighs, in bytes.
pub struct File {
    /// Path below the site's folder
    pub path: String,
    /// As it is
    pub bytes: usize,
    /// As its brotli copy, if it has one
    pub br: Option<usize>,
}

/// Writes the site, and `site.json` which lists it.
pub fn assemble(front: &Front, mode: Mode) -> Result<Site> {
    let css = styles::bundle()?;
    let mut files = Vec::new();
    let public = paths::root().join("public");
    if public.is_dir() {
        read_tree(&public, "", &mut files)?;
    }
    files.retain(|(path, _)| path != "pictures.txt");
    files.extend(pictures::pictures()?);
    let hash = hash(front, &css, &files);
    stamp(&mut files, &hash);

    let wasm_name = format!("zaijia.{hash}_bg.wasm");
    let js = front.js.replace("zaijia_bg.wasm", &wasm_name);
    files.push((format!("pkg/zaijia.{hash}.js"), js.into_bytes()));
    files.push((format!("pkg/{wasm_name}"), front.wasm.clone()));
    files.push((format!("pkg/zaijia.{hash}.css"), css.into_bytes()));
    for (path, bytes) in &front.snippets {
        files.push((format!("pkg/snippets/{path}"), bytes.clone()));
    }
    files.sort();
    write(files, hash, mode)
}

fn hash(front: &Front, css: &str, files: &[(String, Vec<u8>)]) -> String {
    let mut hasher = DefaultHasher::new();
    (&front.js, &front.wasm, &front.snippets, css, files).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The service worker names its cache by the hash.
fn stamp(files: &mut [(String, Vec<u8>)], hash: &str) {
    for (path, bytes) in files {
        if path == "sw.js" {
            *bytes = String::from_utf8_lossy(bytes).replace("__HASH__", hash).into_bytes();
        }
    }
}

fn write(files: Vec<(String, Vec<u8>)>, hash: String, mode: Mode) -> Result<Site> {
    let site = paths::site();
    fs::create_dir_all(&site)?;
    let quality = mode.brotli_quality();
    // Copies made at another quality are made again.
    let same_quality = previous(&site)["quality"].as_u64() == Some(u64::from(quality));
    let jobs = Mutex::new(files.into_iter());
    let done = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let run = || -> Result {
            loop {
                let job = jobs.lock().map_err(|_| "a writer of the site panicked")?.next();
                let Some((path, bytes)) = job else {
                    return Ok(());
                };
                let file = write_file(&site, path, &bytes, quality, same_quality)?;
                done.lock().map_err(|_| "a writer of the site panicked")?.push(file);
            }
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(run)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a writer of the site panicked")?)
    })?;
    let mut files = done.into_inner().map_err(|_| "a writer of the site panicked")?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let list: Vec<Value> =
        files.iter().map(|file| json!({ "path": file.path, "bytes": file.bytes, "br": file.br })).collect();
    let list = json!({ "hash": hash, "quality": quality, "files": list });
    write_changed(&site.join("site.json"), list.to_string().as_bytes())?;
    remove_stale(&site, &files)?;
    Ok(Site { hash, files })
}

fn previous(site: &Path) -> Value {
    let text = fs::read_to_string(site.join("site.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn write_file(site: &Path, path: String, bytes: &[u8], quality: u32, same_quality: bool) -> Result<File> {
    let file = site.join(&path);
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let changed = write_changed(&file, bytes)?;
    if !compressible(&path) {
        return Ok(File { path, bytes: bytes.len(), br: None });
    }
    let (br_path, gz_path) = (site.join(format!("{path}.br")), site.join(format!("{path}.gz")));
    if changed || !same_quality || !br_path.is_file() || !gz_path.is_file() {
        write_changed(&br_path, &brotli(bytes, quality)?)?;
        let mut gz = GzEncoder::new(Vec::new(), Compression::best());
        gz.write_all(bytes)?;
        write_changed(&gz_path, &gz.finish()?)?;
    }
    let br = usize::try_from(fs::metadata(&br_path)?.len())?;
    Ok(File { path, bytes: bytes.len(), br: Some(br) })
}

fn brotli(bytes: &[u8], quality: u32) -> Result<Vec<u8>> {
    let mut writer = brotli::CompressorWriter::new(Vec::new(), 1 << 16, quality, 22);
    writer.write_all(bytes)?;
    writer.flush()?;
    Ok(writer.into_inner())
}

/// Answers whether the file was other than `bytes`.
fn write_changed(file: &Path, bytes: &[u8]) -> Result<bool> {
    let changed = fs::read(file).ok().as_deref() != Some(bytes);
    if changed {
        fs::write(file, bytes)?;
    }
    Ok(changed)
}

fn compressible(path: &str) -> bool {
    const TEXTS: [&str; 11] = ["css", "html", "ico", "js", "json", "mjs", "svg", "txt", "wasm", "webmanifest", "xml"];
    Path::new(path).extension().is_some_and(|ext| TEXTS.iter().any(|text| ext == *text))
}

/// Removes what an earlier build left behind.
fn remove_stale(site: &Path, files: &[File]) -> Result {
    let mut wanted = BTreeSet::from(["site.json".to_owned()]);
    for File { path, br, .. } in files {
        wanted.insert(path.clone());
        if br.is_some() {
            wanted.extend([format!("{path}.br"), format!("{path}.gz")]);
        }
    }
    let mut found = Vec::new();
    read_tree(site, "", &mut found)?;
    for (path, _) in found {
        if !wanted.contains(&path) {
            fs::remove_file(site.join(path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_worker_gets_the_hash() {
        let mut files = vec![
            ("sw.js".to_owned(), b"const CACHE = 'zaijia-__HASH__';".to_vec()),
            ("a.txt".to_owned(), b"__HASH__".to_vec()),
        ];
        stamp(&mut files, "0123");
        assert_eq!(files[0].1, b"const CACHE = 'zaijia-0123';");
        assert_eq!(files[1].1, b"__HASH__");
    }

    #[test]
    fn texts_have_compressed_copies_and_pictures_do_not() {
        assert!(compressible("pkg/zaijia.0123_bg.wasm") && compressible("favicon.svg"));
        assert!(!compressible("icon-512.png") && !compressible("pic/LICENSE"));
    }
}
