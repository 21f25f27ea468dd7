//! Looks at personal data by the staff's side are logged: who, whose, what, when, why.

#[path = "support/sale.rs"]
mod sale;
mod support;

use sale::World;
use service::looks::Look;

store::on_both! {
    async fn an_export_is_logged_for_each_member_in_it(store: TestStore) {
        let world = World::open(&store).await;
        let (one, two, none) = (world.member(1).await, world.member(2).await, world.member(3).await);
        world.order(&one, &[("THIRTY", 1)]).await;
        world.order(&one, &[("SIXTY", 1)]).await;
        world.order(&two, &[("MILK", 1)]).await;
        // The members themselves saw their orders and addresses: that is no look.
        world.shop.orders(&one, "all", 1).await.expect("orders");
        world.shop.addresses(&one).await.expect("addresses");
        let id = |visit: &service::Visit| visit.member.clone().expect("a member");
        assert!(world.shop.looks(&id(&one)).await.expect("reads").is_empty());

        let look = Look { actor: "command:lin".to_owned(), purpose: "tax".to_owned() };
        let page = world.shop.export_orders(&look, ("", "")).await.expect("a page");
        assert_eq!(page.len(), 3);
        for visit in [&one, &two] {
            let looks = world.shop.looks(&id(visit)).await.expect("reads");
            assert_eq!(looks.len(), 1, "one look, however many orders");
            let seen = (looks[0].actor.as_str(), looks[0].what.as_str(), looks[0].purpose.as_str(), looks[0].at);
            assert_eq!(seen, ("command:lin", "masked phone, orders", "tax", world.shop.now().0));
        }
        let rest = world.shop.export_orders(&look, (&page[0].store_id, &page[0].id)).await.expect("a page");
        assert_eq!(rest, page[1..], "a page goes on after an order");
        assert!(world.shop.export_orders(&look, (&page[2].store_id, &page[2].id)).await.expect("a page").is_empty());
        assert!(world.shop.looks(&id(&none)).await.expect("reads").is_empty());
        world.shop.log_look_at_all(&look, "copy of the database").await.expect("logged");
        assert_eq!(world.shop.looks(&id(&none)).await.expect("reads").len(), 1);
    }

    async fn memberships_given_by_phone_are_logged(store: TestStore) {
        let world = World::open(&store).await;
        let member = world.shop.set_membership("13900000001", true, None, "command:lin").await.expect("granted");
        world.shop.set_membership("13900000001", false, None, "command:wu").await.expect("revoked");
        let looks = world.shop.looks(&member).await.expect("reads");
        let who: Vec<&str> = looks.iter().map(|look| look.actor.as_str()).collect();
        assert_eq!(who.len(), 2);
        assert!(who.contains(&"command:lin") && who.contains(&"command:wu"));
        assert!(looks.iter().all(|look| look.purpose == "membership" && look.what == "phone"));
    }
}
