//! Reading files into tables: CSV in UTF-8 or GBK here, workbooks in `sheets`.

use super::report::{Bad, Reason};
use super::sheets;
use crate::{Error, Result};
use csv::StringRecord;
use domain::{Code, UserError};
use std::borrow::Cow;
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

    /// Columns that a file of this kind may have beside them.
    const fn optional(self) -> &'static [&'static str] {
        match self {
            Self::Stores => &["lat", "lon", "address_zh", "address_en", "phone", "free_delivery_above", "safety"],
            Self::Slots => &["cutoff_min"],
            Self::Categories => &["sort", "picture", "safety"],
            Self::Skus => &[
                "product",
                "name_en",
                "option_zh",
                "option_en",
                "brand_zh",
                "brand_en",
                "barcode",
                "size_zh",
                "size_en",
                "sold_by",
                "base_unit",
                "pool",
                "member_price",
                "measure_amount",
                "measure_unit",
                "allergens",
                "diet",
                "storage",
                "age_limit",
                "counted",
                "safety",
                "picture",
                "description_zh",
                "description_en",
                "status",
            ],
            Self::Stock => &["kind"],
            Self::Sales => &["promo"],
            Self::Offers => {
                &["store", "price", "percent_off", "threshold", "off", "per_member", "total", "priority", "excludes"]
            }
            Self::Banners => &["text_zh", "text_en", "picture", "sort"],
        }
    }

    /// All columns of which something is read.
    pub(super) fn columns(self) -> impl Iterator<Item = &'static str> {
        self.required().iter().chain(self.optional()).copied()
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

/// UTF-8 (with or without BOM), else GBK with its extensions. What cannot be read in the
/// encoding becomes U+FFFD, by which its row is refused.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(text) => String::from_utf8_lossy(text),
        None if is_utf8(bytes) => String::from_utf8_lossy(bytes),
        None => encoding_rs::GB18030.decode_without_bom_handling(bytes).0,
    }
}

/// Is it UTF-8, but for some bad bytes? Then most of what is beyond ASCII is whole: each bad
/// byte breaks one or two characters. GBK read as UTF-8 is mostly broken: about one in six of
/// its characters happens to be a whole one. How well it reads as GBK says nothing, since nearly
/// all pairs of bytes are characters there.
fn is_utf8(bytes: &[u8]) -> bool {
    let (mut whole, mut broken) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        whole += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    broken <= whole
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

    /// The name of the column in this place, if something is read of it.
    pub(super) fn column_at(&self, place: usize) -> Option<&'static str> {
        self.kind.columns().find(|name| self.columns.get(*name) == Some(&place))
    }

    /// Columns of which nothing is read, in the file's order.
    pub(super) fn ignored(&self) -> Vec<String> {
        let is_read = |name: &str| name.is_empty() || self.kind.columns().any(|column| column == name);
        let mut ignored: Vec<(&usize, &String)> =
            self.columns.iter().filter(|(name, _)| !is_read(name)).map(|(name, place)| (place, name)).collect();
        ignored.sort_unstable();
        ignored.into_iter().map(|(_, name)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "code,name_zh\nM1,纯牛奶\nM2,苹果\nM3,土豆 500g\nM4,绿茶\n";

    /// The bytes with one in the row of M2 that is a character's in no encoding.
    fn spoiled(bytes: &[u8]) -> Vec<u8> {
        let row = bytes.windows(3).position(|part| part == b"M2,").expect("a row");
        [&bytes[..row + 3], b"\xff", &bytes[row + 3..]].concat()
    }

    #[test]
    fn one_bad_byte_makes_no_other_encoding_of_a_file() {
        let (gbk, _, _) = encoding_rs::GBK.encode(TEXT);
        assert_eq!(decode(TEXT.as_bytes()), TEXT);
        assert_eq!(decode(&gbk), TEXT);
        for bytes in [spoiled(TEXT.as_bytes()), spoiled(&gbk)] {
            let read = decode(&bytes);
            let right = TEXT.replace("苹果", "\u{fffd}苹果");
            assert_eq!(read, right);
        }
    }

    #[test]
    fn a_character_that_was_cut_is_not_made_up_for_by_reading_all_as_gbk() {
        // As GBK each pair of these bytes is a character.
        let cut = [TEXT.as_bytes(), "M5,豆".as_bytes(), b"\xe8\x85\xe5\n"].concat();
        let (_, has_errors) = encoding_rs::GB18030.decode_without_bom_handling(b"\xe8\xb1\x86\xe8\x85\xe5");
        assert!(!has_errors);
        assert_eq!(decode(&cut), format!("{TEXT}M5,豆\u{fffd}\u{fffd}\n"));
    }

    #[test]
    fn a_file_that_says_that_it_is_utf_8_is_read_as_nothing_else() {
        let (gbk, _, _) = encoding_rs::GBK.encode(TEXT);
        let marked = |bytes: &[u8]| [b"\xef\xbb\xbf".as_slice(), bytes].concat();
        assert_eq!(decode(&marked(TEXT.as_bytes())), TEXT);
        assert!(decode(&marked(&gbk)).contains('\u{fffd}'));
    }
}
