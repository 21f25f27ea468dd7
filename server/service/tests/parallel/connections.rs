//! Pages share a few connections. Who holds one and waits for another may wait
//! for somebody who does the same, so no use case may need two at a time.

use crate::sale::World;
use domain::view::ListQuery;
use service::checkout::CheckoutChoice;
use store::{Lane, Store, vals};

/// Makes what is kept in memory stale, as an import does.
async fn import(world: &World) {
    let work = world.shop.store().write(Lane::Background, (), |conn, ()| {
        Box::pin(async move {
            conn.exec("UPDATE offer SET used = used", vals![]).await?;
            conn.touch_catalogue();
            Ok::<(), service::Error>(())
        })
    });
    work.await.expect("changed");
}

store::on_both! {
    async fn one_connection_is_enough_for_every_page(store: TestStore) {
        let mut config = store.config.clone();
        config.read_connections = 1;
        let one = Store::open(&config).await.expect("the same database");
        let world = World::open(&one).await;
        let visit = world.member(1).await;
        let (shop, milk) = (&world.shop, world.sku("MILK").await);
        world.fill(&visit, &[("MILK", 2), ("THIRTY", 1)]).await;
        // Each page is the first one after an import.
        import(&world).await;
        shop.home(&visit).await.expect("a page");
        import(&world).await;
        shop.categories(&visit).await.expect("a page");
        import(&world).await;
        shop.list(&visit, ListQuery { text: "牛奶".to_owned(), ..ListQuery::default() }).await.expect("a page");
        import(&world).await;
        shop.list(&visit, ListQuery { category: Some("dairy".to_owned()), ..ListQuery::default() }).await.expect("a page");
        import(&world).await;
        shop.suggest(&visit, "牛").await.expect("suggestions");
        import(&world).await;
        shop.product(&visit, "MILK").await.expect("a page");
        import(&world).await;
        shop.stores(visit.lang, Some(&visit.store), None, visit.now).await.expect("a page");
        import(&world).await;
        shop.basket(&visit).await.expect("a page");
        import(&world).await;
        shop.candidates(&visit, &milk).await.expect("candidates");
        import(&world).await;
        shop.set_substitution(&visit, &milk, "chosen", vec![]).await.expect("a choice");
        import(&world).await;
        shop.coupons(&visit).await.expect("a page");
        import(&world).await;
        shop.checkout(&visit, CheckoutChoice::default()).await.expect("a page");
        import(&world).await;
        let form = world.form(&visit, "pickup").await;
        import(&world).await;
        let placed = world.place(&visit, form).await;
        import(&world).await;
        shop.awaited_order(&visit, &placed.code).await.expect("a page");
        import(&world).await;
        shop.orders(&visit, "all", 1).await.expect("a page");
        shop.me(&visit).await.expect("a page");
        shop.addresses(&visit).await.expect("a page");
        shop.messages(&visit).await.expect("a page");
        import(&world).await;
        shop.why("main", "MILK", visit.now).await.expect("the terms");
        import(&world).await;
        world.act(&placed, "pay").await;
        world.settle().await;
        world.check().await;
        one.close().await;
    }
}
