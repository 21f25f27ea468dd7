//! Workbooks, as a spreadsheet writes them: numbers, dates and times are cells
//! of their own kind, and texts such as barcodes keep their zeros.

mod support;

use domain::availability::State;
use domain::view::{Lang, ListQuery};
use domain::{Fen, Millis};
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook, Worksheet};
use service::import::{ImportOptions, Kind};
use std::path::Path;
use support::{NOW, guest, shop};

/// A cell as a spreadsheet holds it.
enum Cell<'a> {
    Text(&'a str),
    Number(f64),
    /// Year, month, day, hour, minute.
    Date(u16, u8, u8, u16, u8),
    /// Hour, minute.
    Time(u16, u8),
    /// What a formula that fails leaves.
    Fault(&'a str),
    Empty,
}

use Cell::{Date, Empty, Fault, Number, Text, Time};

fn fill(sheet: &mut Worksheet, header: &str, rows: &[&[Cell<'_>]]) {
    for (column, name) in (0..).zip(header.split(',')) {
        sheet.write_string(0, column, name).expect("a header");
    }
    let date = Format::new().set_num_format("yyyy-mm-dd hh:mm");
    let time = Format::new().set_num_format("hh:mm");
    let money = Format::new().set_num_format("0.00");
    for (row, cells) in (1..).zip(rows) {
        for (column, cell) in (0..).zip(*cells) {
            let written = match cell {
                Text(text) => sheet.write_string(row, column, *text),
                Number(n) => sheet.write_number_with_format(row, column, *n, &money),
                Date(y, m, d, h, min) => {
                    let at =
                        ExcelDateTime::from_ymd(*y, *m, *d).and_then(|day| day.and_hms(*h, *min, 0)).expect("a date");
                    sheet.write_datetime_with_format(row, column, &at, &date)
                }
                Time(h, min) => {
                    let at = ExcelDateTime::from_hms(*h, *min, 0).expect("a time of day");
                    sheet.write_datetime_with_format(row, column, &at, &time)
                }
                Fault(error) => sheet.write_formula(row, column, Formula::new("=NA()").set_result(*error)),
                Empty => continue,
            };
            written.expect("a cell");
        }
    }
}

fn sheet<'a>(book: &'a mut Workbook, name: &str) -> &'a mut Worksheet {
    book.add_worksheet().set_name(name).expect("a name")
}

/// A workbook with a sheet for each kind that has dates, numbers or codes in it.
fn book(path: &Path) {
    let mut book = Workbook::new();
    // The order of the sheets is not that of application.
    fill(
        sheet(&mut book, "stock"),
        "store,pool,on_hand,as_of,kind",
        &[
            &[Text("main"), Text("M1"), Number(24.0), Date(2026, 11, 22, 8, 30), Text("snapshot")],
            &[Text("main"), Text("007"), Number(40.0), Text("-1h"), Empty],
            &[Text("main"), Text("M1"), Number(2.5), Date(2026, 11, 22, 8, 30), Text("snapshot")],
        ],
    );
    fill(
        sheet(&mut book, "stores"),
        "code,name_zh,name_en,lat,lon,zone,opens,closes,delivery_radius_m,delivery_fee,free_delivery_above",
        &[&[
            Text("main"),
            Text("总店"),
            Text("Main store"),
            Number(31.2325),
            Number(121.4737),
            Text("Asia/Shanghai"),
            Time(8, 0),
            Time(21, 30),
            Number(5_000.0),
            Number(6.0),
            Number(69.5),
        ]],
    );
    fill(
        sheet(&mut book, "categories"),
        "code,parent,name_zh,name_en,sort,count_holds",
        &[&[Text("dairy"), Empty, Text("乳品"), Text("Dairy"), Number(1.0), Text("day")]],
    );
    fill(
        sheet(&mut book, "SKUs"),
        "code,name_zh,name_en,barcode,category,pack_size,price,member_price,counted",
        &[
            &[
                Text("M1"),
                Text("纯牛奶"),
                Text("Pure milk"),
                Text("0069012345678"),
                Text("dairy"),
                Number(1.0),
                Number(12.8),
                Number(11.55),
                Number(0.0),
            ],
            &[
                Text("007"),
                Text("酸奶"),
                Text("Yoghurt"),
                Number(6_901_234_567_892.0),
                Text("dairy"),
                Number(1.0),
                Number(0.07),
                Empty,
                Empty,
            ],
            &[Text("M3"), Text("坏"), Text("Bad"), Empty, Text("dairy"), Number(1.0), Number(1.234), Empty, Empty],
        ],
    );
    fill(
        sheet(&mut book, "sales 2026"),
        "store,sku,sold_at,quantity,promo",
        &[&[Text("main"), Text("0069012345678"), Date(2026, 11, 20, 18, 5), Number(3.0), Number(0.0)]],
    );
    fill(
        sheet(&mut book, "offers"),
        "code,kind,name_zh,name_en,starts,ends,scope,price",
        &[&[
            Text("deal"),
            Text("timed"),
            Text("特价"),
            Text("Deal"),
            Date(2026, 11, 1, 0, 0),
            Date(2026, 12, 1, 0, 0),
            Text("sku:M1"),
            Number(9.9),
        ]],
    );
    book.save(path).expect("a workbook");
}

store::on_both! {
    async fn a_workbook_is_read_as_its_cells_mean(store: TestStore) {
        let (shop, clock) = shop(&store);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("shop.xlsx");
        book(&path);
        let report = shop.import_dir(&path, ImportOptions::default(), &|_| ()).await.expect("an import");
        let bad: Vec<String> = report.bad().map(|row| row.sentence(Lang::En)).collect();
        assert_eq!(bad.len(), 2, "{bad:#?}");
        assert!(bad[0].starts_with("shop.xlsx [SKUs]:4 price: is no amount"), "{}", bad[0]);
        assert!(bad[1].starts_with("shop.xlsx [stock]:4 on_hand: is no whole number"), "{}", bad[1]);
        let new: Vec<(Kind, u64)> = report.files.iter().map(|file| (file.kind, file.new)).collect();
        let expected = [
            (Kind::Stores, 1), (Kind::Categories, 1), (Kind::Skus, 2), (Kind::Stock, 2), (Kind::Sales, 1), (Kind::Offers, 1),
        ];
        assert_eq!(new, expected);

        let mut conn = shop.store().read().await.expect("reads");
        let place = store::stores::all(&mut conn).await.expect("stores").remove(0);
        assert_eq!((place.opens_min, place.closes_min), (8 * 60, 21 * 60 + 30));
        assert_eq!((place.lat_e6, place.lon_e6), (31_232_500, 121_473_700));
        assert_eq!((place.delivery_fee, place.free_delivery_above), (Fen(600), Some(Fen(6_950))));
        let days = store::stock::sale_days(&mut conn, &place.id, domain::time::Day(0), domain::time::Day(100_000)).await;
        let days = days.expect("sales");
        let zone = service::calendar::zone("Asia/Shanghai");
        assert_eq!((days.len(), days[0].units.0), (1, 3));
        assert_eq!(service::calendar::date_of(days[0].day), jiff::civil::date(2026, 11, 20));
        drop(conn);

        let visit = guest(&shop, Lang::En).await;
        let page = shop.product(&visit, "M1").await.expect("milk");
        assert_eq!((page.card.price.price, page.barcode.as_str()), (Fen(990), "0069012345678"));
        assert_eq!(page.as_of, Some(NOW.plus(-90 * 60_000)), "08:30 in the store's zone");
        assert_eq!(page.offers[0].ends, local(&zone, jiff::civil::date(2026, 12, 1)));
        let row = store::catalogue::by_code(&mut shop.store().read().await.expect("reads"), &visit.store, "M1").await;
        let sku = row.expect("reads").expect("milk").sku;
        assert_eq!((sku.price, sku.member_price), (Fen(1_280), Some(Fen(1_155))));
        let yoghurt = shop.product(&visit, "007").await.expect("a code of digits keeps its zeros");
        assert_eq!((yoghurt.barcode.as_str(), yoghurt.card.price.price), ("6901234567892", Fen(7)));
        assert_eq!(yoghurt.card.live.state, State::InStock);
        let query = ListQuery { text: "0069012345678".to_owned(), ..ListQuery::default() };
        assert_eq!(shop.list(&visit, query).await.expect("a list").cards[0].code, "M1");

        clock.advance(60_000);
        let again = shop.import_dir(&path, ImportOptions::default(), &|_| ()).await.expect("an import");
        assert_eq!((again.written(), again.bad().count()), (0, 2), "{again:#?}");
    }

    async fn a_formula_that_failed_is_not_an_empty_cell(store: TestStore) {
        let (shop, _) = shop(&store);
        let folder = tempfile::tempdir().expect("a folder");
        let mut book = Workbook::new();
        fill(
            sheet(&mut book, "Sheet1"),
            "code,parent,name_zh,name_en,sort,picture,count_holds,remark",
            &[
                &[Text("tea"), Empty, Text("茶"), Text("Tea"), Number(1.0), Empty, Empty, Fault("#DIV/0!")],
                &[Text("green"), Fault("#N/A"), Text("绿茶"), Text("Green tea"), Fault("#REF!"), Empty, Empty, Empty],
                &[Text("black"), Text("tea"), Text("红茶"), Text("Black tea"), Number(3.0), Fault("#REF!"), Empty, Empty],
            ],
        );
        book.save(folder.path().join("categories.xlsx")).expect("a workbook");
        let report = shop.import_dir(folder.path(), ImportOptions::default(), &|_| ()).await.expect("an import");
        let bad: Vec<String> = report.bad().map(|row| row.sentence(Lang::En)).collect();
        let expected = [
            "categories.xlsx:3 parent: is the error #N/A of the workbook",
            "categories.xlsx:4 picture: is the error #REF! of the workbook",
        ];
        assert_eq!(bad, expected);
        // Nothing is read of the last column, so nothing is wrong in it.
        assert_eq!((report.files[0].rows, report.files[0].new), (3, 1));
        assert_eq!(report.files[0].ignored, ["remark"]);
    }

    async fn the_only_sheet_takes_its_kind_from_the_file(store: TestStore) {
        let (shop, _) = shop(&store);
        let folder = tempfile::tempdir().expect("a folder");
        let mut book = Workbook::new();
        fill(
            sheet(&mut book, "Sheet1"),
            "code,parent,name_zh,name_en,sort,count_holds",
            &[
                &[Text("tea"), Empty, Text("茶"), Text("Tea"), Number(1.0), Empty],
                &[],
                &[Text("green"), Text("tea"), Text("绿茶"), Text("Green tea"), Number(2.0), Text("always")],
            ],
        );
        book.save(folder.path().join("categories.xlsx")).expect("a workbook");
        let report = shop.import_dir(folder.path(), ImportOptions::default(), &|_| ()).await.expect("an import");
        let file = &report.files[0];
        assert_eq!((file.file.as_str(), file.kind), ("categories.xlsx", Kind::Categories));
        assert_eq!((file.rows, file.new, file.bad.len()), (2, 2, 0));
        // A remark at the far end of the sheet is beside the table, and costs no more than any cell.
        let mut book = Workbook::new();
        let far = sheet(&mut book, "Sheet1");
        let header = "code,parent,name_zh,name_en,sort,count_holds";
        fill(far, header, &[&[Text("tea"), Empty, Text("茶"), Text("Tea"), Number(1.0), Empty]]);
        far.write_string(1_048_575, 16_383, "remark").expect("a cell");
        book.save(folder.path().join("categories.xlsx")).expect("a workbook");
        let report = shop.import_dir(folder.path(), ImportOptions::default(), &|_| ()).await.expect("an import");
        assert_eq!((report.files[0].rows, report.files[0].unchanged), (1, 1));
        std::fs::write(folder.path().join("categories.xlsx"), b"PK\x03\x04 no workbook").expect("a file");
        let broken = shop.import_dir(folder.path(), ImportOptions::default(), &|_| ()).await;
        assert!(matches!(&broken, Err(service::Error::User(error)) if error.code == domain::Code::Unreadable), "{broken:?}");
    }
}

fn local(zone: &jiff::tz::TimeZone, date: jiff::civil::Date) -> Millis {
    Millis(date.to_zoned(zone.clone()).expect("a time").timestamp().as_millisecond())
}
