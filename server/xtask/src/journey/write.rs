//! Writes the import files of the shop from the store's year.

use super::read::{Line, Product, Year};
use super::skus::skus;
use super::text::{Glossary, slug};
use crate::Result;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

/// The store's code, here and in the data set.
pub const STORE: &str = "367";
const DAY_MS: i64 = 86_400_000;

/// What was written.
#[derive(Default)]
pub struct Written {
    pub skus: usize,
    pub categories: usize,
    pub sales: usize,
    /// Products left out since no line of theirs had a price
    pub no_price: usize,
}

/// Writes every file into `out`. The data set's clock is shifted by whole days
/// so that its last sale lies within the day before `now`.
pub fn write(year: &Year, out: &Path, now: Timestamp) -> Result<Written> {
    fs::create_dir_all(out)?;
    let mut written = Written::default();
    let prices = shelf_prices(&year.lines);
    let goods: BTreeMap<i64, &Product> =
        year.products.iter().filter(|(id, _)| prices.contains_key(id)).map(|(id, product)| (*id, product)).collect();
    written.no_price = year.products.len() - goods.len();
    let glossary = Glossary::new();
    place(out)?;
    written.categories = categories(out, &goods, &glossary)?;
    written.skus = skus(out, &goods, &prices, &glossary)?;
    let last_ms = year.lines.last().map_or(0, |line| line.at_ms);
    let shift_ms = (now.as_millisecond() - last_ms).div_euclid(DAY_MS) * DAY_MS;
    let lines: Vec<&Line> = year.lines.iter().filter(|line| goods.contains_key(&line.product)).collect();
    written.sales = sales(out, &lines, shift_ms)?;
    stock(out, &goods, &lines, last_ms)?;
    Ok(written)
}

/// Writes one file, and answers how many rows it has.
pub fn table(out: &Path, name: &str, header: &str, rows: impl IntoIterator<Item = Vec<String>>) -> Result<usize> {
    let mut writer = csv::Writer::from_path(out.join(name))?;
    writer.write_record(header.split(','))?;
    let mut count = 0;
    for row in rows {
        writer.write_record(&row)?;
        count += 1;
    }
    writer.flush()?;
    Ok(count)
}

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(ToString::to_string).collect()
}

/// The data set hides where its stores are: place, hours and slots are ours.
fn place(out: &Path) -> Result {
    let header = "code,name_zh,name_en,lat,lon,address_zh,address_en,phone,zone,opens,closes,\
                  delivery_radius_m,delivery_fee,free_delivery_above,safety";
    let store = row(&[
        STORE,
        "367 号店",
        "Store 367",
        "39.10310",
        "-84.51200",
        "地点未公开（示意位置）",
        "Place not published (shown somewhere)",
        "",
        "America/New_York",
        "07:00",
        "23:00",
        "8000",
        "6.00",
        "49.00",
        "absolute 1",
    ]);
    table(out, "stores.csv", header, [store])?;
    let hours = ["08:00", "10:00", "12:00", "14:00", "16:00", "18:00", "20:00", "22:00"];
    let slots = ["delivery", "pickup"].into_iter().flat_map(|kind| {
        let capacity = if kind == "delivery" { "20" } else { "30" };
        hours.windows(2).map(move |h| row(&[STORE, kind, "1234567", h[0], h[1], capacity, "60"]))
    });
    table(out, "slots.csv", "store,kind,weekdays,start,end,capacity,cutoff_min", slots.collect::<Vec<_>>())?;
    Ok(())
}

/// Code of the category that a product stands in.
pub fn leaf_code(product: &Product) -> String {
    match slug(&product.category) {
        category if category.is_empty() => slug(&product.department),
        category => format!("{}-{category}", slug(&product.department)),
    }
}

