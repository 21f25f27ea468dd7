//! Imports: files of stores, slots, categories, SKUs, stock, sales, offers and
//! banners. Every row is checked; a bad one is reported by file, line, column
//! and reason, and harms no other. The same file twice changes nothing:
//! times that are relative to the import (`-3d`) are counted from the first
//! import of that very file.
//!
//! Every row is compared with what is there and found new, changed or
//! unchanged; only what differs is written. A dry run is that comparison
//! without the writing. One import at a time writes: see `claim`.

mod cells;
mod claim;
mod goods;
mod offers;
mod places;
mod report;
mod sheets;
mod stock;
mod table;
mod writing;

pub use report::{BadRow, FileReport, ImportReport};
pub use table::Kind;

use crate::{Error, Result, Shop};
use claim::Claim;
use domain::{Code, Millis, UserError};
use report::Bad;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use store::catalogue::CategoryRecord;
use store::goods::Index;
use store::stores::StoreRecord;
use table::{Source, Table};

/// The largest file that is read, in bytes.
const FILE_MAX: u64 = 512 * 1024 * 1024;

/// How an import is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportOptions {
    /// Check everything, write nothing.
    pub dry_run: bool,
    /// Count relative times from now, though the file was imported before.
    pub from_now: bool,
}

/// How far an import is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The file in hand.
    pub file: String,
    /// Rows done.
    pub done: u64,
    /// Rows in the file.
    pub total: u64,
}

/// Is told how far an import is.
pub type OnProgress<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// What the rows of later files may refer to, and how the import is done.
struct Context<'a> {
    shop: &'a Shop,
    claim: &'a Claim,
    options: ImportOptions,
    now: Millis,
    /// Time that relative times of the file in hand are counted from.
    anchor: Millis,
    stores: HashMap<String, StoreRecord>,
    categories: HashMap<String, CategoryRecord>,
    /// SKUs and pools by code, once a file needs them.
    index: Option<Arc<Index>>,
    /// SKUs that a dry run would have written.
    planned: Vec<goods::Planned>,
    on_progress: OnProgress<'a>,
    file: String,
    total: u64,
}

/// How a row stands to what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    New,
    Changed,
    Unchanged,
}

impl Standing {
    fn of<T: PartialEq>(known: Option<&T>, row: &T) -> Self {
        match known {
            None => Self::New,
            Some(known) if known == row => Self::Unchanged,
            Some(_) => Self::Changed,
        }
    }

    /// Something beside the row's own columns differs, too.
    fn or_changed(self, differs: bool) -> Self {
        if differs && self == Self::Unchanged { Self::Changed } else { self }
    }
}

/// What became of the rows of a table.
#[derive(Debug, Default)]
struct Outcome {
    new: u64,
    changed: u64,
    unchanged: u64,
    bad: Vec<Bad>,
}

impl Outcome {
    fn with_bad(bad: Vec<Bad>) -> Self {
        Self { bad, ..Self::default() }
    }

    fn count(&mut self, standing: Standing, rows: u64) {
        match standing {
            Standing::New => self.new += rows,
            Standing::Changed => self.changed += rows,
            Standing::Unchanged => self.unchanged += rows,
        }
    }
}

impl Context<'_> {
    fn progress(&self, done: u64) {
        (self.on_progress)(Progress { file: self.file.clone(), done, total: self.total });
    }

    /// The SKUs and pools that rows name by code.
    async fn index(&mut self) -> Result<Arc<Index>> {
        if let Some(index) = &self.index {
            return Ok(index.clone());
        }
        let mut conn = self.shop.store().read().await?;
        let mut index = store::goods::index(&mut conn).await?;
        drop(conn);
        self.planned.iter().for_each(|planned| planned.add_to(&mut index));
        let index = Arc::new(index);
        self.index = Some(index.clone());
        Ok(index)
    }
}

macro_rules! demo {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../../demo/", $name)))),*]
    };
}

/// The demo shop: a supermarket of our own writing.
const DEMO: [(&str, &str); 8] = demo!(
    "stores.csv",
    "slots.csv",
    "categories.csv",
    "skus.csv",
    "stock.csv",
    "sales.csv",
    "offers.csv",
    "banners.csv"
);

