//! The tests that the documentation names exist: a claim says which test plays it, and the test is renamed some day.

use std::collections::BTreeSet;

use super::scan::{code_of, is_word};
use super::{Tree, Violation};

/// The pages that name tests.
const PAGES: [&str; 2] = ["docs/assumptions.md", "docs/format.md"];
/// A name with so many words is that of a test, and of nothing else in these pages.
const WORDS: usize = 5;

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    let tests = tests_of(tree);
    for page in PAGES.iter().filter_map(|path| tree.file(path)) {
        for (n, line) in page.text.lines().enumerate() {
            for name in line
                .split('`')
                .skip(1)
                .step_by(2)
                .filter(|name| is_name(name))
            {
                if !tests.contains(name) {
                    let what = format!("there is no test `{name}`");
                    violations.push(Violation::new(&page.path, n + 1, what));
                }
            }
        }
    }
    violations
}

fn is_name(text: &str) -> bool {
    text.bytes().all(is_word) && text.split('_').count() >= WORDS
}

/// The functions of the tree right below an attribute that ends in `test]` or `test(...)]`, and those of macros.
fn tests_of(tree: &Tree) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for file in tree.ending(".rs") {
        let code = code_of(&file.text);
        let mut is_test = false;
        for line in code.lines().map(str::trim_start) {
            if let Some(attribute) = line.strip_prefix("#[") {
                let name = attribute.split(['(', ']']).next().unwrap_or_default();
                is_test |= name == "test" || name.ends_with("::test");
            } else if let Some((_, after)) = line.split_once("fn ") {
                let name = after.split('(').next().unwrap_or_default();
                if std::mem::take(&mut is_test) {
                    tests.insert(name.to_owned());
                }
            }
        }
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_does_not_exist_is_found() {
        let source = "\
#[test]
fn a_test_that_is_there() {}
fn a_helper_that_is_no_test() {}
// #[test]
fn a_test_that_is_commented_out() {}
#[tokio::test(flavor = \"x\")]
async fn a_test_that_waits_for_something() {}
";
        let page = "\
`a_test_that_is_there`, `a_test_that_waits_for_something`, `torn_bytes`, `store-1.open`
| `a_helper_that_is_no_test` | `a_test_that_is_commented_out` |
";
        let tree = Tree::of(&[("crates/a/tests/it/b.rs", source), ("docs/format.md", page)]);
        let found: Vec<_> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "docs/format.md:2: there is no test `a_helper_that_is_no_test`",
                "docs/format.md:2: there is no test `a_test_that_is_commented_out`",
            ]
        );
    }
}
