//! Takes weight off what wasm-bindgen made: comments and indentation of the
//! glue, and the 16 random digits in the names by which WASM and glue know each
//! other, which no compression can shorten. The names stay unique.

use crate::Result;
use std::collections::{BTreeMap, BTreeSet};

/// The section of a WASM file that lists its imports.
const IMPORTS: u8 = 2;

/// Slims glue and WASM together.
///
/// # Errors
/// If the WASM cannot be read.
pub fn slim(js: &str, wasm: &[u8]) -> Result<(String, Vec<u8>)> {
    let mut names = Names::default();
    let wasm = rename_imports(wasm, &mut names)?;
    let mut js = without_comments(js);
    for (long, short) in &names.short {
        js = js.replace(long.as_str(), short);
    }
    Ok((js, wasm))
}

/// Drops JSDoc, line comments and indentation; template texts of the glue stand on one line each.
fn without_comments(js: &str) -> String {
    let mut out = String::with_capacity(js.len());
    let mut in_comment = false;
    for line in js.lines().map(str::trim) {
        in_comment |= line.starts_with("/**");
        if !in_comment && !line.is_empty() && !line.starts_with("//") {
            out.push_str(line);
            out.push('\n');
        }
        in_comment &= !line.ends_with("*/");
    }
    out
}

/// Short names for hashed ones: `__wbg_call_14b169f759b26747` becomes `__wbg_call`, a second one `__wbg_call2`.
#[derive(Default)]
struct Names {
    short: BTreeMap<String, String>,
    taken: BTreeSet<String>,
}

impl Names {
    fn shorten(&mut self, name: &str) -> String {
        let hash_at = name.len().checked_sub(17).filter(|at| {
            name.is_char_boundary(*at)
                && name[*at..].starts_with('_')
                && name[*at + 1..].bytes().all(|b| b.is_ascii_hexdigit())
        });
        let Some(at) = hash_at else { return name.to_owned() };
        if let Some(known) = self.short.get(name) {
            return known.clone();
        }
        let stem = &name[..at];
        let numbered = (1..).map(|n| if n == 1 { stem.to_owned() } else { format!("{stem}{n}") });
        let short = numbered.into_iter().find(|short| !self.taken.contains(short)).unwrap_or_else(|| name.to_owned());
        self.taken.insert(short.clone());
        self.short.insert(name.to_owned(), short.clone());
        short
    }
}

/// Reads the bytes of a WASM file one value after another.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len()).ok_or("the WASM ends too soon")?;
        let part = &self.bytes[self.at..end];
        self.at = end;
        Ok(part)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// An unsigned number in LEB128.
    fn number(&mut self) -> Result<usize> {
        let (mut value, mut shift) = (0_usize, 0_u32);
        loop {
            let byte = self.byte()?;
            value |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return Ok(value);
            }
            if shift > 35 {
                return Err("a number in the WASM is too long".into());
            }
        }
    }

    fn name(&mut self) -> Result<&'a str> {
        let count = self.number()?;
        Ok(std::str::from_utf8(self.take(count)?)?)
    }

    /// What is imported, as its bytes: a function, table, memory, global or tag.
    fn description(&mut self) -> Result<&'a [u8]> {
        let start = self.at;
        match self.byte()? {
            0 => {
                self.number()?;
            }
            kind @ (1 | 2) => {
                self.take(usize::from(kind == 1))?;
                let has_maximum = self.byte()? & 1 == 1;
                self.number()?;
                if has_maximum {
                    self.number()?;
                }
            }
            3 => {
                self.take(2)?;
            }
            4 => {
                self.byte()?;
                self.number()?;
            }
            other => return Err(format!("an import of the unknown kind {other}").into()),
        }
        Ok(&self.bytes[start..self.at])
    }
}

fn write_number(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or(0));
}

fn write_name(out: &mut Vec<u8>, name: &str) {
    write_number(out, name.len());
    out.extend_from_slice(name.as_bytes());
}

fn rename_imports(wasm: &[u8], names: &mut Names) -> Result<Vec<u8>> {
    let mut reader = Reader { bytes: wasm, at: 0 };
    let mut out = reader.take(8)?.to_vec();
    while reader.at < wasm.len() {
        let id = reader.byte()?;
        let size = reader.number()?;
        let body = reader.take(size)?;
        let body = if id == IMPORTS { renamed(body, names)? } else { body.to_vec() };
        out.push(id);
        write_number(&mut out, body.len());
        out.extend(body);
    }
    Ok(out)
}

fn renamed(section: &[u8], names: &mut Names) -> Result<Vec<u8>> {
    let mut reader = Reader { bytes: section, at: 0 };
    let count = reader.number()?;
    let mut out = Vec::with_capacity(section.len());
    write_number(&mut out, count);
    for _ in 0..count {
        let module = reader.name()?;
        let field = names.shorten(reader.name()?);
        write_name(&mut out, module);
        write_name(&mut out, &field);
        out.extend_from_slice(reader.description()?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with two imported functions of one stem.
    fn file(names: [&str; 2]) -> Vec<u8> {
        let mut section = vec![2];
        for name in names {
            write_name(&mut section, "./z_bg.js");
            write_name(&mut section, name);
            section.extend([0, 5]);
        }
        let mut file = b"\0asm\x01\0\0\0".to_vec();
        file.push(IMPORTS);
        write_number(&mut file, section.len());
        file.extend(section);
        file.extend([7, 1, 0]);
        file
    }

    #[test]
    fn hashes_go_from_both_sides_alike() {
        let long = ["__wbg_call_14b169f759b26747", "__wbg_call_0123456789abcdef"];
        let js = "/**\n * @param {any} a\n */\nreturn {\n    __wbg_call_14b169f759b26747: f, // kept\n    __wbg_call_0123456789abcdef: g,\n};\n";
        let (js, wasm) = slim(js, &file(long)).expect("a sound file");
        assert_eq!(js, "return {\n__wbg_call: f, // kept\n__wbg_call2: g,\n};\n");
        assert_eq!(wasm, file(["__wbg_call", "__wbg_call2"]));
    }

    #[test]
    fn other_names_stay() {
        let names = ["__wbindgen_init_externref_table", "memory"];
        assert_eq!(slim("", &file(names)).expect("a sound file").1, file(names));
    }

    #[test]
    fn a_file_that_is_cut_off_is_refused() {
        let whole = file(["a", "b"]);
        assert!(slim("", &whole[..20]).is_err());
    }
}
