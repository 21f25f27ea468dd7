//! Names as a card shows them.

use domain::view::{Lang, full_name};
use store::catalogue::SkuRecord;

/// Name with its option or, where there is none, its size.
pub(super) fn name(sku: &SkuRecord, lang: Lang) -> String {
    let option = lang.pick(&sku.option_zh, &sku.option_en);
    full_name(lang.pick(&sku.name_zh, &sku.name_en), option, size(sku, lang))
}

/// The label of a variant; its size where it has none.
pub(super) fn option(sku: &SkuRecord, lang: Lang) -> String {
    let option = lang.pick(&sku.option_zh, &sku.option_en);
    if option.is_empty() { size(sku, lang).to_owned() } else { option.to_owned() }
}

pub(super) fn size(sku: &SkuRecord, lang: Lang) -> &str {
    lang.pick(&sku.size_zh, &sku.size_en)
}

pub(super) fn brand(sku: &SkuRecord, lang: Lang) -> &str {
    lang.pick(&sku.brand_zh, &sku.brand_en)
}

/// Unit price: fen for so much, by the unit's code. Small contents are told by
/// 100 g or 100 ml, large ones by kilogram or litre.
pub(super) fn unit_price(price: domain::Fen, amount: i64, unit: &str) -> Option<(domain::Fen, String)> {
    if amount < 1 {
        return None;
    }
    let (per, code) = match unit {
        "g" if amount >= 1_000 => (1_000, "kg"),
        "g" => (100, "100g"),
        "ml" if amount >= 1_000 => (1_000, "L"),
        "ml" => (100, "100ml"),
        "piece" => (1, "piece"),
        _ => return None,
    };
    let fen = (i128::from(price.0) * per + i128::from(amount) / 2) / i128::from(amount);
    Some((domain::Fen(i64::try_from(fen).ok()?), code.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Fen;

    #[test]
    fn unit_prices_are_comparable() {
        assert_eq!(unit_price(Fen(1_280), 950, "ml"), Some((Fen(135), "100ml".to_owned())));
        assert_eq!(unit_price(Fen(5_690), 5_000, "g"), Some((Fen(1_138), "kg".to_owned())));
        assert_eq!(unit_price(Fen(1_000), 10, "piece"), Some((Fen(100), "piece".to_owned())));
        assert_eq!(unit_price(Fen(1_000), 0, "g"), None);
    }
}
