//! Every direct dependency is named once in the root manifest, and has its reason in docs/dependencies.md.

use std::collections::BTreeSet;

use super::packages::Packages;
use super::{Tree, Violation};

const MANIFEST: &str = "Cargo.toml";
const REASONS: &str = "docs/dependencies.md";

pub(super) fn check(tree: &Tree, packages: &Packages) -> Vec<Violation> {
    let text_of = |path| tree.file(path).map_or("", |file| file.text.as_str());
    let named = named_in(text_of(MANIFEST));
    let reasons = reasons_in(text_of(REASONS));
    let mut violations = Vec::new();
    for name in named.difference(&reasons) {
        violations.push(Violation::new(
            REASONS,
            0,
            format!("`{name}` has no line of reason"),
        ));
    }
    for name in reasons.difference(&named) {
        violations.push(Violation::new(
            REASONS,
            0,
            format!("`{name}` is no dependency any more"),
        ));
    }
    for member in packages.members() {
        let outside = member
            .dependencies
            .iter()
            .filter(|dependency| !dependency.is_path && !named.contains(&dependency.name));
        for dependency in outside {
            let what = format!("`{}` is not named in the root manifest", dependency.name);
            violations.push(Violation::new(&member.name, 0, what));
        }
    }
    violations
}

/// The packages under `[workspace.dependencies]` that are not of a path.
fn named_in(manifest: &str) -> BTreeSet<String> {
    let section = manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['));
    let entries = section.filter_map(|line| line.split_once('='));
    entries
        .filter(|(name, value)| !name.starts_with('#') && !value.contains("path ="))
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}

/// The packages in the first column of the page's tables, each in backquotes.
fn reasons_in(page: &str) -> BTreeSet<String> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once("` |"))
        .filter(|(_, reason)| !reason.trim_matches(['|', ' ']).is_empty())
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::packages::{Dependency, DependencyKind, Package};

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let manifest = "\
[workspace.dependencies]
driftless = { path = \"crates/driftless\" }
# a comment = no dependency
serde = \"1\"
time = { version = \"0.3\" }

[workspace.lints.rust]
unsafe_code = \"forbid\"
";
        let page = "| package | why |\n|---|---|\n| `serde` | Reads. |\n| `time` | |\n| `rand` | Gone. |\n";
        let tree = Tree::of(&[(MANIFEST, manifest), (REASONS, page)]);
        let dependency = |name: &str, is_path| Dependency {
            name: name.to_owned(),
            kind: DependencyKind::Normal,
            is_path,
        };
        let member = Package {
            name: "driftless-cli".to_owned(),
            dependencies: vec![
                dependency("driftless", true),
                dependency("serde", false),
                dependency("left-pad", false),
            ],
            ..Package::default()
        };
        let packages = Packages {
            packages: vec![member],
        };
        let found: Vec<_> = check(&tree, &packages)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            found,
            [
                "docs/dependencies.md: `time` has no line of reason",
                "docs/dependencies.md: `rand` is no dependency any more",
                "driftless-cli: `left-pad` is not named in the root manifest",
            ]
        );
    }
}
