//! Words by which goods are found: made for the index and for what is typed.
//!
//! Chinese is cut by jieba's dictionary; single characters are indexed too, so
//! that one character finds goods and a word that the dictionary does not know
//! is found by its characters. From every word on, the rest of the name is
//! indexed in pinyin and in pinyin initials: `cnn` and `chunniunai` find 纯牛奶
//! wherever it stands in the name. English words are found by their beginning.
//! A token is letters and digits only, in lower case.
//!
//! A category and those above it stand in the index by one token each, made of
//! their codes ([`category`]), not by the words of their names: there are few
//! categories, so a query is told which of them its words name
//! ([`Term::categories`]). So the index is a third smaller, and a category that gets
//! another name is found by it at once.

use jieba_rs::Jieba;
use pinyin::{Pinyin, ToPinyin};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::LazyLock;

/// Terms of a query that are looked at; the rest is dropped.
const TERMS_MAX: usize = 8;
/// Words of a name from which on pinyin is indexed.
const STARTS_MAX: usize = 12;
/// Characters of a name whose pinyin is indexed from each of them on.
const SOUNDS_MAX: usize = 10;

/// The dictionary: loaded once, when first needed.
static JIEBA: LazyLock<Jieba> = LazyLock::new(Jieba::new);

/// Loads the dictionary, which takes a tenth of a second or two, before somebody waits for it.
pub fn load() {
    LazyLock::force(&JIEBA);
}

/// The texts of a SKU that it is found by.
#[derive(Clone, Debug, Default)]
pub struct Naming<'a> {
    /// Names, options and brand: what ranks first.
    pub names: Vec<&'a str>,
    /// Descriptions of size: what ranks second.
    pub words: Vec<&'a str>,
    /// Codes of its category and of those above it; they rank second, too.
    pub categories: Vec<&'a str>,
    /// Barcode and codes: found whole.
    pub codes: Vec<&'a str>,
}

/// Tokens of a SKU, apart by one space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Of names and brand.
    pub names: String,
    /// Of sizes, categories and codes.
    pub words: String,
}

/// Makes the tokens of a SKU. Neither part is ever empty.
pub fn index(naming: &Naming<'_>) -> Tokens {
    Maker::default().index(naming)
}

/// The words by which a category is found: tokens of its names, apart by one space.
pub fn category_words(names: &[&str]) -> String {
    index(&Naming { words: names.to_vec(), ..Naming::default() }).words
}

/// The token that stands for a category in the index. Nobody can type it: it
/// begins with a character for private use, and what is no small letter or digit
/// of the code is moved to such characters too, which both databases keep apart.
pub fn category(code: &str) -> String {
    let moved = |c: char| char::from_u32(PRIVATE + u32::from(c)).unwrap_or(c);
    let kept = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { moved(c) };
    char::from_u32(PRIVATE).into_iter().chain(code.chars().map(kept)).collect()
}

/// The first of Unicode's characters for private use.
const PRIVATE: u32 = 0xe000;

/// Texts of at most so many bytes recur (brands, sizes, categories) and are remembered.
const SHORT: usize = 24;
/// So many of them.
const REMEMBERED: usize = 50_000;

/// Makes the tokens of many SKUs, one after another.
#[derive(Debug, Default)]
pub struct Maker {
    /// Tokens of short texts, with and without their sounds.
    sounded: HashMap<String, String>,
    plain: HashMap<String, String>,
    bag: Bag,
}

impl Maker {
    /// Makes the tokens of a SKU. Neither part is ever empty.
    pub fn index(&mut self, naming: &Naming<'_>) -> Tokens {
        naming.names.iter().for_each(|text| self.add(text, true));
        let names = self.bag.take();
        naming.words.iter().for_each(|text| self.add(text, false));
        naming.categories.iter().for_each(|code| self.bag.put(&category(code)));
        for code in &naming.codes {
            let whole: String = code.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
            self.bag.put(&whole);
        }
        Tokens { names, words: self.bag.take() }
    }

    fn add(&mut self, text: &str, with_sounds: bool) {
        if text.is_empty() || text.len() > SHORT {
            return add_text(text, with_sounds, &mut self.bag);
        }
        let memo = if with_sounds { &mut self.sounded } else { &mut self.plain };
        if memo.len() >= REMEMBERED {
            memo.clear();
        }
        if !memo.contains_key(text) {
            let mut bag = Bag::default();
            add_text(text, with_sounds, &mut bag);
            memo.insert(text.to_owned(), bag.take());
        }
        memo.get(text).into_iter().flat_map(|known| known.split(' ')).for_each(|token| self.bag.put(token));
    }
}

