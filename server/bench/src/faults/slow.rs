//! Bad lines between clients and the shop, and between the shop and PostgreSQL:
//! slow ones, and ones that break half-way through a request or an answer.

use super::load::Load;
use super::proxy::{Proxy, Weather};
use super::{Ground, Line};
use crate::shop::{Place, Shop};
use crate::{Result, buyers};
use std::net::SocketAddr;

/// Between clients and the shop.
const STREET: Weather = Weather { piece: 256, late: 0.2, late_ms: 20, cut: 0.01 };
/// Between the shop and its database: better, since an order takes many messages.
const CELLAR: Weather = Weather { piece: 1_400, late: 0.05, late_ms: 10, cut: 0.001 };
/// Buyers for each cut: more than can be served meanwhile.
const BUYERS: usize = 100;

/// Goes on until each line broke so many times.
pub async fn run(ground: &Ground<'_>, cuts: usize) -> Result<Vec<Line>> {
    let shop = Shop::stocked(ground.common, ground.place).await?;
    let cellar = match ground.place {
        Place::Sqlite => None,
        Place::Postgres(_) => Some(Proxy::start(postgres_of(shop.database())?, CELLAR, ground.seed).await?),
    };
    let database = match &cellar {
        Some(proxy) => through(shop.database(), proxy.addr)?,
        None => shop.database().to_owned(),
    };
    let fine = shop.serve()?;
    let all = buyers::make(&shop, fine.addr, cuts * BUYERS).await?;
    drop(fine);
    // A start takes many messages for a bad line: it may take several tries.
    let server = shop.serve_stubbornly(&database)?;
    let street = Proxy::start(server.addr, STREET, ground.seed ^ 1).await?;
    let load = Load::start(street.addr, all, ground.clients);
    let enough = || street.cuts() >= cuts && cellar.as_ref().is_none_or(|cellar| cellar.cuts() >= cuts);
    load.until("the lines do not break", enough).await?;
    let saw = load.end().await?;
    drop(server);
    saw.prove(&shop).await?;
    let mut lines = vec![Line::of("client lines cut", "", street.cuts())];
    if let Some(cellar) = &cellar {
        lines.push(Line::of("database lines cut", "", cellar.cuts()));
    }
    lines.extend([
        Line::of("acknowledged", "orders", saw.ledger.len()),
        Line::of("failed answers", "", saw.failed),
        Line::of("lost or doubled", "orders", 0),
    ]);
    Ok(lines)
}

/// Where the PostgreSQL of a URL listens.
fn postgres_of(url: &str) -> Result<SocketAddr> {
    let host = url.split('@').nth(1).and_then(|rest| rest.split('/').next());
    Ok(host.ok_or("the URL names no host")?.parse()?)
}

/// The same database by another way.
fn through(url: &str, addr: SocketAddr) -> Result<String> {
    let (user, rest) = url.split_once('@').ok_or("the URL names no user")?;
    let (_, name) = rest.split_once('/').ok_or("the URL names no database")?;
    Ok(format!("{user}@{addr}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_leads_through_the_proxy() {
        let url = "postgres://postgres@127.0.0.1:5432/bench_1";
        assert_eq!(postgres_of(url).expect("an address").port(), 5432);
        let addr = "127.0.0.1:99".parse().expect("an address");
        assert_eq!(through(url, addr).expect("a URL"), "postgres://postgres@127.0.0.1:99/bench_1");
    }
}
