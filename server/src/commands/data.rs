//! Data in and out: import, export, backup, and the proof of the books.

use super::{Done, Failure};
use crate::config::{Config, private};
use clap::{Args, ValueEnum};
use domain::view::Lang;
use indicatif::{ProgressBar, ProgressStyle};
use percent_encoding::percent_decode_str;
use service::Shop;
use service::import::{ImportOptions, ImportReport, Progress};
use service::looks::Look;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use store::exports;
use url::{Url, form_urlencoded};

/// What is imported.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Import {
    /// Folders or files: stores, slots, categories, skus, stock, sales, offers, banners as .csv or .xlsx.
    #[arg(required_unless_present = "demo", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Import the demo supermarket.
    #[arg(long, conflicts_with = "paths")]
    demo: bool,
    /// Check everything, write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Count relative times such as `-3d` from now, though the file was imported before.
    #[arg(long)]
    from_now: bool,
    /// End with an error if any row was bad (the good ones are in nevertheless).
    #[arg(long)]
    strict: bool,
    /// Print the whole report as JSON.
    #[arg(long)]
    json: bool,
    /// Language of the reasons: `zh` or `en`.
    #[arg(long, default_value = "en")]
    lang: String,
    /// Bad rows that are printed; all of them stand in the JSON report.
    #[arg(long, default_value_t = 2_000)]
    show: usize,
}

impl Import {
    pub(super) async fn run(self, shop: &Shop) -> Done {
        let options = ImportOptions { dry_run: self.dry_run, from_now: self.from_now };
        let bar = Bar::default();
        let progress = |progress: Progress| bar.show(&progress);
        let failed = |error| failed(error, self.lang());
        let mut bad = 0;
        if self.demo {
            let report = shop.import_demo(options, &progress).await.map_err(failed)?;
            bad += self.say(&report)?;
        }
        for path in &self.paths {
            let report = shop.import_dir(path, options, &progress).await.map_err(failed)?;
            bad += self.say(&report)?;
        }
        if self.strict && bad > 0 { Err(Failure::Findings) } else { Ok(()) }
    }

    fn lang(&self) -> Lang {
        Lang::parse(&self.lang).unwrap_or(Lang::En)
    }

    fn say(&self, report: &ImportReport) -> Result<usize, Failure> {
        let bad = report.bad().count();
        if self.json {
            println!("{}", serde_json::to_string(report).map_err(service::Error::from)?);
            return Ok(bad);
        }
        let lang = self.lang();
        for row in report.bad().take(self.show) {
            println!("{}", row.sentence(lang));
        }
        if bad > self.show {
            println!("… and {} more bad rows (--show {bad} prints them all)", bad - self.show);
        }
        for remark in report.files.iter().filter_map(|file| file.remark(lang)) {
            println!("{remark}");
        }
        if report.dry_run {
            println!("a dry run: nothing was written");
        }
        for file in &report.files {
            println!(
                "{}: {} rows, {} new, {} changed, {} unchanged, {} bad, {} ms",
                file.file,
                file.rows,
                file.new,
                file.changed,
                file.unchanged,
                file.bad.len(),
                file.took_ms
            );
        }
        Ok(bad)
    }
}

/// Why an import failed: in words, if another one is in its way.
fn failed(error: service::Error, lang: Lang) -> Failure {
    if error.user().params.get("what").is_none_or(|what| what != "import") {
        return error.into();
    }
    let zh = "另一个导入正在进行，或在两分钟内被中断，请稍后再试";
    let en = "another import is running, or was broken off in the last two minutes; try again in a while";
    Failure::Said(lang.pick(zh, en).to_owned())
}

/// A progress bar that starts anew with each file.
#[derive(Default)]
struct Bar(Mutex<Option<(String, ProgressBar)>>);

impl Bar {
    fn show(&self, progress: &Progress) {
        let Ok(mut bar) = self.0.lock() else { return };
        if bar.as_ref().is_none_or(|(file, _)| *file != progress.file) {
            let new = ProgressBar::new(progress.total);
            if let Ok(style) = ProgressStyle::with_template("{msg:20} {bar:40} {pos}/{len} {elapsed}") {
                new.set_style(style);
            }
            new.set_message(progress.file.clone());
            *bar = Some((progress.file.clone(), new));
        }
        if let Some((_, bar)) = bar.as_ref() {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
            if progress.done >= progress.total {
                bar.finish_and_clear();
            }
        }
    }
}

/// Proves the books; findings are printed and end the process with an error.
pub(super) async fn check(shop: &Shop) -> Done {
    let findings = shop.check().await?;
    if findings.is_empty() {
        println!("the books are right");
        return Ok(());
    }
    for finding in &findings {
        println!("{finding}");
    }
    println!("{} findings", findings.len());
    Err(Failure::Findings)
}

/// Where the copy goes.
#[derive(Debug, Args)]
pub struct Backup {
    /// A file that is not there yet.
    file: PathBuf,
}