impl Shop {
    /// Imports all files of a folder, or one file. Files are applied in the order
    /// stores, slots, categories, SKUs, stock, sales, offers, banners, whatever
    /// their names' order.
    ///
    /// # Errors
    /// `unreadable` if a file cannot be read or its kind is not recognised, `busy`
    /// while another import is under way; then nothing was written.
    pub async fn import_dir(
        &self,
        path: &Path,
        options: ImportOptions,
        progress: OnProgress<'_>,
    ) -> Result<ImportReport> {
        let path = path.to_owned();
        let sources = tokio::task::spawn_blocking(move || sources(&path)).await.map_err(joined)??;
        self.import(sources, options, progress).await
    }

    /// Imports the demo shop.
    ///
    /// # Errors
    /// `busy` while another import is under way; the database's.
    pub async fn import_demo(&self, options: ImportOptions, progress: OnProgress<'_>) -> Result<ImportReport> {
        let source = |(name, text): &(&str, &str)| Source { name: (*name).to_owned(), bytes: text.as_bytes().to_vec() };
        self.import(DEMO.iter().map(source).collect(), options, progress).await
    }

    async fn import(
        &self,
        sources: Vec<Source>,
        options: ImportOptions,
        on_progress: OnProgress<'_>,
    ) -> Result<ImportReport> {
        let mut tables = tokio::task::spawn_blocking(move || read_all(&sources)).await.map_err(joined)??;
        tables.sort_by_key(|table| table.kind);
        let claim = Claim::new(self);
        if options.dry_run {
            return self.import_tables(tables, options, on_progress, &claim).await;
        }
        claim.take().await?;
        let done = self.import_tables(tables, options, on_progress, &claim).await;
        claim.give_back().await;
        done
    }

    async fn import_tables(
        &self,
        tables: Vec<Table>,
        options: ImportOptions,
        on_progress: OnProgress<'_>,
        claim: &Claim,
    ) -> Result<ImportReport> {
        let mut conn = self.store().read().await?;
        let stores = store::stores::all(&mut conn).await?;
        let categories = store::catalogue::categories(&mut conn).await?;
        drop(conn);
        let mut context = Context {
            shop: self,
            claim,
            options,
            now: self.now(),
            anchor: self.now(),
            stores: stores.into_iter().map(|s| (s.code.clone(), s)).collect(),
            categories: categories.into_iter().map(|c| (c.code.clone(), c)).collect(),
            index: None,
            planned: Vec::new(),
            on_progress,
            file: String::new(),
            total: 0,
        };
        let mut report = ImportReport { files: Vec::new(), dry_run: options.dry_run };
        for table in tables {
            report.files.push(import_table(&mut context, table).await?);
        }
        if !options.dry_run && report.written() > 0 {
            if changes_terms(self, &report).await? {
                self.refresh_dms(self.now()).await?;
            }
            store::dialect::settle(&mut self.store().read().await?).await?;
            self.ensure_slots(self.now()).await?;
        }
        Ok(report)
    }
}

/// Can an import have changed the terms of stock, or what sells best? Levels
/// alone are opened by the policy that holds, and nothing else is known of them
/// where neither sales nor discounts are.
async fn changes_terms(shop: &Shop, report: &ImportReport) -> Result<bool> {
    let wrote = |kinds: &[Kind]| report.files.iter().any(|file| file.written() > 0 && kinds.contains(&file.kind));
    if wrote(&[Kind::Stores, Kind::Categories, Kind::Skus, Kind::Sales, Kind::Offers]) {
        return Ok(true);
    }
    if report.of(Kind::Stock).is_none_or(|stock| stock.new == 0) {
        return Ok(false);
    }
    let mut conn = shop.store().read().await?;
    Ok(store::stock::any_sales(&mut conn).await?
        || !store::offers::ending_after(&mut conn, shop.now()).await?.is_empty())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn joined(error: tokio::task::JoinError) -> Error {
    Error::Internal(format!("a task of the import: {error}"))
}

fn sources(path: &Path) -> Result<Vec<Source>> {
    let bad = |path: &Path, error: std::io::Error| {
        Error::User(UserError::new(Code::Unreadable).with("file", path.display()).with("why", error))
    };
    let mut files = Vec::new();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).map_err(|e| bad(path, e))? {
            let file = entry.map_err(|e| bad(path, e))?.path();
            let extension = file.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
            if matches!(extension.as_str(), "csv" | "xlsx" | "xlsm") {
                files.push(file);
            }
        }
        files.sort();
    } else {
        files.push(path.to_owned());
    }
    let read = |file: &std::path::PathBuf| {
        let size = std::fs::metadata(file).map_err(|e| bad(file, e))?.len();
        if size > FILE_MAX {
            let error = UserError::new(Code::TooLarge).with("file", file.display()).with("max", FILE_MAX);
            return Err(Error::User(error));
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Source { name, bytes: std::fs::read(file).map_err(|e| bad(file, e))? })
    };
    files.iter().map(read).collect()
}

