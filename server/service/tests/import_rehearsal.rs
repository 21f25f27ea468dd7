//! Dry runs: what they say is what the import then does, for every kind of
//! file, on both databases.

mod support;

use service::Shop;
use service::import::{ImportOptions, ImportReport, Kind};
use support::{import, import_with, shop};

const FILES: [(&str, &str); 8] = [
    (
        "stores.csv",
        "code,name_zh,name_en,zone,opens,closes,delivery_radius_m,delivery_fee,safety\n\
         a,甲店,Store A,Asia/Shanghai,08:00,22:00,5000,6.00,absolute 2\n\
         b,乙店,Store B,Asia/Shanghai,08:00,22:00,5000,6.00,\n",
    ),
    (
        "slots.csv",
        "store,kind,weekdays,start,end,capacity,cutoff_min\n\
         a,delivery,1234567,09:00,11:00,20,60\n\
         a,pickup,1234567,09:00,20:00,20,60\n\
         b,pickup,67,09:00,20:00,20,60\n",
    ),
    (
        "categories.csv",
        "code,parent,name_zh,name_en,sort,picture,safety,count_holds\n\
         milk,dairy,牛奶,Milk,1,milk,,day\n\
         dairy,,乳品,Dairy,1,milk,percent 10,day\n\
         tea,,茶,Tea,2,tea,,day\n",
    ),
    (
        "skus.csv",
        "code,name_zh,name_en,category,pack_size,price,safety\n\
         M1,纯牛奶,Pure milk,milk,1,12.80,\n\
         M2,鲜牛奶,Fresh milk,milk,1,9.90,absolute 1\n\
         T1,乌龙茶,Oolong tea,tea,1,5.50,\n",
    ),
    (
        "stock.csv",
        "store,pool,on_hand,as_of,kind\n\
         a,M1,9,-1h,snapshot\n\
         a,M2,9,-1h,count\n\
         b,M1,4,-1h,snapshot\n\
         b,M1,3,-2h,snapshot\n",
    ),
    (
        "sales.csv",
        "store,sku,sold_at,quantity,promo\n\
         a,M1,-3d,2,0\n\
         a,M1,-3d,1,0\n\
         a,M1,-2d,4,1\n\
         b,T1,-2d,4,0\n",
    ),
    (
        "offers.csv",
        "code,kind,name_zh,name_en,store,starts,ends,scope,price,percent_off,threshold,off,per_member,total,excludes\n\
         deal,timed,特价,Deal,a,-1d,+1d,sku:M1,9.90,,,,,,\n\
         save,spend_save,满减,Saver,,-1d,+9d,category:dairy;tea,,,88.00,10.00,,,coupon\n\
         c5,coupon,减5,5 off,,,,all,,,20.00,5.00,1,100,\n",
    ),
    (
        "banners.csv",
        "code,title_zh,title_en,text_zh,text_en,link,picture,sort\n\
         b1,新鲜,Fresh,,,/deals,milk,1\n\
         b2,茶,Tea,,,/c/tea,tea,2\n",
    ),
];

/// New, changed, unchanged and bad rows of each kind.
fn counts(report: &ImportReport) -> Vec<(Kind, [u64; 4])> {
    report.files.iter().map(|f| (f.kind, [f.new, f.changed, f.unchanged, f.bad.len() as u64])).collect()
}

/// What a dry run says; it must leave everything as it was.
async fn rehearse(shop: &Shop, files: &[(&str, &str)]) -> Vec<(Kind, [u64; 4])> {
    let before = tables(shop).await;
    let report = import_with(shop, files, ImportOptions { dry_run: true, ..ImportOptions::default() }).await;
    assert_eq!(tables(shop).await, before, "a dry run wrote");
    assert!(report.dry_run);
    counts(&report)
}

/// How much there is of everything that an import writes.
async fn tables(shop: &Shop) -> Vec<i64> {
    const SUMS: [&str; 12] = [
        "SELECT COUNT(*) FROM store",
        "SELECT CAST(SUM(capacity) AS BIGINT) FROM slot_template",
        "SELECT COUNT(*) FROM category",
        "SELECT COUNT(*) FROM pool",
        "SELECT CAST(SUM(price) AS BIGINT) FROM sku",
        "SELECT COUNT(*) FROM safety_policy",
        "SELECT CAST(SUM(on_hand) AS BIGINT) FROM stock",
        "SELECT COUNT(*) FROM movement",
        "SELECT CAST(SUM(units) AS BIGINT) FROM sale_day",
        "SELECT COUNT(*) FROM offer",
        "SELECT COUNT(*) FROM banner",
        "SELECT COUNT(*) FROM setting",
    ];
    let mut conn = shop.store().read().await.expect("reads");
    let mut sums = Vec::new();
    for sql in SUMS {
        sums.push(conn.int(sql, &[]).await.expect("a number"));
    }
    sums
}

