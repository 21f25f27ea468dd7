//! Short codes that people read out and type in, such as `ZJ-8F3K-2M9Q`.
//!
//! The symbols are Crockford's 32: digits and capitals without I, L, O and U.
//! What is typed may be in small letters, with O for 0, I or L for 1, with or
//! without dashes and prefix. The last symbol is a check: the sum of the others,
//! each times a power of 2 in the field of 32 elements. It catches every single
//! wrong symbol and every swap of two. (Crockford's own check symbol would need
//! `*~$=U`, which nobody wants to spell or to put in a URL.)

/// Crockford's base 32.
const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What order codes begin with.
const ORDER_PREFIX: &str = "ZJ";

/// Symbols of an order code before its check symbol: 35 bits.
const ORDER_SYMBOLS: usize = 7;

/// Why a text is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCode {
    /// Too few or too many symbols, or another prefix.
    #[error("a code has another length or prefix")]
    Length,
    /// A character that no code has.
    #[error("a code has digits and letters only, without U")]
    Symbol,
    /// The check symbol does not fit: something was misread.
    #[error("the code was misread: its check symbol does not fit")]
    Check,
}

/// `a` × 2 in the field of 32 elements (x⁵ + x² + 1).
const fn double(a: u8) -> u8 {
    let doubled = a << 1;
    if doubled & 0b10_0000 == 0 { doubled } else { doubled ^ 0b10_0101 }
}

/// Check value of symbol values: the weights are 2, 4, 8, … from the right
/// (the check symbol itself weighs 1), all different for up to 30 symbols.
fn check(values: &[u8]) -> u8 {
    values.iter().fold(0, |sum, &value| double(sum ^ value))
}

/// The value of a typed character.
fn value_of(c: char) -> Option<u8> {
    let c = match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let at = SYMBOLS.iter().position(|&s| char::from(s) == c)?;
    u8::try_from(at).ok()
}

/// Writes the low `5 × symbols` bits of `value` (at most 25 symbols) with a
/// check symbol, in groups of four: `8F3K-2M9Q`.
pub fn encode(value: u128, symbols: usize) -> String {
    let symbols = symbols.clamp(1, 25);
    let mut values: Vec<u8> = (0..symbols).rev().map(|i| u8::try_from((value >> (5 * i)) & 31).unwrap_or(0)).collect();
    values.push(check(&values));
    let mut out = String::with_capacity(values.len() * 5 / 4 + 1);
    for (i, &v) in values.iter().enumerate() {
        if i > 0 && i % 4 == 0 {
            out.push('-');
        }
        out.push(char::from(SYMBOLS[usize::from(v) & 31]));
    }
    out
}

/// Reads what [`encode`] wrote with as many `symbols`, as people type it.
///
/// # Errors
/// [`BadCode`] says what is wrong with it.
pub fn decode(text: &str, symbols: usize) -> Result<u128, BadCode> {
    let mut values = text
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '–' | '_' | '.'))
        .map(|c| value_of(c).ok_or(BadCode::Symbol))
        .collect::<Result<Vec<u8>, _>>()?;
    if values.len() != symbols.clamp(1, 25) + 1 {
        return Err(BadCode::Length);
    }
    let typed = values.pop().ok_or(BadCode::Length)?;
    if typed != check(&values) {
        return Err(BadCode::Check);
    }
    Ok(values.iter().fold(0, |all, &v| (all << 5) | u128::from(v)))
}

/// An order's code from 35 random bits (the low ones of `random`): `ZJ-8F3K-2M9Q`.
pub fn order_code(random: u64) -> String {
    format!("{ORDER_PREFIX}-{}", encode(u128::from(random), ORDER_SYMBOLS))
}

/// Reads an order's code as people type it and gives back its one spelling.
///
/// # Errors
/// [`BadCode`] says what is wrong with it.
pub fn parse_order_code(text: &str) -> Result<String, BadCode> {
    let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let with_prefix = plain.len() == ORDER_PREFIX.len() + ORDER_SYMBOLS + 1;
    let body = match plain.split_at_checked(ORDER_PREFIX.len()) {
        Some((prefix, body)) if with_prefix && prefix.eq_ignore_ascii_case(ORDER_PREFIX) => body,
        _ => text,
    };
    let value = decode(body, ORDER_SYMBOLS)?;
    Ok(format!("{ORDER_PREFIX}-{}", encode(value, ORDER_SYMBOLS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_type_them() {
        let code = order_code(0x0123_4567_89AB);
        assert_eq!(code.len(), "ZJ-8F3K-2M9Q".len());
        for typed in
            [code.clone(), code.to_lowercase(), code.replace('-', ""), code[3..].to_owned(), code.replace('-', " ")]
        {
            assert_eq!(parse_order_code(&typed), Ok(code.clone()), "{typed}");
        }
        assert_eq!(parse_order_code(&order_code(0).replace('0', "o")), Ok(order_code(0)));
        assert_eq!(value_of('l'), value_of('1'));
        assert_eq!(value_of('u'), None);
    }

    #[test]
    fn every_single_misread_symbol_is_caught() {
        for random in [0, 1, 0x7_FFFF_FFFF, 0x2_A51B_33C9] {
            let code = encode(random, 7).replace('-', "");
            for at in 0..code.len() {
                for &symbol in SYMBOLS {
                    let mut wrong = code.clone().into_bytes();
                    if wrong[at] == symbol {
                        continue;
                    }
                    wrong[at] = symbol;
                    let wrong = String::from_utf8(wrong).expect("ASCII");
                    assert_eq!(decode(&wrong, 7), Err(BadCode::Check), "{code} {wrong}");
                }
            }
        }
    }

    #[test]
    fn every_swap_is_caught() {
        let code = encode(0x2_A51B_33C9, 7).replace('-', "").into_bytes();
        for a in 0..code.len() {
            for b in a + 1..code.len() {
                let mut wrong = code.clone();
                wrong.swap(a, b);
                let wrong = String::from_utf8(wrong).expect("ASCII");
                assert_eq!(decode(&wrong, 7).is_err(), code[a] != code[b], "{wrong}");
            }
        }
    }

    #[test]
    fn what_is_no_code_is_said_why() {
        assert_eq!(parse_order_code("ZJ-123"), Err(BadCode::Length));
        assert_eq!(parse_order_code(""), Err(BadCode::Length));
        assert_eq!(decode("8F3K-2M9U", 7), Err(BadCode::Symbol));
        assert_eq!(parse_order_code("牛奶"), Err(BadCode::Symbol));
    }

    #[test]
    fn large_values_keep_their_low_bits() {
        assert_eq!(decode(&encode(u128::MAX, 25), 25), Ok(u128::MAX >> 3));
        assert_eq!(decode(&encode(u128::from(u64::MAX), 13), 13), Ok(u128::from(u64::MAX)));
    }
}
