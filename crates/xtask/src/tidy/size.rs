//! No file is over 700 lines and no function over 70: what is longer is more than one thing.
//!
//! A plain table or match may be longer: a comment `// tidy: table` right above the function exempts it.

use super::scan::{code_of, is_word};
use super::{Tree, Violation};

/// Lines of a Rust file.
const FILE_LINES: usize = 700;
/// Lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES: usize = 70;
const EXEMPT: &str = "// tidy: table";

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.ending(".rs") {
        let lines = file.text.lines().count();
        if lines > FILE_LINES {
            let what = format!("the file has {lines} lines, at most {FILE_LINES} are allowed");
            violations.push(Violation::new(&file.path, 0, what));
        }
        for function in functions(&file.text) {
            if function.lines > FUNCTION_LINES && !function.exempt {
                let what = format!(
                    "`{}` has {} lines, at most {FUNCTION_LINES} are allowed",
                    function.name, function.lines
                );
                violations.push(Violation::new(&file.path, function.line, what));
            }
        }
    }
    violations
}

/// A function with a body.
struct Function {
    name: String,
    /// The line of its `fn`, from 1.
    line: usize,
    lines: usize,
    exempt: bool,
}

fn functions(source: &str) -> Vec<Function> {
    let code = code_of(source);
    let bytes = code.as_bytes();
    let source_lines: Vec<_> = source.lines().collect();
    let starts = code.match_indices("fn").filter(|(at, _)| {
        let before = at.checked_sub(1).map(|at| bytes[at]);
        let after = bytes.get(at + 2);
        !before.is_some_and(is_word) && after.is_some_and(u8::is_ascii_whitespace)
    });
    starts
        .filter_map(|(at, _)| {
            let name: String = code[at + 2..]
                .trim_start()
                .chars()
                .take_while(|letter| *letter == '_' || *letter == '$' || letter.is_alphanumeric())
                .collect();
            let end = end_of_body(&bytes[at..])?;
            let line = 1 + newlines(&code[..at]);
            (!name.is_empty()).then(|| Function {
                name,
                line,
                lines: 1 + newlines(&code[at..at + end]),
                exempt: is_exempt(&source_lines[..line - 1]),
            })
        })
        .collect()
}

fn newlines(code: &str) -> usize {
    code.matches('\n').count()
}

/// Where the body of a function ends; `None` where it has none, as in a trait.
fn end_of_body(code: &[u8]) -> Option<usize> {
    let mut brackets = 0_i32;
    let mut braces = 0_i32;
    for (at, byte) in code.iter().enumerate() {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets -= 1,
            b';' if brackets == 0 && braces == 0 => return None,
            b'{' => braces += 1,
            b'}' => {
                braces -= 1;
                if braces <= 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether the marker stands above the function, with nothing but its attributes and documentation between.
fn is_exempt(above: &[&str]) -> bool {
    above
        .iter()
        .rev()
        .map(|line| line.trim())
        .take_while(|line| line.starts_with("//") || line.starts_with("#["))
        .any(|line| line.starts_with(EXEMPT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function_of(lines: usize) -> String {
        let body = "    work();\n".repeat(lines - 2);
        format!("fn long(x: [u8; 4]) -> u8 {{\n{body}}}\n")
    }

    fn found(source: &str) -> Vec<Violation> {
        check(&Tree::of(&[("crates/a/src/lib.rs", source)]))
    }

    #[test]
    fn a_function_over_its_limit_is_found() {
        assert_eq!(found(&function_of(FUNCTION_LINES)), []);
        let source = format!("// fn {{\nconst X: &str = \"}}\";\n{}", function_of(71));
        let what = "`long` has 71 lines, at most 70 are allowed";
        assert_eq!(
            found(&source),
            [Violation::new("crates/a/src/lib.rs", 3, what)]
        );
    }

    #[test]
    fn a_brace_in_a_string_does_not_end_a_function() {
        let body = "    say(\"}\", '}', r#\"}\"#); // }\n".repeat(70);
        assert_eq!(found(&format!("fn long() {{\n{body}}}\n")).len(), 1);
    }

    #[test]
    fn a_table_is_exempt() {
        let source = format!("/// Doc.\n// tidy: table\n#[inline]\n{}", function_of(90));
        assert_eq!(found(&source), []);
        let source = format!("// tidy: table\nconst X: u8 = 1;\n{}", function_of(90));
        assert_eq!(found(&source).len(), 1);
    }

    #[test]
    fn a_function_without_a_body_has_no_lines() {
        let source = format!(
            "trait T {{\n    fn a(x: [u8; 4]);\n{}}}\n",
            "    // more\n".repeat(90)
        );
        assert_eq!(found(&source), []);
        assert_eq!(
            found(&format!("type F = fn(u8);\n{}", "// more\n".repeat(90))),
            []
        );
    }

    #[test]
    fn a_file_over_its_limit_is_found() {
        assert_eq!(found(&"// more\n".repeat(FILE_LINES)), []);
        let what = "the file has 701 lines, at most 700 are allowed";
        let found = found(&"// more\n".repeat(FILE_LINES + 1));
        assert_eq!(found, [Violation::new("crates/a/src/lib.rs", 0, what)]);
    }
}
