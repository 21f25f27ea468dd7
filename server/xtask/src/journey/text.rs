//! Readable names from the data set's shelf labels, which are short, shouted
//! and abbreviated: `FRZN VEGETABLE/VEG DSH` reads `Frozen vegetable/vegetable dish`.

use std::collections::HashMap;

const ABBREVIATIONS: [(&str, &str); 44] = [
    ("BEERALEMALT", "beer, ale, malt"),
    ("BKD", "baked"),
    ("BN", "beans"),
    ("BRKFST", "breakfast"),
    ("BTL", "bottle"),
    ("BTR", "butter"),
    ("CARB", "carbonated"),
    ("CATFD", "cat food"),
    ("CHOCOCLATE", "chocolate"),
    ("CLEANG", "cleaning"),
    ("CONC", "concentrate"),
    ("CRYSTL", "crystal"),
    ("DNR", "dinner"),
    ("DNRS", "dinners"),
    ("DRNK", "drink"),
    ("DRNKS", "drinks"),
    ("DRSNG", "dressing"),
    ("DSH", "dish"),
    ("FD", "food"),
    ("FLVRD", "flavoured"),
    ("FRZ", "frozen"),
    ("FRZN", "frozen"),
    ("GDS", "goods"),
    ("JCE", "juice"),
    ("MACH", "machine"),
    ("MISC", "other"),
    ("MX", "mix"),
    ("MXS", "mixes"),
    ("PKGD", "packaged"),
    ("PKLD", "pickled"),
    ("PNT", "peanut"),
    ("PREM", "premium"),
    ("PWDR", "powder"),
    ("REFRGRATD", "chilled"),
    ("REFRIG", "chilled"),
    ("SALD", "salad"),
    ("SAUCESSALSAPICANTEE", "sauces, salsa"),
    ("SFT", "soft"),
    ("SNDWCH", "sandwich"),
    ("SPECILATY", "specialty"),
    ("SS", "single serve"),
    ("SW", "sweet"),
    ("VEG", "vegetable"),
    ("WTR", "water"),
];

/// Departments whose labels say little outside of the chain.
const DEPARTMENTS: [(&str, &str); 5] = [
    ("CHEF SHOPPE", "Chef's shop"),
    ("DRUG GM", "Health and home"),
    ("MEAT-PCKGD", "Packaged meat"),
    ("NUTRITION", "Natural foods"),
    ("SEAFOOD-PCKGD", "Packaged seafood"),
];

/// What the labels mean, in both languages.
pub struct Glossary {
    english: HashMap<&'static str, &'static str>,
    chinese: HashMap<&'static str, &'static str>,
    pictures: Vec<(&'static str, &'static str)>,
}

impl Glossary {
    /// The words that come with this tool.
    pub fn new() -> Self {
        let table = |csv: &'static str| csv.lines().skip(1).filter_map(|line| line.split_once(','));
        Self {
            english: ABBREVIATIONS.into_iter().collect(),
            chinese: table(include_str!("names.csv")).collect(),
            pictures: table(include_str!("pictures.csv")).collect(),
        }
    }

    /// A label in English, with a capital at its beginning.
    pub fn english(&self, label: &str) -> String {
        if let Some((_, name)) = DEPARTMENTS.iter().find(|(department, _)| *department == label) {
            return (*name).to_owned();
        }
        // Labels are cut at 30 characters, so a bracket may never be closed.
        let label = match (label.find('('), label.find(')')) {
            (Some(open), None) => &label[..open],
            _ => label,
        };
        let mut words: Vec<String> = Vec::new();
        for word in label.split_whitespace() {
            words
                .push(word.split_inclusive(|c: char| !c.is_ascii_alphanumeric()).map(|part| self.part(part)).collect());
        }
        let text = words.join(" ").replace(" - ", ", ").replace("- ", ", ").replace(" ,", ",");
        let text = text.trim_matches(|c: char| !c.is_alphanumeric() && c != ')' && c != '%');
        let mut chars = text.chars();
        chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
    }

