//! Links of the documentation lead somewhere, and its summary lists every page.

use super::{File, Tree, Violation};

const SUMMARY: &str = "docs/SUMMARY.md";

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.ending(".md") {
        for link in links_of(file) {
            if resolve(&file.path, &link.target).is_none_or(|path| !tree.has(&path)) {
                let what = format!("the link to `{}` leads nowhere", link.target);
                violations.push(Violation::new(&file.path, link.line, what));
            }
        }
    }
    if let Some(summary) = tree.file(SUMMARY) {
        let listed: Vec<_> = links_of(summary)
            .filter_map(|link| resolve(SUMMARY, &link.target))
            .collect();
        for page in tree.ending(".md") {
            let is_page = page.path.starts_with("docs/") && page.path != SUMMARY;
            if is_page && !listed.contains(&page.path) {
                let what = format!("{SUMMARY} does not list this page");
                violations.push(Violation::new(&page.path, 0, what));
            }
        }
    }
    violations
}

/// A link to a place in the tree.
struct Link {
    line: usize,
    /// Without what follows a `#`; never empty.
    target: String,
}

/// The relative links of a page, outside code.
fn links_of(file: &File) -> impl Iterator<Item = Link> {
    let mut fenced = false;
    file.text.lines().enumerate().flat_map(move |(n, line)| {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        let targets = if fenced || is_fence {
            Vec::new()
        } else {
            targets_of(line)
        };
        targets.into_iter().map(move |target| Link {
            line: n + 1,
            target,
        })
    })
}

fn targets_of(line: &str) -> Vec<String> {
    let prose: String = line.split('`').step_by(2).collect();
    let after_text = prose.split("](").skip(1);
    after_text
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default().trim())
        .filter(|target| !target.is_empty() && !target.contains(':'))
        .map(str::to_owned)
        .collect()
}

/// The path below the root that a link in `from` names, or `None` where it leads out of the tree.
fn resolve(from: &str, target: &str) -> Option<String> {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut path: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                path.pop()?;
            }
            name => path.push(name),
        }
    }
    Some(path.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let violations = check(&Tree::of(files));
        violations.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let readme = "\
See [the map](ARCHITECTURE.md#crates), [docs](docs/) and [this](#here), [the web](https://example.org).
`[code](nowhere.md)`
```text
[code](nowhere.md)
```
[gone](docs/gone.md) and [out](../other.md)
";
        let files = [
            ("README.md", readme),
            ("ARCHITECTURE.md", ""),
            ("docs/a.md", "[up](../README.md) [b](b.md)"),
        ];
        assert_eq!(
            found(&files),
            [
                "README.md:6: the link to `docs/gone.md` leads nowhere",
                "README.md:6: the link to `../other.md` leads nowhere",
                "docs/a.md:1: the link to `b.md` leads nowhere",
            ]
        );
    }

    #[test]
    fn a_page_that_the_summary_does_not_list_is_found() {
        let files = [
            ("docs/SUMMARY.md", "- [A](a.md)\n- [Gone](gone.md)\n"),
            ("docs/a.md", ""),
            ("docs/b.md", ""),
            ("README.md", ""),
        ];
        assert_eq!(
            found(&files),
            [
                "docs/SUMMARY.md:2: the link to `gone.md` leads nowhere",
                "docs/b.md: docs/SUMMARY.md does not list this page",
            ]
        );
    }
}