/// Tokens as they are found, in one text.
#[derive(Debug, Default)]
struct Bag {
    text: String,
    tokens: Vec<Range<usize>>,
}

impl Bag {
    fn put(&mut self, token: &str) {
        self.end(self.text.len(), |text| text.push_str(token));
    }

    /// Puts in what `write` adds to the text.
    fn end(&mut self, start: usize, write: impl FnOnce(&mut String)) {
        write(&mut self.text);
        // What stands for nothing in a SKU is no token.
        if !matches!(&self.text[start..], "" | NOTHING) {
            self.tokens.push(start..self.text.len());
        }
    }

    /// All tokens, each once, in their order, apart by one space.
    fn take(&mut self) -> String {
        let Self { text, tokens } = self;
        tokens.sort_unstable_by(|a, b| text[a.clone()].cmp(&text[b.clone()]));
        tokens.dedup_by(|a, b| text[a.clone()] == text[b.clone()]);
        let mut all = String::with_capacity(tokens.iter().map(|token| token.len() + 1).sum());
        for token in tokens.iter() {
            all.push_str(if all.is_empty() { "" } else { " " });
            all.push_str(&text[token.clone()]);
        }
        text.clear();
        tokens.clear();
        if all.is_empty() { NOTHING.to_owned() } else { all }
    }
}

/// Stands for no token at all.
const NOTHING: &str = "-";

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

fn add_text(text: &str, with_sounds: bool, bag: &mut Bag) {
    let (mut chars, mut starts): (Vec<char>, Vec<usize>) = (Vec::new(), Vec::new());
    for (han, run) in &runs(text) {
        if !han {
            bag.put(run);
            continue;
        }
        for token in JIEBA.cut_for_search(run, false) {
            bag.put(token.word);
            starts.push(chars.len() + token.start);
        }
        for c in run.chars() {
            bag.end(bag.text.len(), |text| text.push(c));
            chars.push(c);
        }
    }
    if with_sounds {
        starts.sort_unstable();
        starts.dedup();
        let sounds: Vec<Option<Pinyin>> = chars.iter().map(ToPinyin::to_pinyin).collect();
        starts.into_iter().take(STARTS_MAX).for_each(|start| add_sounds(&sounds[start..], bag));
    }
}

/// Pinyin and initials of the rest of a name; both are found by their beginning.
fn add_sounds(rest: &[Option<Pinyin>], bag: &mut Bag) {
    let sounds = || rest.iter().take(SOUNDS_MAX).flatten();
    bag.end(bag.text.len(), |text| sounds().for_each(|sound| push_typed(text, sound.plain())));
    bag.end(bag.text.len(), |text| sounds().for_each(|sound| push_typed(text, sound.first_letter())));
}

/// ü is typed as v.
fn push_typed(text: &mut String, sound: &str) {
    text.extend(sound.chars().map(|c| if c == 'ü' { 'v' } else { c }));
}

/// A term of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The token.
    pub word: String,
    /// Tokens that begin with it match too.
    pub prefix: bool,
    /// Tokens of categories that it names: what is in one of them matches as well.
    pub categories: Vec<String>,
}

impl Term {
    fn new(word: impl Into<String>, prefix: bool) -> Self {
        Self { word: word.into(), prefix, categories: Vec::new() }
    }

    /// Is it one of these tokens, which are apart by one space, or the beginning of one?
    pub fn hits(&self, tokens: &str) -> bool {
        tokens.split(' ').any(|token| token == self.word || (self.prefix && token.starts_with(&self.word)))
    }
}

/// What was typed, as terms that must all match.
///
/// `loose` cuts Chinese into single characters: for a second try when nothing
/// was found.
pub fn query(text: &str, loose: bool) -> Vec<Term> {
    let mut terms: Vec<Term> = Vec::new();
    for (han, run) in runs(text) {
        if han && loose {
            terms.extend(run.chars().map(|c| Term::new(c, false)));
        } else if han {
            let words = JIEBA.cut(&run, false);
            terms.extend(words.iter().map(|token| Term::new(token.word, false)));
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
        let sounds: String = run.chars().take(SOUNDS_MAX).filter_map(|c| c.to_pinyin().map(Pinyin::plain)).collect();
        Term::new(sounds.replace('ü', "v"), true)
    };
    let runs = runs(text);
    let mut terms: Vec<Term> = runs.iter().map(|(han, run)| if *han { sound(run) } else { latin_term(run) }).collect();
    terms.retain(|term| !term.word.is_empty());
    terms.truncate(TERMS_MAX);
    terms
}

/// Several words that were typed as they stand in a name, such as a whole name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    /// Its letters and digits, in lower case; a space between Chinese and others.
    pub text: String,
    /// What it sounds like, where words stand together, or nothing. It is found much
    /// sooner than words that are each met everywhere. Names go on after it.
    pub sound: Vec<Term>,
}

