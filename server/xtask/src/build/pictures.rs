//! Pictures of the goods: the icons that the demo's CSV files and
//! `public/pictures.txt` name, taken from the openly licensed package
//! `@iconify-json/fluent-emoji-flat` as SVG files of their own.

use crate::{Error, Result, paths};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const PACKAGE: &str = "node_modules/@iconify-json/fluent-emoji-flat";

/// The MIT licence, which the package only names, with its author.
const LICENSE: &str = include_str!("../../../../LICENSE-MIT");

/// The pictures as (path in the site, bytes), and their licence beside them.
pub fn pictures() -> Result<Vec<(String, Vec<u8>)>> {
    let package = paths::end2end().join(PACKAGE);
    let icons = read_json(&package.join("icons.json"))?;
    let mut missing = Vec::new();
    let mut files = Vec::new();
    for (name, place) in wanted()? {
        match svg(&icons, &name) {
            Some(svg) => files.push((format!("pic/{name}.svg"), svg.into_bytes())),
            None => missing.push(format!("{name} ({place})")),
        }
    }
    if !missing.is_empty() {
        let list = missing.join(", ");
        return Err(format!("no such picture in fluent-emoji-flat: {list}").into());
    }
    let info = read_json(&package.join("info.json"))?;
    files.push(("pic/LICENSE".into(), license(&info).into_bytes()));
    Ok(files)
}

/// What `cargo xtask journey` shows its goods by.
const JOURNEY: &str = include_str!("../journey/pictures.csv");

/// Each name once, with the first file that names it.
fn wanted() -> Result<BTreeMap<String, String>> {
    let root = paths::root();
    let mut wanted = BTreeMap::new();
    let demo = root.join("server/demo");
    if demo.is_dir() {
        let mut tables = fs::read_dir(&demo)?.collect::<std::io::Result<Vec<_>>>()?;
        tables.sort_by_key(fs::DirEntry::file_name);
        for table in tables.iter().map(fs::DirEntry::path).filter(|path| path.extension().is_some_and(|e| e == "csv")) {
            let place = table.file_name().unwrap_or_default().to_string_lossy().into_owned();
            for name in picture_column(&fs::read_to_string(&table)?) {
                wanted.entry(name).or_insert_with(|| place.clone());
            }
        }
    }
    for name in picture_column(JOURNEY).into_iter().chain(["shopping-bags".to_owned()]) {
        wanted.entry(name).or_insert_with(|| "journey/pictures.csv".into());
    }
    let list = root.join("public/pictures.txt");
    if list.is_file() {
        let text = fs::read_to_string(&list)?;
        for name in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            wanted.entry(name.to_owned()).or_insert_with(|| "public/pictures.txt".into());
        }
    }
    Ok(wanted)
}

/// The values of the column `picture`; none if there is no such column.
fn picture_column(csv: &str) -> Vec<String> {
    let mut rows = records(csv).into_iter();
    let column = rows.next().and_then(|head| head.iter().position(|name| name.trim() == "picture"));
    let Some(column) = column else {
        return Vec::new();
    };
    rows.filter_map(|row| row.get(column).map(|name| name.trim().to_owned())).filter(|name| !name.is_empty()).collect()
}

/// CSV as RFC 4180 has it: quoted fields may hold commas, lines and quotes.
fn records(csv: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut chars = csv.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            '\r' if !quoted => {}
            c => field.push(c),
        }
    }
    if !field.is_empty() || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    records
}

/// An icon of an Iconify set, or the one that it is an alias of, as a file.
fn svg(set: &Value, name: &str) -> Option<String> {
    let icon = set["icons"].get(name).or_else(|| {
        let parent = set["aliases"].get(name)?["parent"].as_str()?;
        set["icons"].get(parent)
    })?;
    let body = icon["body"].as_str()?;
    let side = |key: &str| icon[key].as_u64().or_else(|| set[key].as_u64()).unwrap_or(16);
    let (width, height) = (side("width"), side("height"));
    Some(format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">{body}</svg>"#
    ))
}

fn license(info: &Value) -> String {
    let text = |key: &str, field: &str| info[key][field].as_str().unwrap_or_default().to_owned();
    let terms = LICENSE.split_once("\n\n").map_or(LICENSE, |(_, rest)| rest);
    let terms = terms.split_once("\n\n").map_or(terms, |(_, rest)| rest);
    format!(
        "The pictures in this folder are icons of {} ({}), {} License:\n{}\n\nCopyright (c) {}\n\n{terms}",
        info["name"].as_str().unwrap_or_default(),
        text("author", "url"),
        text("license", "title"),
        text("license", "url"),
        text("author", "name"),
    )
}

fn read_json(path: &Path) -> Result<Value> {
    let named = |error: &dyn std::fmt::Display| Error::from(format!("{}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| named(&error))?;
    serde_json::from_str(&text).map_err(|error| named(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_read_from_their_column() {
        let csv = "\u{feff}code,name_en,picture\r\nA,\"Milk, \"\"whole\"\"\",glass-of-milk\r\nB,Pear,\r\nC,\"two\nlines\",pear";
        assert_eq!(picture_column(csv), ["glass-of-milk", "pear"]);
        assert!(picture_column("code,name\nA,b\n").is_empty());
    }

    #[test]
    fn an_alias_shows_its_parent() {
        let set = serde_json::json!({
            "icons": { "pear": { "body": "<path/>" } },
            "aliases": { "birne": { "parent": "pear" } },
            "width": 32, "height": 32,
        });
        let pear = svg(&set, "pear");
        assert!(pear.as_deref().is_some_and(|svg| svg.contains("viewBox=\"0 0 32 32\"><path/></svg>")));
        assert_eq!(svg(&set, "birne"), pear);
        assert_eq!(svg(&set, "apple"), None);
    }
}