/// The files with some texts replaced: (file, from, to).
fn edited(edits: &[(&str, &str, &str)]) -> Vec<(&'static str, String)> {
    let edit = |(name, text): &(&'static str, &str)| {
        let mut text = (*text).to_owned();
        for (_, from, to) in edits.iter().filter(|(file, _, _)| file == name) {
            assert!(text.contains(from), "{name}: {from}");
            text = text.replace(from, to);
        }
        (*name, text)
    };
    FILES.iter().map(edit).collect()
}

store::on_both! {
    async fn the_first_import_is_new_and_the_second_unchanged(store: TestStore) {
        let (shop, clock) = shop(&store);
        let first = [
            (Kind::Stores, [2, 0, 0, 0]),
            (Kind::Slots, [3, 0, 0, 0]),
            (Kind::Categories, [3, 0, 0, 0]),
            (Kind::Skus, [3, 0, 0, 0]),
            // Of two statements on one pool the older one changes nothing.
            (Kind::Stock, [3, 0, 1, 0]),
            (Kind::Sales, [4, 0, 0, 0]),
            (Kind::Offers, [3, 0, 0, 0]),
            (Kind::Banners, [2, 0, 0, 0]),
        ];
        assert_eq!(rehearse(&shop, &FILES).await, first);
        assert_eq!(counts(&import(&shop, &FILES).await), first);
        // Later, so that times relative to the import would have moved on.
        clock.advance(3_600_000);
        let again = first.map(|(kind, [new, _, same, _])| (kind, [0, 0, new + same, 0]));
        assert_eq!(rehearse(&shop, &FILES).await, again);
        assert_eq!(counts(&import(&shop, &FILES).await), again);
    }

    async fn a_dry_run_tells_what_would_change(store: TestStore) {
        let (shop, _) = shop(&store);
        import(&shop, &FILES).await;
        let files = edited(&[
            ("stores.csv", "甲店", "甲旗舰店"),
            // A policy alone is a change of its row.
            ("stores.csv", "b,乙店,Store B,Asia/Shanghai,08:00,22:00,5000,6.00,", "b,乙店,Store B,Asia/Shanghai,08:00,22:00,5000,6.00,absolute 1"),
            ("slots.csv", "b,pickup,67,", "b,pickup,567,"),
            ("slots.csv", "a,pickup,1234567,09:00", "a,pickup,1234567,10:00"),
            ("categories.csv", "percent 10", "percent 20"),
            ("categories.csv", "tea,,茶", "tea,dairy,茶"),
            ("skus.csv", "9.90", "9.80"),
            ("skus.csv", "T1,乌龙茶,Oolong tea", "T2,绿茶,Green tea"),
            ("stock.csv", "a,M1,9,-1h", "a,M1,7,-1h"),
            ("stock.csv", "a,M2,9,-1h", "a,M2,9,-2h"),
            ("sales.csv", "a,M1,-3d,1,0", "a,M1,-3d,5,0"),
            ("sales.csv", "b,T1,-2d,4,0", "b,T2,-2d,4,0"),
            ("offers.csv", "9.90", "8.90"),
            ("offers.csv", "category:dairy;tea", "category:dairy"),
            ("banners.csv", "b2,茶", "b3,茶"),
        ]);
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let expected = [
            (Kind::Stores, [0, 2, 0, 0]),
            (Kind::Slots, [1, 1, 1, 0]),
            (Kind::Categories, [0, 2, 1, 0]),
            (Kind::Skus, [1, 1, 1, 0]),
            (Kind::Stock, [0, 1, 3, 0]),
            (Kind::Sales, [1, 2, 1, 0]),
            (Kind::Offers, [0, 2, 1, 0]),
            (Kind::Banners, [1, 0, 1, 0]),
        ];
        // Digests of SKUs hold the names of categories, which stayed.
        assert_eq!(rehearse(&shop, &files).await, expected);
        assert_eq!(counts(&import(&shop, &files).await), expected);
        assert_eq!(rehearse(&shop, &files).await.iter().map(|(_, [new, changed, _, _])| new + changed).sum::<u64>(), 0);
        assert!(shop.check().await.expect("a check").is_empty());
    }
}
