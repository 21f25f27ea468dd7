//! The shop's clock jumps by hours, forward and back, under load: the real
//! binary, its calls for the time answered by libfaketime. Holds run out early
//! or late, and money comes for orders that the clock has called off; it must
//! be booked or go back, and nothing may be released twice.

use super::load::{Load, Saw};
use super::{Ground, Line};
use crate::channel::Told;
use crate::http::Client;
use crate::shop::{SECRET, Shop};
use crate::{Result, buyers};
use rand::RngExt;
use service::Clock as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use store::Val;

/// Buyers for each jump: more than can be served meanwhile.
const BUYERS: usize = 400;
/// Buyers who are served between two jumps.
const SERVED: usize = 30;
/// The furthest from the right time.
const FURTHEST_S: i64 = 6 * 3_600;
/// Further ahead than anything that was written at a jumping clock.
const AFTER_ALL_S: i64 = 2 * FURTHEST_S + 3_600;
/// What a buyer may be told when the clock has passed an order's or a slot's time, or an offer's.
const ENDS: [&str; 4] = ["hold_expired", "order_state", "slot_closed", "price_changed"];
/// The server's clock may differ from what it was set to by so much: it is asked a moment later.
const ABOUT_MS: u64 = 30_000;
/// The jobs are through within this time.
const SETTLED: Duration = Duration::from_secs(30);

/// The clock of a shop's servers.
struct Clock {
    file: PathBuf,
}

impl Clock {
    /// Has the shop's servers ask this clock.
    fn of(shop: &mut Shop) -> Result<Self> {
        let library = library().ok_or("libfaketime is not installed (Debian: apt-get install faketime)")?;
        let clock = Self { file: shop.folder().join("clock") };
        clock.set(0)?;
        shop.set("LD_PRELOAD", &library.display().to_string());
        shop.set("FAKETIME_TIMESTAMP_FILE", &clock.file.display().to_string());
        // Each call looks at the file. Durations are measured by another clock, which does not jump.
        shop.set("FAKETIME_NO_CACHE", "1");
        shop.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        shop.set("NO_FAKE_STAT", "1");
        Ok(clock)
    }

    /// Jumps; an error if the server's clock did not.
    async fn jump(&self, shop: &Shop, addr: SocketAddr, seconds: i64) -> Result {
        self.set(seconds)?;
        // Whatever the channel tells is noted with the time, also what is of no payment. (The
        // date of an answer says nothing: it is kept until its second is over.)
        let trade = store::new_id();
        let told = Told { trade: &trade, amount: 1, outcome: "success", key: &SECRET };
        told.send(&mut Client::connect(addr).await?).await?;
        let set_to = service::ports::SystemClock.now().0 + seconds * 1_000;
        let store = shop.store().await?;
        let sql = "SELECT at FROM callback_log WHERE trade_no = $1";
        let at = store.read().await?.int(sql, &[Val::from(&trade)]).await?;
        store.close().await;
        if at.abs_diff(set_to) > ABOUT_MS {
            return Err(
                format!("the clock was set {seconds} s off: the server's is {} ms off that", at - set_to).into()
            );
        }
        Ok(())
    }

    /// So many seconds before or after the right time.
    fn set(&self, seconds: i64) -> Result {
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n"))?;
        // In one step, so that nobody reads half of it.
        Ok(fs::rename(new, &self.file)?)
    }
}

/// Where Debian keeps libfaketime.
fn library() -> Option<PathBuf> {
    let in_folder = |folder: PathBuf| Some(folder.join("faketime/libfaketimeMT.so.1")).filter(|file| file.is_file());
    fs::read_dir(Path::new("/usr/lib")).ok()?.find_map(|entry| in_folder(entry.ok()?.path()))
}

/// Jumps so many times.
pub async fn run(ground: &Ground<'_>, jumps: usize) -> Result<Vec<Line>> {
    let mut shop = Shop::stocked(ground.common, ground.place).await?;
    let clock = Clock::of(&mut shop)?;
    let server = shop.serve()?;
    let all = buyers::make(&shop, server.addr, jumps * BUYERS).await?;
    let load = Load::start_with(server.addr, all, ground.clients, &ENDS);
    let mut rng = ground.rng();
    for no in 0..jumps {
        load.served(SERVED).await.map_err(|error| format!("before jump {no}: {error}"))?;
        clock.jump(&shop, server.addr, rng.random_range(-FURTHEST_S..=FURTHEST_S)).await?;
    }
    clock.jump(&shop, server.addr, 0).await?;
    load.served(SERVED).await.map_err(|error| format!("when the clock is right again: {error}"))?;
    let mut saw = load.end().await?;
    // All that was ever due is due now: holds end, messages to the channel go out.
    clock.jump(&shop, server.addr, AFTER_ALL_S).await?;
    settled(&shop).await?;
    drop(server);
    saw.ledger.money_may_go_back();
    saw.prove(&shop).await?;
    let Saw { ledger, failed, ended } = saw;
    Ok(vec![
        Line::of("jumps", "", jumps),
        Line::of("acknowledged", "orders", ledger.len()),
        Line::of("called off by the clock", "orders", ended),
        Line::of("failed answers", "", failed),
        Line::of("lost or doubled", "orders", 0),
        Line::of("released twice", "holds", 0),
    ])
}

/// No hold and no task is left, and no hold was ended twice.
async fn settled(shop: &Shop) -> Result {
    let store = shop.store().await?;
    let began = Instant::now();
    loop {
        let mut conn = store.read().await?;
        let tasks = conn.int("SELECT COUNT(*) FROM outbox WHERE state = 'waiting'", &[]).await?;
        let holds = conn.int("SELECT COUNT(*) FROM orders WHERE state = 'pending_payment'", &[]).await?;
        if (tasks, holds) == (0, 0) {
            let sql = "SELECT COUNT(*) FROM (SELECT order_id FROM order_event WHERE kind = 'hold_expired' \
                       GROUP BY store_id, order_id HAVING COUNT(*) > 1) twice";
            let twice = conn.int(sql, &[]).await?;
            drop(conn);
            store.close().await;
            return if twice == 0 { Ok(()) } else { Err(format!("{twice} holds were released twice").into()) };
        }
        drop(conn);
        if began.elapsed() > SETTLED {
            return Err(format!("{tasks} tasks and {holds} holds are left, though all are due").into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
