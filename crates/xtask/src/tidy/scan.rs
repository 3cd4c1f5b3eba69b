//! Rust source with everything blanked that is not code.
//!
//! Not a parser: it knows comments, strings, raw strings and characters, which is what is needed to count braces
//! and to look for words.

/// The source with comments and the insides of strings and characters replaced by spaces.
///
/// Lines and columns (in bytes) stay where they are.
pub(super) fn code_of(source: &str) -> String {
    let mut scanner = Scanner {
        bytes: source.as_bytes(),
        at: 0,
        code: Vec::with_capacity(source.len()),
    };
    while scanner.at < scanner.bytes.len() {
        scanner.step();
    }
    String::from_utf8_lossy(&scanner.code).into_owned()
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    code: Vec<u8>,
}

impl Scanner<'_> {
    fn step(&mut self) {
        let rest = &self.bytes[self.at..];
        if rest.starts_with(b"//") {
            let end = rest.iter().position(|byte| *byte == b'\n');
            self.blank(end.unwrap_or(rest.len()));
        } else if rest.starts_with(b"/*") {
            self.blank(block_comment(rest));
        } else if rest[0] == b'"' {
            self.blank(quoted(rest, b'"'));
        } else if let Some(length) = self.raw_string(rest) {
            self.blank(length);
        } else if let Some(length) = character(rest) {
            self.blank(length);
        } else {
            self.code.push(rest[0]);
            self.at += 1;
        }
    }

    fn blank(&mut self, length: usize) {
        let blanked = &self.bytes[self.at..self.at + length];
        self.code.extend(
            blanked
                .iter()
                .map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }),
        );
        self.at += length;
    }

    /// The length of a raw string (`r"`, `r#"`, `br"`, `cr"`) that begins here, and is not the end of a word.
    fn raw_string(&self, rest: &[u8]) -> Option<usize> {
        let before = self.at.checked_sub(1).map(|at| self.bytes[at]);
        if before.is_some_and(is_word) {
            return None;
        }
        let prefix = match rest {
            [b'r', ..] => 1,
            [b'b' | b'c', b'r', ..] => 2,
            _ => return None,
        };
        let hashes = rest[prefix..]
            .iter()
            .take_while(|byte| **byte == b'#')
            .count();
        let start = prefix + hashes;
        if rest.get(start) != Some(&b'"') {
            return None;
        }
        let mut end = vec![b'"'];
        end.resize(1 + hashes, b'#');
        let length = rest[start + 1..]
            .windows(end.len())
            .position(|window| window == end);
        Some(length.map_or(rest.len(), |length| start + 1 + length + end.len()))
    }
}

pub(super) fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// The length of a block comment; they nest.
fn block_comment(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The length of a literal up to its closing quote, escapes observed.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a character literal; a quote that begins a lifetime is none.
fn character(rest: &[u8]) -> Option<usize> {
    if rest[0] != b'\'' {
        return None;
    }
    if rest.get(1) == Some(&b'\\') {
        return Some(quoted(rest, b'\''));
    }
    let letter = std::str::from_utf8(&rest[1..rest.len().min(5)]);
    let letter = match letter {
        Ok(text) => text.chars().next(),
        Err(error) => std::str::from_utf8(&rest[1..=error.valid_up_to()])
            .ok()
            .and_then(|text| text.chars().next()),
    };
    let end = 1 + letter?.len_utf8();
    (rest.get(end) == Some(&b'\'')).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of a line of code, with runs of blanks as one.
    fn left(source: &str) -> String {
        let code = code_of(source);
        assert_eq!(code.len(), source.len());
        code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_go() {
        assert_eq!(left("a // { \"\nb /* { /* } */ { */ c"), "a b c");
        assert_eq!(left("a /// it's {\nb"), "a b");
    }

    #[test]
    fn strings_go() {
        assert_eq!(left(r#"f("{ \" }", b"{", c"\\") + 1"#), "f( , b , c ) + 1");
        assert_eq!(left("f(r\"\\\", br#\"{\"}\"#, 'r')"), "f( , , )");
        assert_eq!(left("let bar = var\"\";"), "let bar = var ;");
    }

    #[test]
    fn characters_go_and_lifetimes_stay() {
        assert_eq!(
            left("('{', '\\'', '\\u{7d}', 'é', '🦀', b'\"')"),
            "( , , , , , b )"
        );
        assert_eq!(
            left("fn f<'a>(x: &'a str) -> &'static str"),
            "fn f<'a>(x: &'a str) -> &'static str"
        );
    }

    #[test]
    fn lines_stay_where_they_are() {
        let source = "let a = \"1\n2\";\n/* 3\n4 */ b";
        let code = code_of(source);
        assert_eq!(code.lines().count(), source.lines().count());
        assert_eq!(code.lines().last(), Some("     b"));
    }
}
