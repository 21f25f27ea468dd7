//! Stores, categories, products, search.

use crate::availability::State;
use crate::ids::{CategoryId, SkuId, StoreId};
use crate::substitution::Reason;
use crate::{Fen, Millis, Packs};
use serde::{Deserialize, Serialize};

/// A store, as chosen and shown in the header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreCard {
    /// Which store.
    pub id: StoreId,
    /// The store's own code, for URLs.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Telephone.
    pub phone: String,
    /// `08:00–22:00`, in the store's zone.
    pub hours: String,
    /// Is it open now?
    pub open_now: bool,
    /// Metres from the visitor, if the position is known.
    pub distance_m: Option<i64>,
    /// Delivery fee.
    pub delivery_fee: Fen,
    /// Goods total from which delivery is free, if any.
    pub free_delivery_above: Option<Fen>,
    /// Is this the store that the visitor chose?
    pub chosen: bool,
}

/// A node of the category tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CategoryNode {
    /// Which category.
    pub id: CategoryId,
    /// Its code, for URLs: `/c/<code>`.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Its picture's name (`/pic/<name>.svg`).
    pub picture: String,
    /// Children in order.
    pub children: Vec<CategoryNode>,
}

/// Price of a SKU as shown before a basket is priced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PriceTag {
    /// What this visitor pays for one pack.
    pub price: Fen,
    /// The shelf price, if it is higher than `price`.
    pub struck: Option<Fen>,
    /// The member price, if there is one.
    pub member: Option<Fen>,
    /// Price per measure, such as 6.40 per `100ml`: fen and the unit's code
    /// (`100g`, `500g`, `100ml`, `L`, `kg`, `piece`).
    pub unit: Option<(Fen, String)>,
    /// End of the timed discount that makes the price, if one does.
    pub until: Option<Millis>,
    /// Name of that discount.
    pub offer: Option<String>,
}

/// What a page knows of a SKU's stock; what the live stream sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveState {
    /// Which SKU.
    pub sku: SkuId,
    /// The state to show.
    pub state: State,
    /// How many packs can be added at most (0 to 99).
    pub max: Packs,
}

/// A product in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProductCard {
    /// Which SKU.
    pub sku: SkuId,
    /// Its code, for URLs: `/p/<code>`.
    pub code: String,
    /// Name with size.
    pub name: String,
    /// Size or weight, such as `950 ml`.
    pub size: String,
    /// Picture's name (`/pic/<name>.svg`).
    pub picture: String,
    /// Its price for this visitor.
    pub price: PriceTag,
    /// Its state in the chosen store.
    pub live: LiveState,
    /// Offers that apply to it, as short labels (`满88减10`).
    pub labels: Vec<String>,
    /// How many are in the visitor's basket.
    pub in_basket: Packs,
}

/// The name under which goods are told apart: with the option or, where there
/// is none, the size, unless the name says it already.
pub fn full_name(name: &str, option: &str, size: &str) -> String {
    match [option, size].into_iter().find(|text| !text.is_empty()) {
        Some(more) if !name.contains(more) => format!("{name} {more}"),
        _ => name.to_owned(),
    }
}

/// One variant in the SKU sheet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Which SKU.
    pub sku: SkuId,
    /// Its code, for URLs.
    pub code: String,
    /// Its label, such as `整箱 12 瓶`.
    pub option: String,
    /// Its price for this visitor.
    pub price: PriceTag,
    /// Its state in the chosen store.
    pub live: LiveState,
    /// Is it the one that the page shows?
    pub current: bool,
}

/// A product's page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProductPage {
    /// What a list would show.
    pub card: ProductCard,
    /// Brand.
    pub brand: String,
    /// Description.
    pub description: String,
    /// Path of categories from the root: (code, name).
    pub path: Vec<(String, String)>,
    /// Barcode.
    pub barcode: String,
    /// Allergen codes.
    pub allergens: Vec<String>,
    /// Diet mark codes.
    pub diet: Vec<String>,
    /// `ambient`, `chilled` or `frozen`.
    pub storage: String,
    /// Buyers must be this old, if at all.
    pub age_limit: Option<u8>,
    /// Sold by weight: the scale decides, the difference goes back.
    pub by_weight: bool,
    /// Counted by hand today.
    pub counted: bool,
    /// When the number of pieces was last told.
    pub as_of: Option<Millis>,
    /// Variants of the same product, this one included.
    pub variants: Vec<Variant>,
    /// What the visitor chose for this product if it is missing.
    pub substitution: SubstitutionView,
    /// Similar goods.
    pub similar: Vec<ProductCard>,
    /// Offers that apply or could: (name, explanation).
    pub offers: Vec<OfferLine>,
}