impl Backup {
    pub(super) async fn run(self, config: &Config, shop: &Shop) -> Done {
        // Made before anything is in it: nobody else reads the copy.
        private().create_new(true).open(&self.file).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::Said(format!("{} is there already", self.file.display())),
            _ => error.into(),
        })?;
        let done = self.copy(config, shop).await;
        if done.is_err() {
            // Half a copy must not be taken for a whole one, nor stand in the way of the next.
            let _ = std::fs::remove_file(&self.file);
        }
        done
    }

    async fn copy(&self, config: &Config, shop: &Shop) -> Done {
        shop.log_look_at_all(&super::look("backup"), "copy of the database").await?;
        match shop.store().kind() {
            store::conn::Kind::Sqlite => {
                let path = self.file.to_str().ok_or_else(|| Failure::Said("the path is not UTF-8".to_owned()))?;
                let mut conn = shop.store().read().await?;
                exports::copy_sqlite(&mut conn, path).await?;
            }
            store::conn::Kind::Postgres => pg_dump(config, &self.file).await?,
        }
        std::fs::File::open(&self.file)?.sync_all()?;
        println!("{} bytes in {}", std::fs::metadata(&self.file)?.len(), self.file.display());
        Ok(())
    }
}

async fn pg_dump(config: &Config, file: &Path) -> Done {
    let mut dump = tokio::process::Command::new("pg_dump");
    dump.arg("--format=custom").arg("--no-owner").arg("--file").arg(file);
    if let Some(schema) = &config.schema {
        dump.arg("--schema").arg(schema);
    }
    let parted = without_password(&config.database);
    let (url, password) = parted.ok_or_else(|| Failure::Said("the database's URL cannot be read".to_owned()))?;
    dump.arg("--dbname").arg(url);
    if let Some(password) = password {
        // By the environment: arguments are seen by everybody on the machine.
        dump.env("PGPASSWORD", password);
    }
    let status = dump.status().await.map_err(|error| {
        Failure::Said(format!(
            "pg_dump cannot be run ({error}); install PostgreSQL's client, or copy by other means (base backup, snapshot)"
        ))
    })?;
    if status.success() { Ok(()) } else { Err(Failure::Said(format!("pg_dump ended with {status}"))) }
}

/// A database's URL without its password, and the password, as the shop reads it: behind the user, or in the query.
pub(super) fn without_password(url: &str) -> Option<(String, Option<String>)> {
    let mut url = Url::parse(url).ok()?;
    let mut password = url.password().map(|text| percent_decode_str(text).decode_utf8_lossy().into_owned());
    // A URL without a host has no password there, and none can be taken away.
    let _ = url.set_password(None);
    if let Some(query) = url.query().map(str::to_owned) {
        let mut kept = Vec::new();
        for pair in query.split('&') {
            match form_urlencoded::parse(pair.as_bytes()).next() {
                Some((name, value)) if name == "password" => password = Some(value.into_owned()),
                _ => kept.push(pair),
            }
        }
        url.set_query((!kept.is_empty()).then(|| kept.join("&")).as_deref());
    }
    Some((url.to_string(), password))
}

/// What is exported, and where to.
#[derive(Debug, Args)]
pub struct Export {
    /// Which table.
    what: Table,
    /// The CSV file.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What it is needed for; looks at members' data are logged with it.
    #[arg(long, default_value = "export")]
    purpose: String,
}

/// Tables that can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Table {
    /// Orders with their sums; phones are masked.
    Orders,
    /// Levels of stock.
    Stock,
    /// Goods with their prices.
    Skus,
}

impl Export {
    pub(super) async fn run(self, shop: &Shop) -> Done {
        let mut file = std::io::BufWriter::new(private().create(true).truncate(true).open(&self.out)?);
        // So that Excel reads it as UTF-8.
        file.write_all(b"\xef\xbb\xbf")?;
        let mut sheet = Sheet(csv::Writer::from_writer(file));
        let rows = match self.what {
            Table::Orders => orders(shop, &super::look(&self.purpose), &mut sheet).await?,
            Table::Stock => stock(shop, &mut sheet).await?,
            Table::Skus => skus(shop, &mut sheet).await?,
        };
        sheet.0.flush()?;
        println!("{rows} rows in {}", self.out.display());
        Ok(())
    }
}

struct Sheet<W: Write>(csv::Writer<W>);

impl<W: Write> Sheet<W> {
    fn row(&mut self, cells: &[String]) -> Done {
        self.0.write_record(cells).map_err(|error| Failure::Said(format!("the file cannot be written: {error}")))
    }

