//! Which crate depends on what: the arrows of ARCHITECTURE.md.

use super::packages::{DependencyKind, Package, Packages};
use super::scan::code_of;
use super::{File, Tree, Violation};

/// The crates there are: folder, package, and whether it is published.
const CRATES: [(&str, &str, bool); 10] = [
    ("crates/cli", "driftless-cli", true),
    ("crates/document", "driftless-document", true),
    ("crates/driftless", "driftless", true),
    ("crates/engine", "driftless-engine", true),
    ("crates/faults", "driftless-faults", false),
    ("crates/golden", "driftless-golden", false),
    ("crates/protocol", "driftless-protocol", true),
    ("crates/store", "driftless-store", true),
    ("crates/testkit", "driftless-testkit", false),
    ("crates/xtask", "driftless-xtask", false),
];

/// What one published crate has to itself: (package, the crate that may depend on it).
const OWNED: [(&str, &str); 3] = [
    ("automerge", "driftless-document"),
    ("redb", "driftless-store"),
    ("sled", "driftless-store"),
];

/// Which crates of the workspace a crate may depend on outside tests: the arrows point down.
const ARROWS: [(&str, &[&str]); 4] = [
    ("driftless-document", &[]),
    ("driftless-protocol", &[]),
    ("driftless-store", &[]),
    (
        "driftless-engine",
        &[
            "driftless-document",
            "driftless-protocol",
            "driftless-store",
        ],
    ),
];

/// The crates that know no runtime, not even through others.
const WITHOUT_RUNTIME: [&str; 3] = [
    "driftless-document",
    "driftless-protocol",
    "driftless-engine",
];
const RUNTIME: &str = "tokio";

pub(super) fn check(packages: &Packages) -> Vec<Violation> {
    let mut violations = Vec::new();
    for member in packages.members() {
        violations.extend(check_member(member));
        violations.extend(check_dependencies(member));
        if WITHOUT_RUNTIME.contains(&member.name.as_str()) {
            let direct = member.dependencies.iter().any(|d| d.name == RUNTIME);
            if direct || packages.built_with(member).contains(&RUNTIME) {
                violations.push(at(member, format!("it depends on {RUNTIME}")));
            }
        }
    }
    violations
}

/// The one crate with unsafe code, in one file: it stands in the place of functions of the C library.
const UNSAFE: (&str, &str) = (
    "crates/faults/",
    "crates/faults/src/bin/faults/interpose/calls.rs",
);

/// Every crate takes over the lints of the workspace, which forbid unsafe code; the one that cannot allows it in one file.
pub(super) fn check_manifests(tree: &Tree) -> Vec<Violation> {
    let mut violations = check_lints(tree);
    let allowed = tree.ending(".rs").filter(|file| {
        let is_elsewhere = file.path.starts_with(UNSAFE.0) && file.path != UNSAFE.1;
        is_elsewhere && code_of(&file.text).contains("unsafe_code")
    });
    let what = "it allows unsafe code";
    violations.extend(allowed.map(|file| Violation::new(&file.path, 0, what)));
    violations
}

fn check_lints(tree: &Tree) -> Vec<Violation> {
    let manifests = tree.ending("/Cargo.toml").filter(|file| {
        let own = file.path.strip_prefix("crates/");
        own.is_some_and(|path| path.matches('/').count() == 1)
    });
    let takes_over = |file: &&File| {
        let denies =
            file.path.starts_with(UNSAFE.0) && file.text.contains("unsafe_code = \"deny\"");
        denies || file.text.contains("[lints]\nworkspace = true\n")
    };
    manifests
        .filter(|file| !takes_over(file))
        .map(|file| Violation::new(&file.path, 0, "it does not take over the workspace's lints"))
        .collect()
}

fn check_member(member: &Package) -> Option<Violation> {
    let folder = member.folder.as_deref().unwrap_or_default();
    let known = CRATES.contains(&(folder, member.name.as_str(), member.published));
    let what = format!(
        "`{folder}` (published: {}) is no crate of the map",
        member.published
    );
    (!known).then(|| at(member, what))
}

fn check_dependencies(member: &Package) -> Vec<Violation> {
    let mut violations = Vec::new();
    let arrows = ARROWS.iter().find(|(name, _)| *name == member.name);
    for dependency in &member.dependencies {
        let name = dependency.name.as_str();
        let outside_tests = dependency.kind != DependencyKind::Development;
        if member.published
            && let Some((_, owner)) = OWNED.iter().find(|(owned, _)| *owned == name)
            && *owner != member.name
        {
            violations.push(at(member, format!("only {owner} may depend on {name}")));
        }
        let unpublished = CRATES
            .iter()
            .any(|(_, package, published)| *package == name && !published);
        if member.published && outside_tests && unpublished {
            violations.push(at(
                member,
                format!("it depends on {name}, which is not published"),
            ));
        }
        if let Some((_, below)) = arrows
            && dependency.is_path
            && outside_tests
            && !below.contains(&name)
        {
            violations.push(at(
                member,
                format!("it depends on {name}, which is not below it"),
            ));
        }
    }
    violations
}

