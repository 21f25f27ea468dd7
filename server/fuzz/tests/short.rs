//! The short form of fuzzing, in every test run: each target takes its seeds,
//! and mutations of them that are the same each time.

use std::fs;
use std::path::Path;

/// Small numbers that look random and are the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % sides.max(1)
    }
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
    let mut files: Vec<_> = fs::read_dir(folder).expect("seeds").map(|file| file.expect("a seed").path()).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).expect("a seed's bytes")).collect()
}

/// One of the seeds, changed in one to four places.
fn mutation(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    const ODD: [&[u8]; 12] = [
        b"",
        b"\0",
        b"-",
        b"\"",
        b",",
        b"\n",
        b"%",
        b"9223372036854775807",
        b"-9223372036854775808",
        b"\xff\xfe",
        "奶".as_bytes(),
        b"<x>",
    ];
    let mut bytes = seeds[dice.roll(seeds.len())].clone();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(bytes.len() + 1);
        match dice.roll(6) {
            0 => bytes.insert(at, u8::try_from(dice.roll(256)).unwrap_or(0)),
            1 if at < bytes.len() => bytes[at] = u8::try_from(dice.roll(256)).unwrap_or(0),
            2 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
            3 => {
                bytes.drain(at..(at + dice.roll(8)).min(bytes.len()));
            }
            4 => {
                let odd = ODD[dice.roll(ODD.len())];
                bytes.splice(at..at, odd.iter().copied());
            }
            _ => {
                // The rest of another one.
                let other = &seeds[dice.roll(seeds.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[dice.roll(other.len() + 1)..]);
            }
        }
    }
    bytes
}

fn short(name: &str) {
    let target = fuzz::target(name).expect("a target of this name");
    let seeds = seeds(name);
    for seed in &seeds {
        (target.run)(seed);
    }
    let mut dice = Dice(0x2545_F491_4F6C_DD1D);
    for n in 0..target.short {
        let input = mutation(&seeds, &mut dice);
        let thrown = std::panic::catch_unwind(|| (target.run)(&input));
        assert!(thrown.is_ok(), "{name}, mutation {n}: {}", input.escape_ascii());
    }
}

macro_rules! short {
    ($($name:ident),*) => {$(
        #[test]
        fn $name() {
            short(stringify!($name));
        }
    )*

        #[test]
        fn every_target_has_a_short_form() {
            assert_eq!(fuzz::TARGETS.map(|target| target.name), [$(stringify!($name)),*]);
        }
    };
}

short!(texts, wire, import, workbook, callback, links, page, form, feed);
