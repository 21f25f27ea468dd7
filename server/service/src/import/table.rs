//! Reading files into tables: CSV in UTF-8 or GBK here, workbooks in `sheets`.

use super::report::{Bad, Reason};
use super::sheets;
use crate::{Error, Result};
use csv::StringRecord;
use domain::{Code, UserError};
use std::collections::HashMap;

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

pub(super) fn unreadable(file: &str, why: impl std::fmt::Display) -> Error {
    Error::User(UserError::new(Code::Unreadable).with("file", file).with("why", why))
}

/// Reads the tables of a file: one of a CSV, one a sheet of an XLSX.
///
/// # Errors
/// `unreadable` if the file is neither, or no kind is recognised.
pub(super) fn read(source: &Source) -> Result<Vec<Table>> {
    let extension = source.name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    if matches!(extension.as_str(), "xlsx" | "xlsm") {
        sheets::read(source)
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

pub(super) fn columns_of<'a>(header: impl Iterator<Item = &'a str>) -> HashMap<String, usize> {
    header.enumerate().map(|(i, name)| (name.trim().to_ascii_lowercase(), i)).collect()
}

pub(super) fn kind_of(name: &str, columns: &HashMap<String, usize>) -> Result<Kind> {
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
    let mut lines = Lines { text: text.as_bytes(), at: 0, line: 1 };
    for record in records {
        match record {
            Ok(record) => table.push(lines.line_of(record.position()), record, header.len()),
            Err(error) => table.bad.push(Bad::new(lines.line_of(error.position()), "", Reason::Unreadable)),
        }
    }
    Ok(table)
}

/// Counts lines as an editor does, whichever way they end. (The reader's own
/// count is that of the end of the row before.)
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line on which a row begins; rows come in their order.
    fn line_of(&mut self, position: Option<&csv::Position>) -> u64 {
        let from = position.and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(self.at);
        let blank = |byte: &&u8| matches!(byte, b'\r' | b'\n');
        let start = from + self.text.get(from..).unwrap_or_default().iter().take_while(blank).count();
        while self.at < start.min(self.text.len()) {
            let ends = match self.text[self.at] {
                b'\n' => true,
                b'\r' => self.text.get(self.at + 1) != Some(&b'\n'),
                _ => false,
            };
            self.line += u64::from(ends);
            self.at += 1;
        }
        self.line
    }
}

impl Table {
    /// Takes a row in, or notes that it has too many or too few cells, or one that is no text
    /// (a NUL, too, is none: PostgreSQL takes it in no text).
    pub(super) fn push(&mut self, line: u64, record: StringRecord, width: usize) {
        if record.iter().all(|cell| cell.trim().is_empty()) {
            return;
        }
        if record.len() != width {
            let reason = Reason::Cells { expected: width, found: record.len() };
            self.bad.push(Bad::new(line, "", reason));
        } else if record.iter().any(|cell| cell.contains(['\u{fffd}', '\0'])) {
            self.bad.push(Bad::new(line, "", Reason::Unreadable));
        } else {
            self.rows.push((line, record));
        }
    }
}
