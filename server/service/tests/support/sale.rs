//! A small shop that sells, with members and a sandbox channel that a test steers.

#![expect(dead_code, reason = "each test binary uses a part of it")]

use super::support::{NOW, import, visit};
use domain::ids::{AddressId, MemberId, SkuId, StoreId};
use domain::order::State;
use domain::view::{AddressForm, Lang, OrderView, PlaceForm};
use domain::{Code, Fen, Packs};
use service::checkout::{CheckoutChoice, Placed};
use service::feed::{Batch, BatchKind, Row};
use service::ports::{Messenger, Ports, SimClock, SystemRandom};
use service::sandbox::{SandboxChannel, SandboxMessenger};
use service::{Error, Result, Settings, Shop, Visit};
use std::sync::Arc;
use store::Lane;

const KEY: &[u8] = b"the test's own key";

const STORES: &str = "code,name_zh,name_en,lat,lon,address_zh,address_en,phone,zone,opens,closes,delivery_radius_m,delivery_fee,free_delivery_above,safety
main,人民广场店,People's Square,31.2325,121.4737,人民大道 1 号,1 People's Avenue,02112345678,Asia/Shanghai,08:00,22:00,3000,6.00,99.00,absolute 0
";
const SLOTS: &str = "store,kind,weekdays,start,end,capacity,cutoff_min
main,delivery,1234567,12:00,14:00,200,30
main,delivery,1234567,18:00,20:00,1,30
main,pickup,1234567,12:00,20:00,200,30
";
const CATEGORIES: &str = "code,parent,name_zh,name_en,sort,picture,safety,count_holds
food,,食品,Food,1,basket,,
dairy,food,乳品,Dairy,2,milk,,
";
const SKUS: &str = "code,product,name_zh,name_en,option_zh,option_en,brand_zh,brand_en,barcode,category,size_zh,size_en,sold_by,base_unit,pack_size,pool,price,member_price,measure_amount,measure_unit,allergens,diet,storage,age_limit,counted,safety,picture,description_zh,description_en,status
SIXTY,SIXTY,六十,Sixty,,,,,,food,,,piece,piece,1,,60.00,,,,,,ambient,,0,,box,,,on
THIRTY,THIRTY,三十,Thirty,,,,,,food,,,piece,piece,1,,30.00,,,,,,ambient,,0,,box,,,on
MILK,MILK,牛奶,Milk,,,,,,dairy,950 ml,950 ml,piece,piece,1,,10.00,8.00,950,ml,milk,,chilled,,0,,milk,,,on
CASE,MILK,牛奶整箱,Case of milk,,,,,,dairy,12 × 950 ml,12 × 950 ml,piece,piece,12,MILK,110.00,,,,milk,,chilled,,0,,milk,,,on
RARE,RARE,稀罕,Rare,,,,,,food,,,piece,piece,1,,5.00,,,,,,ambient,,0,,box,,,on
WINE,WINE,黄酒,Rice wine,,,,,,food,,,piece,piece,1,,20.00,,,,,,ambient,18,0,,wine,,,on
THREE,THREE,三件,Three for ten,,,,,,food,,,piece,piece,1,,3.33,,,,,,ambient,,0,,box,,,on
";
const STOCK: &str = "store,pool,on_hand,as_of,kind
main,SIXTY,100,-1h,snapshot
main,THIRTY,100,-1h,snapshot
main,MILK,100,-1h,snapshot
main,RARE,7,-1h,snapshot
main,WINE,100,-1h,snapshot
main,THREE,100,-1h,snapshot
";
const OFFERS: &str = "code,kind,name_zh,name_en,store,starts,ends,scope,price,percent_off,threshold,off,per_member,total,priority,excludes
m88,spend_save,满88减10,10 off from 88,,-1d,+30d,sku:SIXTY;THIRTY,,,88.00,10.00,,,0,
c20,coupon,满20减5,5 off from 20,,-1d,+1d,sku:THIRTY;WINE,,,20.00,5.00,1,1,0,
rare,timed,稀罕特价,Rare deal,,-1d,+30d,sku:RARE,4.00,,,,,2,0,
";

/// The shop, its clock and its only store.
pub struct World {
    pub shop: Shop,
    pub clock: Arc<SimClock>,
    pub store: StoreId,
}