impl Phrase {
    /// The sound of names that end with it (but for what is not Chinese).
    pub fn whole_sound(&self) -> Vec<Term> {
        self.sound.iter().map(|term| Term::new(term.word.as_str(), false)).collect()
    }
}

/// What was typed as a phrase, if it is more than a word.
pub fn phrase(text: &str) -> Option<Phrase> {
    let words = query(text, false);
    let sound = if has_han(text) { query_by_sound(text) } else { Vec::new() };
    (words.len() > 1).then(|| Phrase {
        text: runs(text).into_iter().map(|(_, run)| run).collect::<Vec<_>>().join(" "),
        sound: if sound.len() < words.len() { sound } else { Vec::new() },
    })
}

fn latin_term(run: &str) -> Term {
    let is_barcode = run.len() >= 8 && run.bytes().all(|b| b.is_ascii_digit());
    // "eggs" finds egg: English plurals are looked for by their stem.
    let plural = run.len() > 3 && run.ends_with('s') && !run.ends_with("ss") && run.is_ascii();
    let word = if plural { &run[..run.len() - 1] } else { run };
    Term::new(word, !is_barcode)
}

/// Does the text hold Chinese, so that a loose second try makes a difference?
pub fn has_han(text: &str) -> bool {
    text.chars().any(is_han)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(names: &[&str]) -> String {
        let naming = Naming { names: names.to_vec(), codes: vec!["DF-001", "6901234567892"], ..Naming::default() };
        let made = index(&naming);
        format!("{} {}", made.names, made.words)
    }

    fn finds(typed: &str, tokens: &str, loose: bool) -> bool {
        let terms = query(typed, loose);
        !terms.is_empty() && terms.iter().all(|term| term.hits(tokens))
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
        assert!(terms.iter().all(|term| term.hits(&milk)), "{milk:?}");
    }

    #[test]
    fn a_whole_name_is_a_phrase() {
        let long = "老味无添加草莓味火锅底料";
        let sound = &phrase(long).expect("several words").sound;
        assert!(sound.iter().all(|term| term.hits(&tokens(&[long]))), "{sound:?}: as long as it is indexed");
        let milk = phrase("蒙牛 纯牛奶950ML").expect("several words");
        assert_eq!(milk.text, "蒙牛 纯牛奶 950ml");
        assert_eq!(phrase("蒙牛 950").map(|phrase| phrase.sound), Some(vec![]), "no words stand together");
        assert_eq!(phrase("牛奶"), None);
    }

    #[test]
    fn plurals_find_their_stem() {
        let egg = tokens(&["鲜鸡蛋", "Fresh egg"]);
        assert!(finds("eggs", &egg, false));
        assert!(finds("鸡蛋", &egg, false));
    }

    #[test]
    fn categories_have_tokens_that_nobody_can_type() {
        let codes = ["dairy", "Dairy", "dairy-1", "dairy_1", "dairy1", "dairy.1", "DAIRY"];
        let made: BTreeSet<String> = codes.iter().map(|code| category(code)).collect();
        assert_eq!(made.len(), codes.len(), "each has its own");
        for token in &made {
            assert!(query(token, false).iter().all(|term| !term.hits(token)), "{token:?} was typed");
            assert_eq!(token.to_lowercase(), *token, "the databases would fold it");
        }
        let milk = index(&Naming { names: vec!["纯牛奶"], categories: codes.to_vec(), ..Naming::default() });
        assert!(made.iter().all(|token| milk.words.split(' ').any(|word| word == token)), "{milk:?}");
        assert!(Term::new("奶", false).hits(&category_words(&["乳品 奶酪", "Dairy"])), "a category's own words");
    }

    #[test]
    fn nothing_typed_is_no_term() {
        assert_eq!(query(" ,. -", false), vec![]);
        assert_eq!(index(&Naming::default()), Tokens { names: "-".to_owned(), words: "-".to_owned() });
    }
}
