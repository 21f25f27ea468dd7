//! 100,000 SKUs with 1 % bad rows: `cargo test --release -p service --test import_large -- --ignored --nocapture`.

mod support;

use service::import::{ImportOptions, Kind};
use std::fmt::Write;
use std::time::Instant;
use support::shop;

const ROWS: usize = 100_000;

/// Names of goods as a supermarket has them; every hundredth row is bad, in four ways.
fn skus() -> String {
    let brands = ["蒙牛", "光明", "农夫山泉", "康师傅", "海天", "金龙鱼", "双汇", "良品铺子"];
    let goods = ["全脂纯牛奶", "无糖乌龙茶", "麻辣牛肉干", "东北大米", "生抽酱油", "原味薯片", "速冻水饺", "洗衣液"];
    let mut text = String::from(
        "code,product,name_zh,name_en,brand_zh,brand_en,barcode,category,size_zh,size_en,pack_size,price,measure_amount,measure_unit\n",
    );
    for i in 0..ROWS {
        let (brand, name) = (brands[i % 8], goods[i / 8 % 8]);
        let mut price = format!("{}.{:02}", 1 + i % 90, i % 100);
        let mut category = "c1";
        let mut code = format!("K{i:06}");
        match (i % 100 == 7, i / 100 % 4) {
            (true, 0) => "1.234".clone_into(&mut price),
            (true, 1) => category = "nix",
            (true, 2) => code.clear(),
            (true, _) => price.clear(),
            _ => {}
        }
        writeln!(
            text,
            "{code},P{},{brand}{name} {i},{brand} goods no {i},{brand},Brand {},69{i:011},{category},{} 克,{} g,1,{price},{},g",
            i / 2,
            i % 8,
            100 + i % 900,
            100 + i % 900,
            100 + i % 900
        )
        .expect("a String takes all");
    }
    text
}

store::on_both! {
    #[ignore = "measures; run it in release"]
    async fn a_hundred_thousand_skus(store: TestStore) {
        let (shop, _) = shop(&store);
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(
            folder.path().join("categories.csv"),
            "code,parent,name_zh,name_en,count_holds\nc1,,百货,Goods,day\n",
        )
        .expect("a file");
        std::fs::write(folder.path().join("skus.csv"), skus()).expect("a file");
        for again in [false, true] {
            let started = Instant::now();
            let report = shop.import_dir(folder.path(), ImportOptions::default(), &|_| ()).await.expect("an import");
            let took = started.elapsed();
            let skus = report.of(Kind::Skus).expect("a report");
            println!(
                "{:?} again={again}: {:.2} s, {} written, {} bad",
                store.kind(),
                took.as_secs_f64(),
                skus.written(),
                skus.bad.len()
            );
            assert_eq!((skus.rows, skus.bad.len()), (ROWS as u64, ROWS / 100));
            let written = if again { 0 } else { ROWS as u64 * 99 / 100 };
            assert_eq!((skus.written(), skus.unchanged + skus.written()), (written, ROWS as u64 * 99 / 100));
        }
    }
}
