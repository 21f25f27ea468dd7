//! Import files: CSV in UTF-8, GBK or neither; workbooks, whole or as the text
//! of one sheet. All are rehearsed, some are written.

use crate::world::{Kept, World};
use domain::Code;
use service::Error;
use service::import::{ImportOptions, ImportReport, Kind};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::rc::Rc;
use zip::write::SimpleFileOptions;

/// What is read back from a database that nothing writes to needs no renewal.
const INPUTS: u32 = u32::MAX;
/// One that imports are written to does.
const WRITTEN: u32 = 50;
/// One of so many files with rows to write is imported in earnest.
const IN_EARNEST: u8 = 8;

thread_local! {
    static WORLD: Kept<World> = const { Kept::for_inputs(INPUTS) };
    static TO_WRITE_TO: Kept<World> = const { Kept::for_inputs(WRITTEN) };
}

fn world() -> Rc<World> {
    WORLD.with(|world| world.get(World::new))
}

/// A CSV file: the first byte says of which kind, by its name or by its header.
pub fn import(data: &[u8]) {
    let Some((&choice, bytes)) = data.split_first() else { return };
    let kind = Kind::ALL.get(usize::from(choice % 9)).map_or("unknown", |kind| kind.as_str());
    rehearse(&format!("{kind}.csv"), bytes);
}

/// A workbook: the first byte says of which kind and form. Most are the text of
/// the first sheet, in an envelope that holds; else all bytes are the file's.
pub fn workbook(data: &[u8]) {
    let Some((&choice, bytes)) = data.split_first() else { return };
    let kind = Kind::ALL[usize::from(choice % 8)].as_str();
    let whole = choice >= 64;
    rehearse(&format!("{kind}.xlsx"), &if whole { bytes.to_vec() } else { envelope(bytes) });
}

/// Imports it twice without writing: both say the same, and each row is
/// accounted for once. Some are then written to another shop.
fn rehearse(name: &str, bytes: &[u8]) {
    let world = world();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(name);
    std::fs::write(&file, bytes).expect("a file");
    let Some(report) = dry_run(&world, &file) else { return };
    assert!(report.dry_run && report.files.len() <= 100);
    for file in &report.files {
        let bad = file.bad.len() as u64;
        assert_eq!(file.new + file.changed + file.unchanged + bad, file.rows, "each row once: {file:#?}");
        assert!(file.bad.is_sorted_by_key(|bad| bad.line));
        let mut lines: BTreeMap<u64, usize> = BTreeMap::new();
        for bad in &file.bad {
            assert!(bad.line > 1, "the header is no row: {bad:?}");
            assert!(!bad.zh.is_empty() && !bad.en.is_empty());
            *lines.entry(bad.line).or_default() += 1;
        }
        assert!(lines.values().all(|times| *times == 1), "a row is named once: {:#?}", file.bad);
    }
    let again = dry_run(&world, &file).expect("it was read once");
    let writes = report.written() > 0;
    assert_eq!(said(report), said(again), "nothing was written");
    if writes && bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) % IN_EARNEST == 0 {
        write(&file);
    }
}

/// Imports it in earnest: what the rehearsal said becomes of each row, and
/// nothing more is left to do. The books stay right.
fn write(file: &Path) {
    let world = TO_WRITE_TO.with(|world| world.get(World::on_postgres));
    let rehearsed = dry_run(&world, file).expect("it was read before");
    let done = import_file(&world, file, false).expect("it was read before");
    assert_eq!(said(rehearsed), said(ImportReport { dry_run: true, ..done }), "as rehearsed");
    let again = dry_run(&world, file).expect("it was read before");
    assert_eq!(again.written(), 0, "the same file twice changes nothing: {again:#?}");
    world.check();
}

/// The report, but for the time it took.
fn said(mut report: ImportReport) -> ImportReport {
    report.files.iter_mut().for_each(|file| file.took_ms = 0);
    report
}

fn dry_run(world: &World, file: &Path) -> Option<ImportReport> {
    import_file(world, file, true)
}

fn import_file(world: &World, file: &Path, dry_run: bool) -> Option<ImportReport> {
    let options = ImportOptions { dry_run, from_now: false };
    match world.run(async || world.shop.import_dir(file, options, &|_| ()).await) {
        Ok(report) => Some(report),
        Err(Error::User(error)) if matches!(error.code, Code::Unreadable | Code::TooLarge) => None,
        Err(error) => panic!("neither a report nor a file that cannot be read: {error:?}"),
    }
}

/// The smallest workbook around a sheet's text.
fn envelope(sheet: &[u8]) -> Vec<u8> {
    const PARTS: [(&str, &[u8]); 4] = [
        (
            "_rels/.rels",
            br#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
        ),
        (
            "xl/_rels/workbook.xml.rels",
            br#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#,
        ),
        (
            "xl/workbook.xml",
            br#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="s" sheetId="1" r:id="r1"/></sheets></workbook>"#,
        ),
        (
            "xl/styles.xml",
            br#"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="22"/><xf numFmtId="20"/></cellXfs></styleSheet>"#,
        ),
    ];
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, text) in PARTS.into_iter().chain([("xl/worksheets/sheet1.xml", sheet)]) {
        zip.start_file(name, stored).expect("a part");
        zip.write_all(text).expect("its text");
    }
    zip.finish().expect("a workbook").into_inner()
}