    fn part(&self, part: &str) -> String {
        let word = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let full = self.english.get(word).map_or_else(|| word.to_lowercase(), ToString::to_string);
        let full = if full == "bbq" { "BBQ".to_owned() } else { full };
        full + &part[word.len()..]
    }

    /// A label in Chinese; what the glossary lacks stays English.
    pub fn chinese(&self, label: &str) -> String {
        self.chinese.get(label).map_or_else(|| self.english(label), ToString::to_string)
    }

    /// The picture of the first word that one of the labels holds.
    pub fn picture(&self, labels: &[&str]) -> &'static str {
        let find = |label: &&str| self.pictures.iter().find(|(word, _)| label.contains(word));
        labels.iter().find_map(find).map_or("shopping-bags", |(_, picture)| picture)
    }
}

/// A label as part of a code: letters and digits joined by `-`.
pub fn slug(label: &str) -> String {
    let words: Vec<String> = label
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join("-")
}

/// Net content of a package: (amount, `g`, `ml` or `piece`). `12 PK/12 OZ` is
/// twelve times twelve ounces; an ounce of a drink is a measure, else a weight.
pub fn content(size: &str, is_drink: bool) -> Option<(u32, &'static str)> {
    let size = size.trim().replace("FL OZ", "FLOZ");
    let mut packs = 1.0;
    let mut last = None;
    for part in size.split('/') {
        let part = part.trim();
        let digits = part.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(part.len());
        let amount: f64 = part[..digits].parse().ok()?;
        let unit = part[digits..].split_whitespace().next().unwrap_or("");
        match unit_of(unit, is_drink) {
            Some(unit) => last = Some((amount * unit.0, unit.1)),
            None if matches!(unit, "" | "PK" | "PKS" | "P") => packs = amount,
            None => return None,
        }
    }
    let (amount, unit) = last?;
    let amount = (amount * packs).round();
    (1.0..=1_000_000.0).contains(&amount).then_some((whole(amount)?, unit))
}

fn whole(amount: f64) -> Option<u32> {
    format!("{amount:.0}").parse().ok()
}

fn unit_of(unit: &str, is_drink: bool) -> Option<(f64, &'static str)> {
    Some(match unit {
        "OZ" if !is_drink => (28.349_523, "g"),
        "OZ" | "FLOZ" => (29.573_53, "ml"),
        "LB" => (453.592_37, "g"),
        "G" => (1.0, "g"),
        "ML" => (1.0, "ml"),
        "L" => (1000.0, "ml"),
        "PT" => (473.176_47, "ml"),
        "QT" => (946.352_95, "ml"),
        "GAL" | "GA" => (3_785.411_8, "ml"),
        "CT" | "PC" | "STEM" => (1.0, "piece"),
        "DZ" => (12.0, "piece"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_become_readable() {
        let glossary = Glossary::new();
        assert_eq!(glossary.english("FRZN VEGETABLE/VEG DSH"), "Frozen vegetable/vegetable dish");
        assert_eq!(glossary.english("CAN CATFD GOURMET/SUP PREM (GR"), "Can cat food gourmet/sup premium");
        assert_eq!(glossary.english("SEAFOOD - FROZEN"), "Seafood, frozen");
        assert_eq!(glossary.chinese("FLUID MILK PRODUCTS"), "牛奶");
        assert_eq!(slug("FRZN MEAT/MEAT DINNERS"), "frzn-meat-meat-dinners");
        assert_eq!(glossary.picture(&["FLUID MILK PRODUCTS"]), "glass-of-milk");
        assert_eq!(glossary.picture(&["J-HOOKS"]), "shopping-bags");
    }

    #[test]
    fn sizes_become_net_contents() {
        assert_eq!(content("16 OZ", false), Some((454, "g")));
        assert_eq!(content("64 OZ", true), Some((1893, "ml")));
        assert_eq!(content("12 PK/12 OZ", true), Some((4259, "ml")));
        assert_eq!(content("4/8 OZ", false), Some((907, "g")));
        assert_eq!(content("12 CT", false), Some((12, "piece")));
        assert_eq!(content("95 LDS", false), None);
        assert_eq!(content("PT", true), None);
    }
}
