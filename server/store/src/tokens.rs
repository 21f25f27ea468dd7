//! Words by which goods are found: made for the index and for what is typed.
//!
//! Chinese is cut by jieba's dictionary; single characters are indexed too, so
//! that one character finds goods and a word that the dictionary does not know
//! is found by its characters. From every word on, the rest of the name is
//! indexed in pinyin and in pinyin initials: `cnn` and `chunniunai` find 纯牛奶
//! wherever it stands in the name. English words are found by their beginning.
//! A token is letters and digits only, in lower case.

use jieba_rs::Jieba;
use pinyin::ToPinyin;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Terms of a query that are looked at; the rest is dropped.
const TERMS_MAX: usize = 8;
/// Words of a name from which on pinyin is indexed.
const STARTS_MAX: usize = 12;
/// Characters of a name whose pinyin is indexed from each of them on.
const SOUNDS_MAX: usize = 10;

/// The dictionary: loaded once, when first needed.
static JIEBA: LazyLock<Jieba> = LazyLock::new(Jieba::new);

/// The texts of a SKU that it is found by.
#[derive(Clone, Debug, Default)]
pub struct Naming<'a> {
    /// Names, options and brand: what ranks first.
    pub names: Vec<&'a str>,
    /// Category names and descriptions of size: what ranks second.
    pub words: Vec<&'a str>,
    /// Barcode and codes: found whole.
    pub codes: Vec<&'a str>,
}

/// Tokens of a SKU, apart by one space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Of names and brand.
    pub names: String,
    /// Of categories and codes.
    pub words: String,
}

/// Makes the tokens of a SKU. Neither part is ever empty.
pub fn index(naming: &Naming<'_>) -> Tokens {
    let mut names = BTreeSet::new();
    naming.names.iter().for_each(|text| add_text(text, true, &mut names));
    let mut words = BTreeSet::new();
    naming.words.iter().for_each(|text| add_text(text, false, &mut words));
    for code in &naming.codes {
        let whole: String = code.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        if !whole.is_empty() {
            words.insert(whole);
        }
    }
    Tokens { names: join(names), words: join(words) }
}

fn join(tokens: BTreeSet<String>) -> String {
    if tokens.is_empty() { "-".to_owned() } else { tokens.into_iter().collect::<Vec<_>>().join(" ") }
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3134f}')
}

/// Runs of Chinese characters (true) and of other letters and digits (false), in lower case.
fn runs(text: &str) -> Vec<(bool, String)> {
    let mut runs: Vec<(bool, String)> = Vec::new();
    let mut open = false;
    for c in text.chars() {
        if !c.is_alphanumeric() {
            open = false;
            continue;
        }
        let han = is_han(c);
        match runs.last_mut() {
            Some((kind, run)) if open && *kind == han => run.extend(c.to_lowercase()),
            _ => runs.push((han, c.to_lowercase().collect())),
        }
        open = true;
    }
    runs
}

fn add_text(text: &str, with_sounds: bool, tokens: &mut BTreeSet<String>) {
    let mut chars: Vec<char> = Vec::new();
    let mut starts: BTreeSet<usize> = BTreeSet::new();
    for (han, run) in &runs(text) {
        if !han {
            tokens.insert(run.clone());
            continue;
        }
        for token in JIEBA.cut_for_search(run, false) {
            tokens.insert(token.word.to_owned());
            starts.insert(chars.len() + token.start);
        }
        tokens.extend(run.chars().map(String::from));
        chars.extend(run.chars());
    }
    if with_sounds {
        starts.into_iter().take(STARTS_MAX).for_each(|start| add_sounds(&chars[start..], tokens));
    }
}

/// Pinyin and initials of the rest of a name; both are found by their beginning.
fn add_sounds(rest: &[char], tokens: &mut BTreeSet<String>) {
    let (mut full, mut initials) = (String::new(), String::new());
    for sound in rest.iter().take(SOUNDS_MAX).filter_map(ToPinyin::to_pinyin) {
        full.push_str(sound.plain());
        initials.push_str(sound.first_letter());
    }
    // ü is typed as v.
    tokens.extend([full, initials].into_iter().filter(|t| !t.is_empty()).map(|t| t.replace('ü', "v")));
}

/// A term of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The token.
    pub word: String,
    /// Tokens that begin with it match too.
    pub prefix: bool,
}

