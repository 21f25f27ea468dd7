//! Workbooks (XLSX): every sheet is a table. Its cells are taken one by one as
//! they stand in the file, so that a cell far off to the right or below costs no
//! more than itself.

use super::report::{Bad, Reason};
use super::table::{Kind, Source, Table, columns_of, digest, kind_of, unreadable};
use crate::{Error, Result};
use calamine::{Data, Reader, Xlsx, XlsxError};
use csv::StringRecord;
use domain::{Code, UserError};
use std::collections::HashMap;
use std::io::{Cursor, Read, Write};
use zip::ZipArchive;

/// Cells of a row that are looked at.
const WIDEST: usize = 256;
/// Bytes that a workbook may unpack to: its texts are kept in memory while it is read.
const UNPACKED_MAX: u64 = 1024 * 1024 * 1024;

/// Reads the tables of a workbook, one a sheet; empty sheets are left out.
///
/// # Errors
/// `unreadable` if it is no workbook, or a sheet's kind is not recognised; `too_large` if
/// it unpacks to more than a gigabyte.
pub(super) fn read(source: &Source) -> Result<Vec<Table>> {
    // The reader's arithmetic gives up on some broken workbooks by a panic.
    std::panic::catch_unwind(|| read_book(source)).unwrap_or_else(|_| Err(unreadable(&source.name, "broken")))
}

fn read_book(source: &Source) -> Result<Vec<Table>> {
    let unread = |error: XlsxError| unreadable(&source.name, error);
    if !unpacks_to(&source.bytes, UNPACKED_MAX) {
        let error = UserError::new(Code::TooLarge).with("file", &source.name).with("max", UNPACKED_MAX);
        return Err(Error::User(error));
    }
    let mut book = Xlsx::new(Cursor::new(source.bytes.as_slice())).map_err(unread)?;
    let names = book.sheet_names();
    let mut tables = Vec::new();
    for sheet in &names {
        let mut reading = Reading { source, sheet, alone: names.len() == 1, table: None, row: None, error: None };
        let mut cells = book.worksheet_cells_reader(sheet).map_err(unread)?;
        while let Some(cell) = cells.next_cell().map_err(unread)? {
            reading.take(cell.get_position(), &Data::from(cell.get_value().clone()))?;
        }
        tables.extend(reading.end()?);
    }
    if tables.is_empty() { Err(unreadable(&source.name, "empty")) } else { Ok(tables) }
}

/// Does a workbook unpack to at most so many bytes, all parts together? It is
/// unpacked to find out: what its parts say of their sizes may be wrong. What
/// cannot be unpacked counts as nothing; whoever reads it says why.
fn unpacks_to(bytes: &[u8], max: u64) -> bool {
    let Ok(mut archive) = ZipArchive::new(Cursor::new(bytes)) else { return true };
    let mut sum = Counted(0);
    for no in 0..archive.len() {
        let Ok(part) = archive.by_index(no) else { continue };
        // A part that breaks off counts as far as it went.
        let _ = std::io::copy(&mut part.take(max + 1 - sum.0), &mut sum);
        if sum.0 > max {
            return false;
        }
    }
    true
}

/// Counts what is written to it.
struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A sheet in hand.
struct Reading<'a> {
    source: &'a Source,
    sheet: &'a str,
    /// The only sheet may take its kind from the file's name.
    alone: bool,
    /// The table and its width, once the header has been read.
    table: Option<(Table, usize)>,
    /// The row in hand and its cells so far.
    row: Option<(u32, Vec<String>)>,
    /// The first of that row's cells that is an error such as #N/A: its column, and which it is.
    error: Option<(&'static str, String)>,
}

impl Reading<'_> {
    /// Takes the next cell in.
    fn take(&mut self, (row, column): (u32, u32), cell: &Data) -> Result<()> {
        let width = self.table.as_ref().map_or(WIDEST, |(_, width)| *width);
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        if matches!(cell, Data::Empty) || column >= width {
            return Ok(());
        }
        match &self.row {
            Some((current, _)) if *current == row => {}
            Some((current, _)) if *current > row => return Err(unreadable(&self.source.name, "order of rows")),
            _ => {
                self.finish_row()?;
                self.row = Some((row, Vec::new()));
            }
        }
        if let Data::Error(error) = cell
            && self.error.is_none()
            && let Some(name) = self.table.as_ref().and_then(|(table, _)| table.column_at(column))
        {
            self.error = Some((name, error.to_string()));
        }
        if let Some((_, cells)) = &mut self.row {
            if cells.len() <= column {
                cells.resize(column + 1, String::new());
            }
            cells[column] = text_of(cell);
        }
        Ok(())
    }

    /// The row in hand is whole: it is the header, or one of the table's.
    fn finish_row(&mut self) -> Result<()> {
        let Some((row, mut cells)) = self.row.take() else { return Ok(()) };
        let (line, error) = (u64::from(row) + 1, self.error.take());
        match &mut self.table {
            None => {
                let columns = columns_of(cells.iter().map(String::as_str));
                self.table = Some((self.table_of(columns)?, cells.len()));
            }
            // What a formula could not tell is not empty.
            Some((table, width)) => {
                if let Some((column, value)) = error {
                    table.bad.push(Bad::new(line, column, Reason::ErrorCell { value }));
                } else {
                    cells.resize(*width, String::new());
                    table.push(line, StringRecord::from(cells), *width);
                }
            }
        }
        Ok(())
    }

    fn table_of(&self, columns: HashMap<String, usize>) -> Result<Table> {
        let Self { source, sheet, alone, .. } = self;
        let named = format!("{} [{sheet}]", source.name);
        let name = if *alone { source.name.clone() } else { format!("{}.sheet", sheet.trim()) };
        let kind: Kind = kind_of(&name, &columns).map_err(|_: Error| unreadable(&named, "kind"))?;
        Ok(Table {
            file: if *alone { source.name.clone() } else { named },
            kind,
            columns,
            rows: Vec::new(),
            bad: Vec::new(),
            digest: digest(&[&source.bytes, sheet.as_bytes()].concat()),
        })
    }

    fn end(mut self) -> Result<Option<Table>> {
        self.finish_row()?;
        Ok(self.table.map(|(table, _)| table))
    }
}

/// A cell as text: whole numbers without a decimal point, dates as local time.
fn text_of(cell: &Data) -> String {
    match cell {
        Data::Empty | Data::Error(_) => String::new(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Int(n) => n.to_string(),
        Data::Float(n) => rust_decimal::Decimal::from_f64_retain(*n)
            .map_or_else(|| n.to_string(), |d| d.round_dp(6).normalize().to_string()),
        Data::Bool(yes) => i32::from(*yes).to_string(),
        Data::DateTime(at) => {
            let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
            if at.as_f64() < 1.0 {
                format!("{hour:02}:{minute:02}")
            } else {
                format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zip::write::{SimpleFileOptions, ZipWriter};

    #[test]
    fn a_workbook_that_unpacks_to_too_much_is_not_read() {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for part in ["xl/sharedStrings.xml", "xl/worksheets/sheet1.xml"] {
            zip.start_file(part, SimpleFileOptions::default()).expect("a part");
            zip.write_all(&b" ".repeat(100_000)).expect("its text");
        }
        let bytes = zip.finish().expect("an archive").into_inner();
        assert!(bytes.len() < 2_000, "{} bytes", bytes.len());
        assert!(unpacks_to(&bytes, 200_000));
        assert!(!unpacks_to(&bytes, 199_999), "both parts count");
        assert!(!unpacks_to(&bytes, 0));
        assert!(unpacks_to(b"no archive", 0));
    }
}
