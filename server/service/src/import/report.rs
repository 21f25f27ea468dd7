//! What an import did: by file, with every bad row named.

use super::table::Kind;
use domain::view::Lang;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why a cell or row was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Missing,
    TooLong { max: usize },
    NotCode,
    NotMoney,
    NotNumber { min: i64, max: i64 },
    NotOneOf { allowed: String },
    Unknown { value: String },
    Duplicate { line: u64 },
    NotTime,
    Ahead,
    NotClock,
    NotZone,
    NotPolicy,
    NotScope,
    NotDegrees,
    NotLink,
    Before { other: &'static str },
    Above { other: &'static str },
    OtherUnit { unit: String },
    Cycle,
    Cells { expected: usize, found: usize },
    ErrorCell { value: String },
    Unreadable,
}

impl Reason {
    const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::TooLong { .. } => "too_long",
            Self::NotCode => "not_code",
            Self::NotMoney => "not_money",
            Self::NotNumber { .. } => "not_number",
            Self::NotOneOf { .. } => "not_one_of",
            Self::Unknown { .. } => "unknown",
            Self::Duplicate { .. } => "duplicate",
            Self::NotTime => "not_time",
            Self::Ahead => "ahead",
            Self::NotClock => "not_clock",
            Self::NotZone => "not_zone",
            Self::NotPolicy => "not_policy",
            Self::NotScope => "not_scope",
            Self::NotDegrees => "not_degrees",
            Self::NotLink => "not_link",
            Self::Before { .. } => "before",
            Self::Above { .. } => "above",
            Self::OtherUnit { .. } => "other_unit",
            Self::Cycle => "cycle",
            Self::Cells { .. } => "cells",
            Self::ErrorCell { .. } => "error_cell",
            Self::Unreadable => "unreadable",
        }
    }

    fn params(&self) -> BTreeMap<String, String> {
        let pairs: Vec<(&str, String)> = match self {
            Self::TooLong { max } => vec![("max", max.to_string())],
            Self::NotNumber { min, max } => vec![("min", min.to_string()), ("max", max.to_string())],
            Self::NotOneOf { allowed } => vec![("allowed", allowed.clone())],
            Self::Unknown { value } | Self::ErrorCell { value } => vec![("value", value.clone())],
            Self::Duplicate { line } => vec![("line", line.to_string())],
            Self::Before { other } | Self::Above { other } => vec![("other", (*other).to_owned())],
            Self::OtherUnit { unit } => vec![("unit", unit.clone())],
            Self::Cells { expected, found } => {
                vec![("expected", expected.to_string()), ("found", found.to_string())]
            }
            _ => Vec::new(),
        };
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn english(&self) -> String {
        match self {
            Self::Missing => "must not be empty".to_owned(),
            Self::TooLong { max } => format!("has more than {max} characters"),
            Self::NotCode => "is no code: 1 to 64 letters, digits, '-', '_' or '.'".to_owned(),
            Self::NotMoney => "is no amount in yuan with at most two decimals".to_owned(),
            Self::NotNumber { min, max } => format!("is no whole number from {min} to {max}"),
            Self::NotOneOf { allowed } => format!("is none of {allowed}"),
            Self::Unknown { value } => format!("'{value}' is not known"),
            Self::Duplicate { line } => format!("stands in line {line} already"),
            Self::NotTime => "is no time such as 2026-11-22 18:00, with or without a zone, or -3d".to_owned(),
            Self::Ahead => "lies in the future".to_owned(),
            Self::NotClock => "is no time of day such as 08:30".to_owned(),
            Self::NotZone => "is no time zone such as Asia/Shanghai".to_owned(),
            Self::NotPolicy => "is no safety policy such as absolute 2, percent 10, dms 1.5".to_owned(),
            Self::NotScope => "is no scope such as all, category:dairy;fruit, sku:A1;A2".to_owned(),
            Self::NotDegrees => "is no position in degrees".to_owned(),
            Self::NotLink => "is no link within the shop, beginning with /".to_owned(),
            Self::Before { other } => format!("must be later than {other}"),
            Self::Above { other } => format!("must not be above {other}"),
            Self::OtherUnit { unit } => format!("differs from the pool's base unit {unit}"),
            Self::Cycle => "makes the category its own ancestor".to_owned(),
            Self::Cells { expected, found } => format!("has {found} cells where the header has {expected}"),
            Self::ErrorCell { value } => format!("is the error {value} of the workbook"),
            Self::Unreadable => "is not readable as UTF-8 or GBK text".to_owned(),
        }
    }

    fn chinese(&self) -> String {
        match self {
            Self::Missing => "不能为空".to_owned(),
            Self::TooLong { max } => format!("超过 {max} 个字符"),
            Self::NotCode => "不是有效编码：1 到 64 个字母、数字、'-'、'_' 或 '.'".to_owned(),
            Self::NotMoney => "不是有效金额（元，最多两位小数）".to_owned(),
            Self::NotNumber { min, max } => format!("不是 {min} 到 {max} 之间的整数"),
            Self::NotOneOf { allowed } => format!("不在可选值之内：{allowed}"),
            Self::Unknown { value } => format!("找不到“{value}”"),
            Self::Duplicate { line } => format!("与第 {line} 行重复"),
            Self::NotTime => "不是有效时间，例如 2026-11-22 18:00、带时区的时间或 -3d".to_owned(),
            Self::Ahead => "晚于当前时间".to_owned(),
            Self::NotClock => "不是一天中的时间，例如 08:30".to_owned(),
            Self::NotZone => "不是有效时区，例如 Asia/Shanghai".to_owned(),
            Self::NotPolicy => "不是安全库存策略，例如 absolute 2、percent 10、dms 1.5".to_owned(),
            Self::NotScope => "不是有效范围，例如 all、category:dairy;fruit、sku:A1;A2".to_owned(),
            Self::NotDegrees => "不是有效的经纬度".to_owned(),
            Self::NotLink => "不是店内链接（须以 / 开头）".to_owned(),
            Self::Before { other } => format!("必须晚于 {other}"),
            Self::Above { other } => format!("不能高于 {other}"),
            Self::OtherUnit { unit } => format!("与库存池的基本单位 {unit} 不一致"),
            Self::Cycle => "使分类成为自己的上级".to_owned(),
            Self::Cells { expected, found } => format!("有 {found} 个单元格，表头有 {expected} 个"),
            Self::ErrorCell { value } => format!("是工作簿的错误值 {value}"),
            Self::Unreadable => "无法按 UTF-8 或 GBK 读取".to_owned(),
        }
    }
}