impl World {
    /// Opens the shop over a fresh database.
    pub async fn open(store: &store::Store) -> Self {
        let clock = Arc::new(SimClock::new(NOW));
        let shop = shop(store, clock.clone());
        let files = [
            ("stores.csv", STORES),
            ("slots.csv", SLOTS),
            ("categories.csv", CATEGORIES),
            ("skus.csv", SKUS),
            ("stock.csv", STOCK),
            ("offers.csv", OFFERS),
        ];
        let report = import(&shop, &files).await;
        let bad: Vec<_> = report.bad().collect();
        assert!(bad.is_empty(), "{bad:#?}");
        shop.ensure_slots(shop.now()).await.expect("slots");
        let store = shop.default_store().await.expect("a store");
        Self { shop, clock, store }
    }

    /// Another server over the same database, with a clock of its own.
    pub async fn twin(store: &store::testing::TestStore) -> Shop {
        let other = store::Store::open(&store.config).await.expect("the same database");
        shop(&other, Arc::new(SimClock::new(NOW)))
    }

    /// A member, number `n`, with an address nearby.
    pub async fn member(&self, n: u32) -> Visit {
        let member = MemberId::trusted(store::new_id());
        let phone = format!("138{n:08}");
        let input = (member.clone(), phone.clone(), self.shop.now());
        let work = self.shop.store().write(Lane::Background, input, |conn, (member, phone, now)| {
            Box::pin(async move {
                store::members::insert(conn, member, phone, *now).await?;
                Ok::<(), Error>(())
            })
        });
        work.await.expect("a member");
        let visit = visit(self.store.clone(), Lang::En, Some(member), self.shop.now());
        let address = AddressForm {
            name: "王小明".to_owned(),
            phone,
            area: "人民大道".to_owned(),
            detail: "200 号 3 楼".to_owned(),
            lat: "31.2330".to_owned(),
            lon: "121.4740".to_owned(),
            ..AddressForm::default()
        };
        self.shop.save_address(&visit, address).await.expect("an address");
        visit
    }

    /// The same visitor, now.
    pub fn now(&self, visit: &Visit) -> Visit {
        Visit { now: self.shop.now(), ..visit.clone() }
    }

    /// A SKU by its code.
    pub async fn sku(&self, code: &str) -> SkuId {
        let row =
            store::catalogue::by_code(&mut self.shop.store().read().await.expect("reads"), &self.store, code).await;
        row.expect("reads").expect("a SKU").sku.id
    }

    /// Puts goods in the basket.
    pub async fn fill(&self, visit: &Visit, goods: &[(&str, i64)]) {
        for (code, packs) in goods {
            self.shop.add(visit, &self.sku(code).await, Packs(*packs)).await.expect("in the basket");
        }
    }

    /// The form of the checkout page for what is in the basket: first open slot, usual address, best coupon.
    pub async fn form(&self, visit: &Visit, kind: &str) -> PlaceForm {
        let choice = CheckoutChoice { kind: kind.to_owned(), ..CheckoutChoice::default() };
        let page = self.shop.checkout(visit, choice).await.expect("a checkout page");
        PlaceForm {
            idempotency_key: page.idempotency_key,
            store: page.store.to_string(),
            kind: kind.to_owned(),
            address: page.address.as_ref().map(AddressId::to_string),
            slot: page.slots.iter().find(|slot| slot.open).map(|slot| slot.id.to_string()),
            coupon: page.coupons.iter().find(|coupon| coupon.chosen).map(|coupon| coupon.id.to_string()),
            substitution_default: Some(page.substitution_default),
            note: String::new(),
            payable: page.basket.totals.payable.0,
            age_confirmed: true,
        }
    }

    /// Fills the basket, places the order for pick-up.
    pub async fn order(&self, visit: &Visit, goods: &[(&str, i64)]) -> Placed {
        self.fill(visit, goods).await;
        let form = self.form(visit, "pickup").await;
        self.place(visit, form).await
    }

    /// Fills the basket and places the order for pick-up, without going to pay: no
    /// payment is opened at the channel.
    pub async fn order_unpaid(&self, visit: &Visit, goods: &[(&str, i64)]) -> Placed {
        self.fill(visit, goods).await;
        let form = self.form(visit, "pickup").await;
        self.shop.place(visit, form).await.expect("an order")
    }

    /// Places an order and goes to pay: its `payment_url` is the channel's page.
    pub async fn place(&self, visit: &Visit, form: PlaceForm) -> Placed {
        let placed = self.shop.place(visit, form).await.expect("an order");
        if !placed.payment_url.starts_with("/pay/") {
            return placed;
        }
        let payment_url = self.shop.pay(visit, &placed.code).await.expect("the channel's page");
        Placed { payment_url, ..placed }
    }

    /// The same, paid.
    pub async fn paid_order(&self, visit: &Visit, goods: &[(&str, i64)]) -> Placed {
        let placed = self.order(visit, goods).await;
        self.act(&placed, "pay").await;
        self.settle().await;
        assert_eq!(self.view(visit, &placed).await.state, State::Paid);
        placed
    }

