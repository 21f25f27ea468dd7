//! Callbacks of the payment channel, signed and not, about an order that waits
//! for its money.

use crate::world::{KEY, Kept, World, is_late};
use domain::Packs;
use domain::ids::{BasketId, MemberId, SkuId};
use domain::view::{Lang, PlaceForm};
use serde_json::Value;
use service::checkout::CheckoutChoice;
use service::payments::Verdict;
use service::{Error, Result, Visit, sandbox};
use std::cell::RefCell;
use store::Lane;

/// Callbacks are logged: a fresh shop now and then has an empty log.
const INPUTS: u32 = 20_000;

const FILES: [(&str, &str); 5] = [
    (
        "stores.csv",
        "code,name_zh,name_en,zone,opens,closes,delivery_radius_m,delivery_fee\nmain,总店,Main,Asia/Shanghai,08:00,22:00,3000,6.00\n",
    ),
    ("slots.csv", "store,kind,weekdays,start,end,capacity\nmain,pickup,1234567,12:00,20:00,100000\n"),
    ("categories.csv", "code,parent,name_zh,name_en,count_holds\nfood,,食品,Food,\n"),
    ("skus.csv", "code,name_zh,category,pack_size,price\nRICE,大米,food,1,20.00\n"),
    ("stock.csv", "store,pool,on_hand,as_of\nmain,RICE,100000000,-1h\n"),
];

/// A shop with an order that waits for its money.
struct Waiting {
    world: World,
    visit: Visit,
    sku: SkuId,
    order: RefCell<Order>,
}

#[derive(Clone, Debug, Default)]
struct Order {
    trade_no: String,
    amount: i64,
}

thread_local! {
    static WAITING: Kept<Waiting> = const { Kept::for_inputs(INPUTS) };
}

/// Everything that a callback could move: payments, money, orders, stock, work
/// for later.
const BOOKS: [&str; 6] = [
    "SELECT COUNT(*) FROM payment WHERE state <> 'created'",
    "SELECT CAST(COALESCE(SUM(paid), 0) AS BIGINT) FROM orders",
    "SELECT CAST(COALESCE(SUM(version), 0) AS BIGINT) FROM orders",
    "SELECT COUNT(*) FROM outbox",
    "SELECT COUNT(*) FROM refund",
    "SELECT CAST(COALESCE(SUM(reserved), 0) AS BIGINT) FROM stock",
];
/// Which of them is the money.
const PAID: usize = 1;

/// The first byte says how it is signed, the first line is the time, the second
/// a signature, the rest the body. `TRADE` and `AMOUNT` in it stand for the
/// payment that waits.
///
/// # Panics
/// If anything of it does not hold: a finding.
pub fn run(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else { return };
    let waiting = WAITING.with(|waiting| waiting.get(Waiting::new));
    let order = waiting.order.borrow().clone();
    let mut lines = rest.splitn(3, |byte| *byte == b'\n');
    let mut line = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (time, typed, body) = (line(), line(), line());
    let body = body.replace("TRADE", &order.trade_no).replace("AMOUNT", &order.amount.to_string());
    let signed = sandbox::sign(KEY, &time, body.as_bytes());
    let signature = if choice % 2 == 0 { typed } else { signed.clone() };
    let before = waiting.books();
    let sent = waiting.world.shop.callback(sandbox::NAME, &time, &signature, body.as_bytes());
    let answer = waiting.world.runtime.block_on(sent);
    let after = waiting.books();
    let verdict = match answer {
        Ok(answer) => answer.verdict,
        // Whether it was booked is not known: another order.
        Err(error) if is_late(&error) => return waiting.place(),
        Err(Error::User(_)) => {
            assert_eq!(before, after, "a refused callback changes nothing");
            return;
        }
        Err(error) => panic!("a callback is no internal error: {error:?}"),
    };
    judge(verdict, signature.eq_ignore_ascii_case(&signed), &body, &order, &before, &after);
    if before != after {
        waiting.place();
    }
}

/// What may have come of it.
fn judge(verdict: Verdict, signed: bool, body: &str, order: &Order, before: &[i64], after: &[i64]) {
    let said: Value = serde_json::from_str(body).unwrap_or_default();
    let right = said["trade_no"] == order.trade_no && said["outcome"] == "success";
    match verdict {
        Verdict::Confirmed => {
            assert!(signed && right && said["amount"] == order.amount, "{body}");
            assert_eq!(after[PAID] - before[PAID], order.amount);
        }
        Verdict::WrongAmount => {
            assert!(signed && right && said["amount"] != order.amount, "{body}");
            assert_eq!(after[PAID], before[PAID]);
        }
        Verdict::Declined => {
            assert!(signed && said["trade_no"] == order.trade_no && said["outcome"] != "success", "{body}");
            assert_eq!(after[PAID], before[PAID]);
        }
        Verdict::BadSignature | Verdict::Unknown | Verdict::Repeated => {
            assert_eq!(before, after, "{verdict:?} changes nothing: {body}");
            assert!(signed || verdict == Verdict::BadSignature, "who has not signed is not heard");
        }
        Verdict::ConfirmedLate | Verdict::SentBack => panic!("{verdict:?} of an order that waits: {body}"),
    }
}

impl Waiting {
    fn new() -> Self {
        let world = World::with(&FILES);
        let (visit, sku) = world.runtime.block_on(visitor(&world)).expect("a member");
        let waiting = Self { world, visit, sku, order: RefCell::default() };
        waiting.place();
        waiting
    }

    fn books(&self) -> [i64; 6] {
        BOOKS.map(|sql| self.world.number(sql))
    }

    /// Places another order, and goes to pay it.
    fn place(&self) {
        let placed = self.world.run(async || {
            let shop = &self.world.shop;
            shop.add(&self.visit, &self.sku, Packs(1)).await?;
            let choice = CheckoutChoice { kind: "pickup".to_owned(), ..CheckoutChoice::default() };
            let page = shop.checkout(&self.visit, choice).await?;
            let form = PlaceForm {
                idempotency_key: page.idempotency_key,
                kind: "pickup".to_owned(),
                slot: page.slots.iter().find(|slot| slot.open).map(|slot| slot.id.to_string()),
                payable: page.basket.totals.payable.0,
                ..PlaceForm::default()
            };
            let amount = form.payable;
            let placed = shop.place(&self.visit, form).await?;
            let url = shop.pay(&self.visit, &placed.code).await?;
            let trade_no = url.rsplit('/').next().unwrap_or_default().to_owned();
            Ok::<_, Error>(Order { trade_no, amount })
        });
        *self.order.borrow_mut() = placed.expect("an order that waits for its money");
    }
}

async fn visitor(world: &World) -> Result<(Visit, SkuId)> {
    let shop = &world.shop;
    let member = MemberId::trusted(store::new_id());
    let input = (member.clone(), shop.now());
    let work = shop.store().write(Lane::Background, input, |conn, (member, now)| {
        Box::pin(async move {
            store::members::insert(conn, member, "13800000001", *now).await?;
            Ok::<(), Error>(())
        })
    });
    work.await?;
    let store = shop.default_store().await?;
    let row = store::catalogue::by_code(&mut shop.store().read().await?, &store, "RICE").await?;
    let basket = BasketId::trusted(member.as_str());
    let visit = Visit { store, lang: Lang::En, member: Some(member), basket, now: shop.now() };
    Ok((visit, row.expect("rice").sku.id))
}
