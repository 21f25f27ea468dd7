//! The goods: names, brands, sizes, storage, from what the data set says of each.

use super::read::Product;
use super::text::{Glossary, content};
use super::write::{leaf_code, table, yuan};
use crate::Result;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// Writes `skus.csv`; prices are in fen.
pub fn skus(
    out: &Path,
    goods: &BTreeMap<i64, &Product>,
    prices: &HashMap<i64, i64>,
    glossary: &Glossary,
) -> Result<usize> {
    let header = "code,name_zh,name_en,brand_zh,brand_en,category,size_zh,size_en,sold_by,base_unit,pack_size,price,\
                  measure_amount,measure_unit,storage,age_limit,counted,picture,description_zh,description_en,status";
    let mut alike: HashMap<(String, &String), usize> = HashMap::new();
    for product in goods.values() {
        *alike.entry((names(product, glossary).1, &product.size)).or_default() += 1;
    }
    let mut used: HashMap<(String, &String, i64), usize> = HashMap::new();
    let rows = goods.iter().map(|(id, product)| {
        let (zh, en) = names(product, glossary);
        // Brands are hidden, so goods of one name and size are told apart by
        // their maker's number, and those of one maker by a counter.
        let mark = if alike[&(en.clone(), &product.size)] == 1 {
            String::new()
        } else {
            let twin = used.entry((en.clone(), &product.size, product.maker)).or_default();
            *twin += 1;
            if *twin == 1 { format!(" ({})", product.maker) } else { format!(" ({}-{twin})", product.maker) }
        };
        let is_drink =
            is_any(product, &["DRINK", "DRNK", "JUICE", "WATER", "MILK PROD", "WINE", "BEER", "LIQUOR", "JCE"]);
        let content = content(&product.size, is_drink);
        let (amount, unit) = content.map_or_else(Default::default, |(amount, unit)| (amount.to_string(), unit));
        let size_zh = match content {
            Some((amount, "piece")) => format!("{amount} 件"),
            Some((amount, unit)) => format!("{amount} {unit}"),
            None => product.size.to_lowercase(),
        };
        let (brand_zh, brand_en) =
            if product.private { ("自有品牌", "Own brand") } else { ("全国品牌", "National") };
        let age =
            if is_any(product, &["WINE", "BEER", "LIQUOR", "SPIRITS", "CIGARETTE", "TOBACCO"]) { "18" } else { "" };
        let picture = glossary.picture(&[&product.category, &product.kind, &product.department]);
        vec![
            id.to_string(),
            format!("{zh}{mark}"),
            format!("{en}{mark}"),
            brand_zh.into(),
            brand_en.into(),
            leaf_code(product),
            size_zh,
            product.size.to_lowercase(),
            "piece".into(),
            "piece".into(),
            "1".into(),
            yuan(prices[id]),
            amount,
            unit.into(),
            storage(product).into(),
            age.into(),
            "0".into(),
            picture.into(),
            format!("数据集商品 {id}，厂商 {}。数据中没有过敏原信息。", product.maker),
            format!("Product {id} of the data set, maker {}. The data says nothing about allergens.", product.maker),
            "on".into(),
        ]
    });
    table(out, "skus.csv", header, rows)
}

/// The name says the type; the category too, where the type alone says little.
fn names(product: &Product, glossary: &Glossary) -> (String, String) {
    let category = if product.category.is_empty() { &product.department } else { &product.category };
    let (category_en, category_zh) = (glossary.english(category), glossary.chinese(category));
    let kind = if product.kind.is_empty() { String::new() } else { glossary.english(&product.kind) };
    let words = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2);
        words.map(|word| word.to_lowercase().trim_end_matches('s').to_owned()).collect()
    };
    let english = if kind.is_empty() {
        category_en.clone()
    } else if words(&kind).is_disjoint(&words(&category_en)) {
        format!("{category_en}: {}", kind.to_lowercase())
    } else {
        kind.clone()
    };
    let chinese =
        if kind.is_empty() || category_zh == category_en { english.clone() } else { format!("{category_zh} {kind}") };
    (chinese, english)
}

fn is_any(product: &Product, words: &[&str]) -> bool {
    let labels = [&product.department, &product.category, &product.kind];
    words.iter().any(|word| labels.iter().any(|label| label.contains(word)))
}

fn storage(product: &Product) -> &'static str {
    let chilled = [
        "MILK",
        "DAIRY",
        "CHEESE",
        "YOGURT",
        "MEAT",
        "SEAFOOD",
        "DELI",
        "REFRGRATD",
        "REFRIG",
        "BUTTER",
        "MARGARINE",
        "EGGS",
        "BACON",
        "SUSHI",
        "SALAD",
    ];
    if is_any(product, &["FRZN", "FROZEN", "ICE CREAM", "FRZ "]) {
        "frozen"
    } else if is_any(product, &["SHELF STABLE", "CANNED", "DRY "]) || !is_any(product, &chilled) {
        "ambient"
    } else {
        "chilled"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_the_type_and_where_it_belongs() {
        let product = |category: &str, kind: &str| Product {
            department: "GROCERY".into(),
            category: category.into(),
            kind: kind.into(),
            ..Product::default()
        };
        let glossary = Glossary::new();
        let milk = names(&product("FLUID MILK PRODUCTS", "FLUID MILK WHITE ONLY"), &glossary);
        assert_eq!(milk, ("牛奶 Fluid milk white only".into(), "Fluid milk white only".into()));
        assert_eq!(names(&product("PASTA SAUCE", "VALUE"), &glossary).1, "Pasta sauce: value");
        assert_eq!(storage(&product("SEAFOOD - SHELF STABLE", "TUNA")), "ambient");
        assert_eq!(storage(&product("FRZN MEAT/MEAT DINNERS", "")), "frozen");
    }
}