    fn head(&mut self, names: &[&str]) -> Done {
        self.row(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }
}

async fn orders<W: Write>(shop: &Shop, look: &Look, sheet: &mut Sheet<W>) -> Result<u64, Failure> {
    sheet.head(&[
        "code",
        "store",
        "phone",
        "state",
        "kind",
        "placed_at",
        "slot_starts_at",
        "goods",
        "discount",
        "delivery_fee",
        "total",
        "paid",
        "refunded",
    ])?;
    let (mut after, mut count) = ((String::new(), String::new()), 0);
    loop {
        let page = shop.export_orders(look, (&after.0, &after.1)).await?;
        let Some(last) = page.last() else { return Ok(count) };
        after = (last.store_id.clone(), last.id.clone());
        for row in page {
            let phone =
                domain::phone::Phone::parse(&row.phone).map_or_else(|_| "****".to_owned(), |phone| phone.masked());
            let money = [row.goods, row.discount, row.delivery_fee, row.total, row.paid, row.refunded].map(yuan);
            let mut cells = vec![text(&row.code), text(&row.store), text(&phone), text(&row.state), text(&row.kind)];
            cells.extend([instant(row.placed_at), instant(row.slot_starts_at)]);
            cells.extend(money);
            sheet.row(&cells)?;
            count += 1;
        }
    }
}

async fn stock<W: Write>(shop: &Shop, sheet: &mut Sheet<W>) -> Result<u64, Failure> {
    sheet.head(&["store", "pool", "on_hand", "reserved", "safety", "as_of", "source"])?;
    let (mut after, mut count) = ((String::new(), String::new()), 0);
    loop {
        let page = exports::stock(&mut shop.store().read().await?, (&after.0, &after.1)).await?;
        let Some(last) = page.last() else { return Ok(count) };
        after = (last.store_id.clone(), last.pool_id.clone());
        for row in page {
            let numbers = [row.on_hand, row.reserved, row.safety].map(|n| n.to_string());
            let mut cells = vec![text(&row.store), text(&row.pool)];
            cells.extend(numbers);
            cells.extend([instant(row.as_of), text(&row.source)]);
            sheet.row(&cells)?;
            count += 1;
        }
    }
}

async fn skus<W: Write>(shop: &Shop, sheet: &mut Sheet<W>) -> Result<u64, Failure> {
    sheet.head(&[
        "code",
        "name_zh",
        "name_en",
        "barcode",
        "category",
        "pool",
        "pack_size",
        "price",
        "member_price",
        "status",
    ])?;
    let (mut after, mut count) = (String::new(), 0);
    loop {
        let page = exports::skus(&mut shop.store().read().await?, &after).await?;
        let Some(last) = page.last() else { return Ok(count) };
        after.clone_from(&last.code);
        for row in page {
            let status = if row.active { "on" } else { "off" };
            let texts = [&row.code, &row.name_zh, &row.name_en, &row.barcode, &row.category, &row.pool];
            let mut cells: Vec<String> = texts.into_iter().map(|cell| text(cell)).collect();
            cells.extend([row.pack_size.to_string(), yuan(row.price), row.member_price.map_or_else(String::new, yuan)]);
            cells.push(status.to_owned());
            sheet.row(&cells)?;
            count += 1;
        }
    }
}

/// A text that no spreadsheet takes for a formula.
fn text(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}

/// Fen as yuan: `12.80`.
pub(super) fn yuan(fen: i64) -> String {
    let sign = if fen < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", fen.unsigned_abs() / 100, fen.unsigned_abs() % 100)
}

fn instant(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_that_another_keeps_out_says_so() {
        let busy = || domain::UserError::new(domain::Code::Busy).with("retry_s", 120);
        let said = |error: domain::UserError, lang| failed(error.into(), lang).to_string();
        assert!(said(busy().with("what", "import"), Lang::En).starts_with("another import is running"));
        assert!(said(busy().with("what", "import"), Lang::Zh).starts_with("另一个导入正在进行"));
        assert_eq!(said(busy(), Lang::En), "busy retry_s=120", "the database");
    }

    #[test]
    fn no_cell_is_a_formula() {
        assert_eq!(text("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(text("@x"), "'@x");
        assert_eq!(text("牛奶 950 ml"), "牛奶 950 ml");
    }

    #[test]
    fn money_is_in_yuan() {
        assert_eq!(yuan(1_280), "12.80");
        assert_eq!(yuan(-5), "-0.05");
    }

    #[test]
    fn a_password_is_no_argument() {
        for (url, argument, password) in [
            ("postgres://zaijia:geheim@db:5432/shop", "postgres://zaijia@db:5432/shop", Some("geheim")),
            // As the shop itself reads it, not as it is written.
            ("postgres://zaijia:ge%40h+%3Aeim@db/shop", "postgres://zaijia@db/shop", Some("ge@h+:eim")),
            (
                "postgres://db/shop?user=a&password=ge%26heim&sslmode=require",
                "postgres://db/shop?user=a&sslmode=require",
                Some("ge&heim"),
            ),
            ("postgres://zaijia:old@db/shop?p%61ssword=new", "postgres://zaijia@db/shop", Some("new")),
            ("postgres:///shop?host=/run/postgresql", "postgres:///shop?host=/run/postgresql", None),
            ("postgres://db/shop", "postgres://db/shop", None),
        ] {
            let parted = without_password(url).expect("a URL");
            assert_eq!((parted.0.as_str(), parted.1.as_deref()), (argument, password), "{url}");
        }
    }
}
