//! Small texts that people and tills send: money, phones, codes, ids, policies.

use domain::ids::SkuId;
use domain::phone::Phone;
use domain::safety::Policy;
use domain::view::{Lang, Sort};
use domain::{Fen, code};

/// Reads the text in every way, writes what was understood, and reads it again.
///
/// # Panics
/// If it reads something else, or breaks: a finding.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    money(&text);
    phone(&text);
    codes(&text);
    if let Ok(id) = SkuId::parse(&text) {
        assert_eq!(id.as_str(), text);
    }
    if let Ok(policy) = text.parse::<Policy>() {
        assert_eq!(policy.to_string().parse(), Ok(policy));
    }
    assert_eq!(Sort::parse(Sort::parse(&text).as_str()), Sort::parse(&text));
    if let Some(lang) = Lang::parse(&text) {
        assert_eq!(Lang::parse(lang.tag()), Some(lang));
    }
}

fn money(text: &str) {
    let Ok(amount) = Fen::parse_yuan(text) else { return };
    assert!((Fen::ZERO..=Fen::MAX).contains(&amount), "{amount:?}");
    assert_eq!(Fen::parse_yuan(&amount.to_string()), Ok(amount));
    assert_eq!(Fen::parse_yuan(&format!(" ¥{amount}")), Ok(amount));
}

fn phone(text: &str) {
    let Ok(phone) = Phone::parse(text) else { return };
    assert_eq!(Phone::parse(phone.as_str()).as_ref(), Ok(&phone));
    assert!(phone.as_str().len() == 11 && phone.as_str().bytes().all(|b| b.is_ascii_digit()));
    assert_eq!(phone.to_string().as_bytes()[3..7], *b"****", "printing masks");
    assert!(text.trim().chars().count() <= 40, "nothing is read over");
}

fn codes(text: &str) {
    if let Ok(order) = code::parse_order_code(text) {
        assert_eq!(code::parse_order_code(&order).as_ref(), Ok(&order), "one spelling");
        assert_eq!(code::parse_order_code(&order.to_lowercase()).as_ref(), Ok(&order));
        assert_eq!(order.len(), 12);
    }
    for symbols in [1, 7, 13, 25] {
        if let Ok(value) = code::decode(text, symbols) {
            assert_eq!(code::decode(&code::encode(value, symbols), symbols), Ok(value));
        }
    }
}
