//! Every path of the storefront and its page. All pages are rendered whole
//! before the first byte leaves (`SsrMode::Async`), so that content, title and
//! status are in the first HTML, with or without JavaScript.

use crate::api::cx::visit;
use crate::pages::{
    AboutPage, AddressPage, AddressesPage, BasketPage, CategoriesPage, CheckoutPage, CouponsPage, DealsPage, HomePage,
    MePage, MessagesPage, NotFoundPage, OfflinePage, OrderPage, OrdersPage, PayPage, ProductPage, SandboxMessagesPage,
    SandboxPayPage, SearchPage, SettingsPage, SignInPage, StoresPage, SubstitutesPage,
};
use crate::shell::{Frame, provide_contexts};
use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::components::{Route, Router, Routes};
use leptos_router::{SsrMode, path};
use ui::tr;

/// The application: contexts, frame, routes.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    let visitor = visit();
    provide_contexts(&visitor);
    let lang = visitor.lang;
    let shop = tr!(lang, words.shop);
    // Leptos puts the title into the head as it is: what a search term or a product's name must not end is escaped here.
    let titled = move |title: String| {
        let title = title.replace('&', "&amp;").replace('<', "&lt;");
        if title.is_empty() { shop.to_owned() } else { format!("{title} · {shop}") }
    };
    view! {
        <Title formatter=titled />
        <Router>
            <Frame>
                <Routes fallback=NotFoundPage>
                    <Route path=path!("/") view=HomePage ssr=SsrMode::Async />
                    <Route path=path!("/c") view=CategoriesPage ssr=SsrMode::Async />
                    <Route path=path!("/c/:code") view=CategoriesPage ssr=SsrMode::Async />
                    <Route path=path!("/search") view=SearchPage ssr=SsrMode::Async />
                    <Route path=path!("/deals") view=DealsPage ssr=SsrMode::Async />
                    <Route path=path!("/p/:code") view=ProductPage ssr=SsrMode::Async />
                    <Route path=path!("/basket") view=BasketPage ssr=SsrMode::Async />
                    <Route path=path!("/checkout") view=CheckoutPage ssr=SsrMode::Async />
                    <Route path=path!("/pay/:code") view=PayPage ssr=SsrMode::Async />
                    <Route path=path!("/orders") view=OrdersPage ssr=SsrMode::Async />
                    <Route path=path!("/orders/:code") view=OrderPage ssr=SsrMode::Async />
                    <Route path=path!("/me") view=MePage ssr=SsrMode::Async />
                    <Route path=path!("/me/addresses") view=AddressesPage ssr=SsrMode::Async />
                    <Route path=path!("/me/addresses/:id") view=AddressPage ssr=SsrMode::Async />
                    <Route path=path!("/me/coupons") view=CouponsPage ssr=SsrMode::Async />
                    <Route path=path!("/me/messages") view=MessagesPage ssr=SsrMode::Async />
                    <Route path=path!("/me/substitutes") view=SubstitutesPage ssr=SsrMode::Async />
                    <Route path=path!("/sign-in") view=SignInPage ssr=SsrMode::Async />
                    <Route path=path!("/sandbox/pay/:trade_no") view=SandboxPayPage ssr=SsrMode::Async />
                    <Route path=path!("/sandbox/messages") view=SandboxMessagesPage ssr=SsrMode::Async />
                    <Route path=path!("/stores") view=StoresPage ssr=SsrMode::Async />
                    <Route path=path!("/settings") view=SettingsPage ssr=SsrMode::Async />
                    <Route path=path!("/about") view=AboutPage ssr=SsrMode::Async />
                    <Route path=path!("/offline") view=OfflinePage ssr=SsrMode::Async />
                </Routes>
            </Frame>
        </Router>
    }
}