/// An offer as explained on a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfferLine {
    /// Its name.
    pub name: String,
    /// `timed`, `spend_save`, `coupon`.
    pub kind: String,
    /// When it ends.
    pub ends: Millis,
    /// Threshold and discount, where it has them.
    pub threshold: Option<Fen>,
    /// The discount at the threshold.
    pub off: Option<Fen>,
}

/// What shall happen if a line's product is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SubstitutionView {
    /// `refund`, `best_match`, `chosen`, `ask_me`.
    pub choice: String,
    /// The ranked substitutes chosen, if `chosen`.
    pub chosen: Vec<SkuId>,
    /// Candidates in order, with the reasons for their rank.
    pub candidates: Vec<Candidate>,
}

/// A product that could stand in for another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The product.
    pub card: ProductCard,
    /// Why it ranks where it does.
    pub reasons: Vec<Reason>,
}

/// The first page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HomePage {
    /// Banners in order.
    pub banners: Vec<BannerView>,
    /// Offers on the whole basket that hold for everything.
    pub offers: Vec<OfferLine>,
    /// Top categories.
    pub categories: Vec<CategoryNode>,
    /// Goods with a timed discount now.
    pub deals: Vec<ProductCard>,
    /// Goods that the member bought before.
    pub bought: Vec<ProductCard>,
    /// Goods that sell most in this store.
    pub popular: Vec<ProductCard>,
}

/// A banner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BannerView {
    /// Title.
    pub title: String,
    /// Text below it.
    pub text: String,
    /// Where it leads, within the shop.
    pub link: String,
    /// Picture's name.
    pub picture: String,
}

/// How a list is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Best match first (search) or what sells most (categories).
    #[default]
    Relevance,
    /// Cheapest first.
    PriceUp,
    /// Dearest first.
    PriceDown,
    /// Best unit price first.
    UnitPrice,
    /// What sells most first.
    Sales,
}

impl Sort {
    /// All of them, in the order of the menu.
    pub const ALL: [Self; 5] = [Self::Relevance, Self::Sales, Self::PriceUp, Self::PriceDown, Self::UnitPrice];

    /// The value in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Relevance => "relevance",
            Self::PriceUp => "price_up",
            Self::PriceDown => "price_down",
            Self::UnitPrice => "unit_price",
            Self::Sales => "sales",
        }
    }

    /// Reads the value in a URL; anything else is relevance.
    pub fn parse(text: &str) -> Self {
        Self::ALL.into_iter().find(|s| s.as_str() == text).unwrap_or_default()
    }
}

/// What a list of products is asked for. Page numbers start at 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ListQuery {
    /// Words, pinyin initials, a barcode; empty in a category.
    pub text: String,
    /// Category code; its whole subtree counts.
    pub category: Option<String>,
    /// Brand.
    pub brand: Option<String>,
    /// Diet mark code that must be there.
    pub diet: Option<String>,
    /// Allergen code that must not be there.
    pub without: Option<String>,
    /// Only what can be bought now.
    pub in_stock: bool,
    /// Only what has a discount now.
    pub deals: bool,
    /// Order.
    pub sort: Sort,
    /// Page, from 1.
    pub page: u32,
}

/// A page of products.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProductList {
    /// What was asked for.
    pub query: ListQuery,
    /// Path of the category from the root: (code, name).
    pub path: Vec<(String, String)>,
    /// Children of the category to narrow down to.
    pub children: Vec<CategoryNode>,
    /// The goods of this page (at most [`ProductList::PAGE`]).
    pub cards: Vec<ProductCard>,
    /// How many there are in all, or, if there are `more`, how many can be looked through.
    pub total: u32,
    /// There are more than `total`.
    pub more: bool,
    /// Brands to filter by, most frequent first (at most 12).
    pub brands: Vec<String>,
}

impl ProductList {
    /// Products on a page.
    pub const PAGE: u32 = 50;

    /// How many pages there are; at least 1.
    pub fn pages(&self) -> u32 {
        self.total.div_ceil(Self::PAGE).max(1)
    }
}

/// A suggestion while typing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// What is put into the search box, or the product's name.
    pub text: String,
    /// Where it leads.
    pub link: String,
}