/// A row that was refused: where, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bad {
    pub line: u64,
    pub column: &'static str,
    pub reason: Reason,
}

impl Bad {
    pub fn new(line: u64, column: &'static str, reason: Reason) -> Self {
        Self { line, column, reason }
    }
}

/// A row that was refused, as reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadRow {
    /// File, with the sheet of a workbook.
    pub file: String,
    /// Line in the file, the header being 1.
    pub line: u64,
    /// Column; empty if the whole row is meant.
    pub column: String,
    /// Why, as a word.
    pub code: String,
    /// Values of the sentence.
    pub params: BTreeMap<String, String>,
    /// The sentence in Chinese.
    pub zh: String,
    /// The sentence in English.
    pub en: String,
}

impl BadRow {
    pub(super) fn new(file: &str, bad: &Bad) -> Self {
        Self {
            file: file.to_owned(),
            line: bad.line,
            column: bad.column.to_owned(),
            code: bad.reason.code().to_owned(),
            params: bad.reason.params(),
            zh: bad.reason.chinese(),
            en: bad.reason.english(),
        }
    }

    /// `skus.csv:17 price: is no amount …`
    pub fn sentence(&self, lang: Lang) -> String {
        let gap = if self.column.is_empty() { "" } else { " " };
        format!("{}:{}{gap}{}: {}", self.file, self.line, self.column, lang.pick(&self.zh, &self.en))
    }
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReport {
    /// File, with the sheet of a workbook.
    pub file: String,
    /// What it holds.
    pub kind: Kind,
    /// Rows in it, the header not counted.
    pub rows: u64,
    /// Rows that were new.
    pub new: u64,
    /// Rows that changed something that was there.
    pub changed: u64,
    /// Rows that were there already, just so.
    pub unchanged: u64,
    /// Rows that were refused.
    pub bad: Vec<BadRow>,
    /// Columns that a file of this kind does not have: nothing of them was read.
    #[serde(default)]
    pub ignored: Vec<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

impl FileReport {
    /// Rows that were new or changed something (in a dry run: would be written).
    pub fn written(&self) -> u64 {
        self.new + self.changed
    }

    /// `skus.csv: not read, since no such columns are known: allergen`, if there are any.
    pub fn remark(&self, lang: Lang) -> Option<String> {
        if self.ignored.is_empty() {
            return None;
        }
        let why = lang.pick("未读取的列（没有这样的列名）", "not read, since no such columns are known");
        Some(format!("{}: {why}: {}", self.file, self.ignored.join(", ")))
    }
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// File by file, in the order of application.
    pub files: Vec<FileReport>,
    /// Nothing was written: it was a rehearsal.
    pub dry_run: bool,
}

impl ImportReport {
    /// All rows that were refused.
    pub fn bad(&self) -> impl Iterator<Item = &BadRow> {
        self.files.iter().flat_map(|file| &file.bad)
    }

    /// Rows written, over all files.
    pub fn written(&self) -> u64 {
        self.files.iter().map(FileReport::written).sum()
    }

    /// The report of one kind of file.
    pub fn of(&self, kind: Kind) -> Option<&FileReport> {
        self.files.iter().find(|file| file.kind == kind)
    }
}
