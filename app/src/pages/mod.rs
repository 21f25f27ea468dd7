//! One file a route: what it shows, whole without JavaScript. A page asks its
//! area of `api`, and hands what it got to a plain function that makes the view.

mod about;
mod address_fields;
mod basket;
mod categories;
mod checkout;
mod facts;
mod home;
mod list;
mod live;
mod load;
mod missing;
mod not_found;
mod offline;
mod product;
mod query;
mod settings;
mod stores;
mod sums;
mod words;

pub use about::AboutPage;
pub use basket::BasketPage;
pub use categories::CategoriesPage;
pub use checkout::CheckoutPage;
pub use home::HomePage;
pub use list::{DealsPage, SearchPage};
pub use not_found::NotFoundPage;
pub use offline::OfflinePage;
pub use product::ProductPage;
pub use settings::SettingsPage;
pub use stores::StoresPage;