fn read_all(sources: &[Source]) -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    for source in sources {
        tables.extend(table::read(source)?);
    }
    Ok(tables)
}

async fn import_table(context: &mut Context<'_>, table: Table) -> Result<FileReport> {
    let started = Instant::now();
    let rows = (table.rows.len() + table.bad.len()) as u64;
    context.file.clone_from(&table.file);
    context.total = rows;
    context.anchor = anchor(context, &table.digest).await?;
    context.progress(0);
    let (file, kind) = (table.file.clone(), table.kind);
    let table = Arc::new(table);
    let mut outcome = match kind {
        Kind::Stores => places::stores(context, &table).await?,
        Kind::Slots => places::slots(context, &table).await?,
        Kind::Categories => places::categories(context, &table).await?,
        Kind::Skus => goods::skus(context, &table).await?,
        Kind::Stock => stock::stock(context, &table).await?,
        Kind::Sales => stock::sales(context, &table).await?,
        Kind::Offers => offers::offers(context, &table).await?,
        Kind::Banners => offers::banners(context, &table).await?,
    };
    outcome.bad.extend(table.bad.iter().cloned());
    outcome.bad.sort_by_key(|bad| bad.line);
    context.progress(rows);
    Ok(FileReport {
        bad: outcome.bad.iter().map(|bad| report::BadRow::new(&file, bad)).collect(),
        ignored: table.ignored(),
        file,
        kind,
        rows,
        new: outcome.new,
        changed: outcome.changed,
        unchanged: outcome.unchanged,
        took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// When this very file was first imported: what its relative times count from.
async fn anchor(context: &Context<'_>, digest: &str) -> Result<Millis> {
    let name = format!("import.{digest}");
    let mut conn = context.shop.store().read().await?;
    let known = store::goods::setting(&mut conn, &name).await?.and_then(|text| text.parse().ok()).map(Millis);
    drop(conn);
    match known {
        Some(at) if !context.options.from_now => Ok(at),
        _ if context.options.dry_run => Ok(context.now),
        _ => {
            let value = context.now.to_string();
            let write = context.claim.write((name, value), |conn, (name, value)| {
                Box::pin(async move { Ok::<(), Error>(store::goods::set_setting(conn, name, value).await?) })
            });
            write.await?;
            Ok(context.now)
        }
    }
}

/// The rows that differ from what is there; all of them are counted.
fn differing<'a, T: PartialEq + 'a>(
    rows: Vec<T>,
    known: impl Fn(&T) -> Option<&'a T>,
    outcome: &mut Outcome,
) -> Vec<T> {
    let mut differing = Vec::new();
    for row in rows {
        let standing = Standing::of(known(&row), &row);
        outcome.count(standing, 1);
        if standing != Standing::Unchanged {
            differing.push(row);
        }
    }
    differing
}

/// Splits rows that were read well from those that were not.
fn split<T>(rows: impl Iterator<Item = cells::Cell<T>>) -> (Vec<T>, Vec<Bad>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for row in rows {
        match row {
            Ok(row) => good.push(row),
            Err(why) => bad.push(why),
        }
    }
    (good, bad)
}