/// What was typed, as terms that must all match.
///
/// `loose` cuts Chinese into single characters: for a second try when nothing
/// was found.
pub fn query(text: &str, loose: bool) -> Vec<Term> {
    let mut terms: Vec<Term> = Vec::new();
    for (han, run) in runs(text) {
        if han && loose {
            terms.extend(run.chars().map(|c| Term { word: c.to_string(), prefix: false }));
        } else if han {
            let words = JIEBA.cut(&run, false);
            terms.extend(words.iter().map(|token| Term { word: token.word.to_owned(), prefix: false }));
        } else {
            terms.push(latin_term(&run));
        }
    }
    let mut seen = BTreeSet::new();
    terms.retain(|term| seen.insert(term.word.clone()));
    terms.truncate(TERMS_MAX);
    terms
}

/// What was typed, as it sounds: for a last try when the characters are wrong
/// (牛乃 sounds as 牛奶 does). Names are found by their beginning.
pub fn query_by_sound(text: &str) -> Vec<Term> {
    let sound = |run: &str| {
        let sounds: String = run.chars().filter_map(|c| c.to_pinyin().map(pinyin::Pinyin::plain)).collect();
        Term { word: sounds.replace('ü', "v"), prefix: true }
    };
    let runs = runs(text);
    let mut terms: Vec<Term> = runs.iter().map(|(han, run)| if *han { sound(run) } else { latin_term(run) }).collect();
    terms.retain(|term| !term.word.is_empty());
    terms.truncate(TERMS_MAX);
    terms
}

fn latin_term(run: &str) -> Term {
    let is_barcode = run.len() >= 8 && run.bytes().all(|b| b.is_ascii_digit());
    // "eggs" finds egg: English plurals are looked for by their stem.
    let plural = run.len() > 3 && run.ends_with('s') && !run.ends_with("ss") && run.is_ascii();
    let word = if plural { &run[..run.len() - 1] } else { run };
    Term { word: word.to_owned(), prefix: !is_barcode }
}

/// Does the text hold Chinese, so that a loose second try makes a difference?
pub fn has_han(text: &str) -> bool {
    text.chars().any(is_han)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(names: &[&str]) -> Vec<String> {
        let naming = Naming { names: names.to_vec(), words: vec![], codes: vec!["DF-001", "6901234567892"] };
        let made = index(&naming);
        made.names.split(' ').chain(made.words.split(' ')).map(str::to_owned).collect()
    }

    fn finds(typed: &str, tokens: &[String], loose: bool) -> bool {
        let terms = query(typed, loose);
        let hit = |term: &Term| tokens.iter().any(|t| *t == term.word || (term.prefix && t.starts_with(&term.word)));
        !terms.is_empty() && terms.iter().all(hit)
    }

    #[test]
    fn words_initials_english_and_codes_find() {
        let milk = tokens(&["蒙牛 全脂纯牛奶 950ml", "Mengniu Whole Milk"]);
        for typed in [
            "牛奶",
            "纯牛奶",
            "奶",
            "cnn",
            "nn",
            "chunniunai",
            "niunai",
            "milk",
            "Mil",
            "蒙牛 牛奶",
            "6901234567892",
            "df001",
            "950ml",
        ] {
            assert!(finds(typed, &milk, false), "{typed}: {milk:?}");
        }
        assert!(!finds("酸奶", &milk, false));
        assert!(finds("脂奶", &milk, true), "by characters");
    }

    #[test]
    fn wrong_characters_find_by_their_sound() {
        let milk = tokens(&["蒙牛 全脂纯牛奶 950ml"]);
        let terms = query_by_sound("牛乃 950");
        assert_eq!(terms.iter().map(|t| t.word.as_str()).collect::<Vec<_>>(), ["niunai", "950"]);
        assert!(terms.iter().all(|term| milk.iter().any(|t| t.starts_with(&term.word))), "{milk:?}");
    }

    #[test]
    fn plurals_find_their_stem() {
        let egg = tokens(&["鲜鸡蛋", "Fresh egg"]);
        assert!(finds("eggs", &egg, false));
        assert!(finds("鸡蛋", &egg, false));
    }

    #[test]
    fn nothing_typed_is_no_term() {
        assert_eq!(query(" ,. -", false), vec![]);
        assert_eq!(index(&Naming::default()), Tokens { names: "-".to_owned(), words: "-".to_owned() });
    }
}