fn categories(out: &Path, goods: &BTreeMap<i64, &Product>, glossary: &Glossary) -> Result<usize> {
    let named = |label: &str| (glossary.chinese(label), glossary.english(label));
    let departments: BTreeSet<&str> = goods.values().map(|product| product.department.as_str()).collect();
    let mut size: HashMap<&str, usize> = HashMap::new();
    for product in goods.values() {
        *size.entry(&product.department).or_default() += 1;
    }
    let mut ranked: Vec<&str> = departments.into_iter().collect();
    ranked.sort_by_key(|department| (usize::MAX - size[department], *department));
    let mut rows = Vec::new();
    for (at, department) in ranked.iter().enumerate() {
        let (zh, en) = named(department);
        let sort = ((at + 1) * 10).to_string();
        rows.push(vec![
            slug(department),
            String::new(),
            zh,
            en,
            sort,
            picture(glossary, "", department),
            String::new(),
            "day".into(),
        ]);
    }
    let leaves: BTreeMap<String, &Product> = goods
        .values()
        .filter(|product| !slug(&product.category).is_empty())
        .map(|product| (leaf_code(product), *product))
        .collect();
    for (code, product) in leaves {
        let (zh, en) = named(&product.category);
        let picture = picture(glossary, &product.category, &product.department);
        rows.push(vec![code, slug(&product.department), zh, en, "10".into(), picture, String::new(), "day".into()]);
    }
    table(out, "categories.csv", "code,parent,name_zh,name_en,sort,picture,safety,count_holds", rows)
}

fn picture(glossary: &Glossary, category: &str, department: &str) -> String {
    glossary.picture(&[category, department]).to_owned()
}

/// Per product the median over its lines of the shelf price of one, in fen;
/// the data set's dollars are read as yuan.
fn shelf_prices(lines: &[Line]) -> HashMap<i64, i64> {
    let mut each: HashMap<i64, Vec<i64>> = HashMap::new();
    for line in lines.iter().filter(|line| line.shelf_cents > 0) {
        // Rounded to the fen, half up.
        let price = (2 * line.shelf_cents + line.quantity) / (2 * line.quantity);
        if price > 0 {
            each.entry(line.product).or_default().push(price);
        }
    }
    each.into_iter().map(|(product, prices)| (product, median(prices))).collect()
}

fn median(mut prices: Vec<i64>) -> i64 {
    prices.sort_unstable();
    let middle = prices.len() / 2;
    if prices.len() % 2 == 1 { prices[middle] } else { (prices[middle - 1] + prices[middle] + 1) / 2 }
}

/// An amount as the import reads it.
pub fn yuan(fen: i64) -> String {
    format!("{}.{:02}", fen / 100, fen % 100)
}

fn sales(out: &Path, lines: &[&Line], shift_ms: i64) -> Result<usize> {
    let rows = lines.iter().map(|line| {
        let at = Timestamp::from_millisecond(line.at_ms + shift_ms)?;
        let promo = if line.promo { "1" } else { "0" };
        Ok(row(&[STORE, &line.product.to_string(), &at.to_string(), &line.quantity.to_string(), promo]))
    });
    table(out, "sales.csv", "store,sku,sold_at,quantity,promo", rows.collect::<Result<Vec<_>>>()?)
}

/// The data set has no stock levels. These are derived from its sales and are
/// always the same: what sold in the last 28 days covers two weeks to come, a
/// shelf keeps four to twelve of everything, and one in twenty-five is empty.
fn stock(out: &Path, goods: &BTreeMap<i64, &Product>, lines: &[&Line], last_ms: i64) -> Result<usize> {
    let mut recent: HashMap<i64, i64> = HashMap::new();
    for line in lines.iter().filter(|line| line.at_ms > last_ms - 28 * DAY_MS) {
        *recent.entry(line.product).or_default() += line.quantity;
    }
    let rows = goods.keys().map(|id| {
        let on_hand = if id % 25 == 7 { 0 } else { (recent.get(id).unwrap_or(&0) + 1) / 2 + 4 + id % 9 };
        row(&[STORE, &id.to_string(), &on_hand.to_string(), "-10m", "snapshot"])
    });
    table(out, "stock.csv", "store,pool,on_hand,as_of,kind", rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(shelf_cents: i64, quantity: i64) -> Line {
        Line { product: 1, quantity, at_ms: 0, shelf_cents, promo: false }
    }

    #[test]
    fn the_shelf_price_is_the_median_of_one_piece() {
        let prices = shelf_prices(&[line(199, 1), line(300, 2), line(1000, 3), line(0, 1)]);
        assert_eq!(prices[&1], 199);
        assert_eq!(median(vec![100, 151]), 126);
        assert_eq!(yuan(1205), "12.05");
    }
}
