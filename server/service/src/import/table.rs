//! Reading files into tables: CSV in UTF-8 or GBK, XLSX.

use super::report::{Bad, Reason};
use crate::{Error, Result};
use calamine::{Data, Reader, Sheets};
use csv::StringRecord;
use domain::{Code, UserError};
use std::collections::HashMap;
use std::io::Cursor;

/// What a file holds, in the order in which files are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Stores.
    Stores,
    /// Templates of delivery slots.
    Slots,
    /// The category tree.
    Categories,
    /// SKUs.
    Skus,
    /// Stock levels and hand counts.
    Stock,
    /// Till sales of past days.
    Sales,
    /// Offers.
    Offers,
    /// Banners.
    Banners,
}

impl Kind {
    /// Every kind, in the order of application.
    pub const ALL: [Self; 8] = [
        Self::Stores,
        Self::Slots,
        Self::Categories,
        Self::Skus,
        Self::Stock,
        Self::Sales,
        Self::Offers,
        Self::Banners,
    ];

    /// The word in file names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stores => "stores",
            Self::Slots => "slots",
            Self::Categories => "categories",
            Self::Skus => "skus",
            Self::Stock => "stock",
            Self::Sales => "sales",
            Self::Offers => "offers",
            Self::Banners => "banners",
        }
    }

    /// Columns without which a file of this kind cannot be read.
    pub(super) const fn required(self) -> &'static [&'static str] {
        match self {
            Self::Stores => {
                &["code", "name_zh", "name_en", "zone", "opens", "closes", "delivery_radius_m", "delivery_fee"]
            }
            Self::Slots => &["store", "kind", "weekdays", "start", "end", "capacity"],
            Self::Categories => &["code", "parent", "name_zh", "name_en", "count_holds"],
            Self::Skus => &["code", "name_zh", "category", "pack_size", "price"],
            Self::Stock => &["store", "pool", "on_hand", "as_of"],
            Self::Sales => &["store", "sku", "sold_at", "quantity"],
            Self::Offers => &["code", "kind", "name_zh", "name_en", "scope", "starts", "ends"],
            Self::Banners => &["code", "title_zh", "title_en", "link"],
        }
    }

    fn by_name(name: &str) -> Option<Self> {
        let stem = name.rsplit(['/', '\\']).next()?.split('.').next()?.to_ascii_lowercase();
        Self::ALL.into_iter().find(|kind| stem.starts_with(kind.as_str()))
    }

    fn by_header(columns: &HashMap<String, usize>) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.required().iter().all(|c| columns.contains_key(*c)))
    }
}

/// A table: a header and its rows, each with its line in the file.
#[derive(Debug)]
pub(super) struct Table {
    pub file: String,
    pub kind: Kind,
    pub columns: HashMap<String, usize>,
    pub rows: Vec<(u64, StringRecord)>,
    /// Rows that could not even be split into cells.
    pub bad: Vec<Bad>,
    /// Digest of the file, by which a second import of it is known.
    pub digest: String,
}

/// A file as found on disk, or embedded.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// Hexadecimal SHA-256, cut to 32 digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    hash.as_ref()[..16].iter().fold(String::with_capacity(32), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes all");
        hex
    })
}

fn unreadable(file: &str, why: impl std::fmt::Display) -> Error {
    Error::User(UserError::new(Code::Unreadable).with("file", file).with("why", why))
}

/// Reads the tables of a file: one of a CSV, one a sheet of an XLSX.
///
/// # Errors
/// `unreadable` if the file is neither, or no kind is recognised.
pub(super) fn read(source: &Source) -> Result<Vec<Table>> {
    let extension = source.name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    if matches!(extension.as_str(), "xlsx" | "xlsm" | "xls" | "ods" | "xlsb") {
        read_sheets(source)
    } else {
        read_csv(source).map(|table| vec![table])
    }
}

/// UTF-8 (with or without BOM), else GBK with its extensions.
fn decode(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => encoding_rs::GB18030.decode_without_bom_handling(bytes).0,
    }
}

fn columns_of<'a>(header: impl Iterator<Item = &'a str>) -> HashMap<String, usize> {
    header.enumerate().map(|(i, name)| (name.trim().to_ascii_lowercase(), i)).collect()
}

fn kind_of(name: &str, columns: &HashMap<String, usize>) -> Result<Kind> {
    let kind = Kind::by_name(name).or_else(|| Kind::by_header(columns));
    let kind = kind.ok_or_else(|| unreadable(name, "kind"))?;
    let missing: Vec<&str> = kind.required().iter().copied().filter(|c| !columns.contains_key(*c)).collect();
    if missing.is_empty() { Ok(kind) } else { Err(unreadable(name, format!("column {}", missing.join(", ")))) }
}

fn read_csv(source: &Source) -> Result<Table> {
    let text = decode(&source.bytes);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut records = reader.records();
    let header = match records.next() {
        Some(Ok(header)) => header,
        Some(Err(error)) => return Err(unreadable(&source.name, error)),
        None => return Err(unreadable(&source.name, "empty")),
    };
    let columns = columns_of(header.iter());
    let kind = kind_of(&source.name, &columns)?;
    let mut table = Table {
        file: source.name.clone(),
        kind,
        columns,
        rows: Vec::new(),
        bad: Vec::new(),
        digest: digest(&source.bytes),
    };
    for record in records {
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                table.push(line, record, header.len());
            }
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                table.bad.push(Bad::new(line, "", Reason::Unreadable));
            }
        }
    }
    Ok(table)
}

impl Table {
    /// Takes a row in, or notes that it has too many or too few cells.
    fn push(&mut self, line: u64, record: StringRecord, width: usize) {
        if record.iter().all(|cell| cell.trim().is_empty()) {
            return;
        }
        if record.len() != width {
            let reason = Reason::Cells { expected: width, found: record.len() };
            self.bad.push(Bad::new(line, "", reason));
        } else if record.iter().any(|cell| cell.contains('\u{fffd}')) {
            self.bad.push(Bad::new(line, "", Reason::Unreadable));
        } else {
            self.rows.push((line, record));
        }
    }
}

fn read_sheets(source: &Source) -> Result<Vec<Table>> {
    let book = calamine::open_workbook_auto_from_rs(Cursor::new(source.bytes.clone()));
    let mut book: Sheets<_> = book.map_err(|error| unreadable(&source.name, error))?;
    let names = book.sheet_names();
    let mut tables = Vec::new();
    for sheet in &names {
        let range = book.worksheet_range(sheet).map_err(|error| unreadable(&source.name, error))?;
        let Some((top, _)) = range.start() else { continue };
        let mut lines = range.rows().map(|row| row.iter().map(text_of).collect::<StringRecord>());
        let Some(header) = lines.next() else { continue };
        let columns = columns_of(header.iter());
        // The only sheet may take its kind from the file's name.
        let name = if names.len() == 1 { source.name.clone() } else { format!("{}.sheet", sheet.trim()) };
        let kind = kind_of(&name, &columns).map_err(|_| unreadable(&format!("{} [{sheet}]", source.name), "kind"))?;
        let mut table = Table {
            file: if names.len() == 1 { source.name.clone() } else { format!("{} [{sheet}]", source.name) },
            kind,
            columns,
            rows: Vec::new(),
            bad: Vec::new(),
            digest: digest(&[&source.bytes, sheet.as_bytes()].concat()),
        };
        for (i, record) in lines.enumerate() {
            table.push(u64::from(top) + 2 + i as u64, record, header.len());
        }
        tables.push(table);
    }
    if tables.is_empty() { Err(unreadable(&source.name, "empty")) } else { Ok(tables) }
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