    /// Does something on the channel's page.
    pub async fn act(&self, placed: &Placed, act: &str) {
        self.shop.act(trade_no(&placed.payment_url), act).await.expect("an act at the channel");
    }

    /// Staff report packs of a line as missing.
    pub async fn short(&self, placed: &Placed, line: u32, packs: i64, key: &str) -> Result<Fen> {
        self.shop.short_line(&placed.code, line, Packs(packs), key, "test").await
    }

    /// The tills report one row, as of now.
    pub async fn till(&self, kind: BatchKind, sku: &str, quantity: i64) {
        let row = Row { sku: Some(sku.to_owned()), quantity, at: self.shop.now().0, ..Row::default() };
        let batch = Batch { key: store::new_id(), store: "main".to_owned(), kind, rows: vec![row] };
        let answer = self.shop.apply_batch("tills", &batch).await.expect("a batch");
        assert_eq!((answer.applied, answer.bad.len()), (1, 0));
    }

    /// Runs the jobs until there is nothing left to do at this time.
    pub async fn settle(&self) {
        for _ in 0..20 {
            if self.shop.run_due(self.shop.now()).await.is_idle() {
                return;
            }
        }
        panic!("the jobs never come to rest");
    }

    /// The order's page.
    pub async fn view(&self, visit: &Visit, placed: &Placed) -> OrderView {
        self.shop.order(&self.now(visit), &placed.code).await.expect("an order's page")
    }

    /// What was made of the payment's callbacks.
    pub async fn verdicts(&self, placed: &Placed) -> Vec<String> {
        let mut conn = self.shop.store().read().await.expect("reads");
        store::payments::verdicts(&mut conn, trade_no(&placed.payment_url)).await.expect("verdicts")
    }

    /// The channel's number of an order's payment, whether it was opened there or not.
    pub async fn trade_of(&self, placed: &Placed) -> String {
        let sql = "SELECT p.trade_no FROM payment p JOIN orders o ON o.store_id = p.store_id AND o.id = p.order_id \
                   WHERE o.code = $1";
        let mut conn = self.shop.store().read().await.expect("reads");
        let (trade_no,): (String,) = conn.one(sql, store::vals![&placed.code]).await.expect("a payment");
        trade_no
    }

    /// On hand and reserved of a pool.
    pub async fn level(&self, code: &str) -> (i64, i64) {
        let mut conn = self.shop.store().read().await.expect("reads");
        let row = store::catalogue::by_code(&mut conn, &self.store, code).await.expect("reads").expect("a SKU");
        let level = row.stock.expect("stock").level;
        (level.on_hand.0, level.reserved.0)
    }

    /// Sum of a query that answers one number.
    pub async fn number(&self, sql: &'static str) -> i64 {
        self.shop.store().read().await.expect("reads").int(sql, &[]).await.expect("a number")
    }

    /// Nothing in the books is wrong.
    pub async fn check(&self) {
        let findings = self.shop.check().await.expect("a check");
        assert!(findings.is_empty(), "{findings:#?}");
    }
}

fn shop(store: &store::Store, clock: Arc<SimClock>) -> Shop {
    let messenger = Arc::new(SandboxMessenger::new(store.clone(), clock.clone()));
    shop_with(store, clock, messenger)
}

/// A shop whose messages go out by another messenger.
pub fn shop_with(store: &store::Store, clock: Arc<SimClock>, messenger: Arc<dyn Messenger>) -> Shop {
    let ports = Ports {
        clock: clock.clone(),
        random: Arc::new(SystemRandom),
        channel: Arc::new(SandboxChannel::new(store.clone(), KEY, clock)),
        messenger,
    };
    let settings = Settings { public_url: String::new(), sandbox_key: KEY.to_vec(), ..Settings::default() };
    Shop::new(store.clone(), ports, settings)
}

/// The channel's number in the address of its page.
pub fn trade_no(url: &str) -> &str {
    url.strip_prefix("/sandbox/pay/").expect("the sandbox's page")
}

/// The code of a refusal that a person can act on.
pub fn code_of<T: std::fmt::Debug>(result: Result<T>) -> Code {
    match result {
        Err(Error::User(error)) => error.code,
        other => panic!("not a polite error: {other:?}"),
    }
}

/// The kinds of the timeline, oldest first.
pub fn kinds(view: &OrderView) -> Vec<&str> {
    view.timeline.iter().rev().map(|entry| entry.kind.as_str()).collect()
}

/// Yuan as fen.
pub fn yuan(text: &str) -> Fen {
    Fen::parse_yuan(text).expect("an amount")
}
