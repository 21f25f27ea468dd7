//! From the data set to a running shop: fetch, read, write, import, serve.

use super::{read, write};
use crate::build::{self, Mode};
use crate::run::Shop;
use crate::{JourneyArgs, Result, paths, setup};
use jiff::Timestamp;

const STORE: i64 = 367;

/// Converts, and unless told otherwise imports and serves.
pub fn journey(args: &JourneyArgs) -> Result {
    let data = read::fetch()?;
    println!("reading the tills of store {STORE}");
    let year = read::year(&data, STORE, args.rows)?;
    let out = paths::root().join(&args.out);
    let written = write::write(&year, &out, Timestamp::now())?;
    let counts = &year.counts;
    println!("{} lines of the store's tills", counts.lines);
    println!("  left out: {} of fuel, coupons and miscellaneous", counts.not_goods);
    println!("  left out: {} with quantity 0", counts.zero_quantity);
    println!("  left out: {} whose product has no row", counts.no_product);
    println!("  left out: {} products without any price", written.no_price);
    println!(
        "{} SKUs in {} categories, {} till sales, in {}",
        written.skus,
        written.categories,
        written.sales,
        out.display()
    );
    println!("Stock levels are not in the data: they are derived from its sales. Place, hours and slots are ours.");
    if args.no_run {
        return Ok(());
    }
    setup::setup(setup::Need::default())?;
    build::build(Mode::Release)?;
    let shop = Shop::new(&Mode::Release.binary(), None, "journey")?;
    let out = out.to_str().ok_or("the folder's path is not UTF-8")?;
    shop.prepare(false, &[out])?;
    shop.serve(args.addr)
}