fn at(package: &Package, what: String) -> Violation {
    Violation::new(&package.name, 0, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::packages::Dependency;

    fn normal(name: &str) -> Dependency {
        Dependency {
            name: name.to_owned(),
            kind: DependencyKind::Normal,
            is_path: name.starts_with("driftless"),
        }
    }

    fn member(folder: &str, name: &str, dependencies: &[Dependency]) -> Package {
        Package {
            id: name.to_owned(),
            name: name.to_owned(),
            folder: Some(folder.to_owned()),
            published: true,
            dependencies: dependencies.to_vec(),
            built_with: dependencies.iter().map(|d| d.name.clone()).collect(),
            ..Package::default()
        }
    }

    fn foreign(name: &str, built_with: &[&str]) -> Package {
        Package {
            id: name.to_owned(),
            name: name.to_owned(),
            source: Some("registry".to_owned()),
            built_with: built_with.iter().map(|id| (*id).to_owned()).collect(),
            ..Package::default()
        }
    }

    fn found(packages: Vec<Package>) -> Vec<String> {
        let violations = check(&Packages { packages });
        violations.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_the_owner_depends_on_what_it_owns() {
        let document = member(
            "crates/document",
            "driftless-document",
            &[normal("automerge")],
        );
        let cli = member(
            "crates/cli",
            "driftless-cli",
            &[normal("automerge"), normal("sled")],
        );
        assert_eq!(
            found(vec![document, cli]),
            [
                "driftless-cli: only driftless-document may depend on automerge",
                "driftless-cli: only driftless-store may depend on sled",
            ]
        );
    }

    #[test]
    fn a_pure_crate_has_no_runtime_even_through_others() {
        let direct = member("crates/protocol", "driftless-protocol", &[normal("tokio")]);
        let through = member("crates/engine", "driftless-engine", &[normal("helper")]);
        let fine = member("crates/driftless", "driftless", &[normal("tokio")]);
        let helper = foreign("helper", &["tokio"]);
        assert_eq!(
            found(vec![direct, through, fine, helper, foreign("tokio", &[])]),
            [
                "driftless-protocol: it depends on tokio",
                "driftless-engine: it depends on tokio"
            ]
        );
    }

    #[test]
    fn what_is_published_does_not_need_what_is_not() {
        let testkit = normal("driftless-testkit");
        let in_tests = Dependency {
            kind: DependencyKind::Development,
            ..testkit.clone()
        };
        let fine = member("crates/driftless", "driftless", &[in_tests]);
        let wrong = member("crates/cli", "driftless-cli", &[testkit]);
        let what = "driftless-cli: it depends on driftless-testkit, which is not published";
        assert_eq!(found(vec![fine, wrong]), [what]);
    }

    #[test]
    fn arrows_point_down() {
        let store = member(
            "crates/store",
            "driftless-store",
            &[normal("driftless-engine")],
        );
        let what = "driftless-store: it depends on driftless-engine, which is not below it";
        assert_eq!(found(vec![store]), [what]);
    }

    #[test]
    fn a_crate_that_is_not_on_the_map_is_found() {
        let extra = member("crates/extra", "driftless-extra", &[]);
        let moved = member("crates/core", "driftless-engine", &[]);
        assert_eq!(
            found(vec![extra, moved]),
            [
                "driftless-extra: `crates/extra` (published: true) is no crate of the map",
                "driftless-engine: `crates/core` (published: true) is no crate of the map",
            ]
        );
    }

    #[test]
    fn unsafe_code_is_allowed_in_one_file_only() {
        let allow = "#![allow(\n    unsafe_code,\n    reason = \"x\"\n)]\n";
        let manifest = "[lints.rust]\nunsafe_code = \"deny\"\n";
        let tree = Tree::of(&[
            ("crates/faults/Cargo.toml", manifest),
            (UNSAFE.1, allow),
            ("crates/faults/src/lib.rs", allow),
        ]);
        assert_eq!(
            check_manifests(&tree),
            [Violation::new(
                "crates/faults/src/lib.rs",
                0,
                "it allows unsafe code"
            )]
        );
        let elsewhere = Tree::of(&[("crates/a/Cargo.toml", manifest)]);
        assert_eq!(check_manifests(&elsewhere).len(), 1);
    }

    #[test]
    fn a_crate_without_the_workspace_s_lints_is_found() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace]\n"),
            (
                "crates/a/Cargo.toml",
                "[lints]\nworkspace = true\n\n[dependencies]\n",
            ),
            ("crates/b/Cargo.toml", "[dependencies]\n"),
        ]);
        let what = "it does not take over the workspace's lints";
        assert_eq!(
            check_manifests(&tree),
            [Violation::new("crates/b/Cargo.toml", 0, what)]
        );
    }
}
