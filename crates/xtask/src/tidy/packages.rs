//! The packages of the workspace and all they depend on, as `cargo metadata` has them.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;

use super::TidyError;

/// All packages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packages {
    /// In the order of cargo.
    pub packages: Vec<Package>,
}

/// One package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// What cargo calls it, version and source included.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its folder below the root; `None` for a package from elsewhere.
    pub folder: Option<String>,
    /// Where it comes from; `None` for a package of a path.
    pub source: Option<String>,
    /// Its licence, as it says.
    pub licence: Option<String>,
    /// Whether it may be published.
    pub published: bool,
    /// What its manifest names.
    pub dependencies: Vec<Dependency>,
    /// The ids of the packages that are built for it outside tests.
    pub built_with: Vec<String>,
}

/// A dependency as a manifest names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The package.
    pub name: String,
    /// For what.
    pub kind: DependencyKind,
    /// Whether it is one of a path.
    pub is_path: bool,
}

/// For what a dependency is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DependencyKind {
    /// For the package itself.
    Normal,
    /// For its build script.
    Build,
    /// For its tests.
    Development,
}

impl Packages {
    /// Asks cargo; the network is used only where something was never fetched.
    pub fn of_cargo(root: &Path) -> Result<Self, TidyError> {
        let metadata = metadata(root, true).or_else(|_| metadata(root, false))?;
        Self::of_metadata(&metadata).ok_or_else(|| TidyError::Cargo {
            reason: "its answer has another form than expected".into(),
        })
    }

    fn of_metadata(metadata: &Json) -> Option<Self> {
        let root = metadata["workspace_root"].as_str()?;
        let packages = metadata["packages"].as_array()?.iter();
        let packages = packages.map(|package| package_of(package, root, metadata));
        Some(Self {
            packages: packages.collect::<Option<_>>()?,
        })
    }

    /// The package with this name in the workspace.
    pub fn member(&self, name: &str) -> Option<&Package> {
        self.members().find(|package| package.name == name)
    }

    /// The packages of the workspace.
    pub fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| package.source.is_none())
    }

    /// The names of all that is built with a package outside tests, through any number of others.
    pub fn built_with(&self, package: &Package) -> Vec<&str> {
        let mut found: Vec<&Package> = Vec::new();
        let mut open = vec![package];
        while let Some(package) = open.pop() {
            for id in &package.built_with {
                if let Some(next) = self.packages.iter().find(|other| other.id == *id)
                    && !found.iter().any(|known| known.id == next.id)
                {
                    found.push(next);
                    open.push(next);
                }
            }
        }
        found
            .into_iter()
            .map(|package| package.name.as_str())
            .collect()
    }
}

fn metadata(root: &Path, offline: bool) -> Result<Json, TidyError> {
    let failed = |reason: String| TidyError::Cargo { reason };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root);
    if offline {
        command.arg("--offline");
    }
    let output = command
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
}

fn package_of(package: &Json, root: &str, metadata: &Json) -> Option<Package> {
    let id = package["id"].as_str()?;
    let manifest = package["manifest_path"].as_str()?;
    let folder = manifest
        .strip_prefix(root)
        .and_then(|path| path.strip_suffix("Cargo.toml"))
        .map(|path| path.replace('\\', "/").trim_matches('/').to_owned());
    let dependencies = package["dependencies"].as_array()?.iter();
    Some(Package {
        id: id.to_owned(),
        name: package["name"].as_str()?.to_owned(),
        folder: folder.filter(|_| package["source"].is_null()),
        source: package["source"].as_str().map(str::to_owned),
        licence: package["license"].as_str().map(str::to_owned),
        published: package["publish"]
            .as_array()
            .is_none_or(|to| !to.is_empty()),
        dependencies: dependencies.map(dependency_of).collect::<Option<_>>()?,
        built_with: built_with(id, metadata),
    })
}

fn dependency_of(dependency: &Json) -> Option<Dependency> {
    Some(Dependency {
        name: dependency["name"].as_str()?.to_owned(),
        kind: match dependency["kind"].as_str() {
            Some("dev") => DependencyKind::Development,
            Some("build") => DependencyKind::Build,
            _ => DependencyKind::Normal,
        },
        is_path: dependency["path"].is_string(),
    })
}

fn built_with(id: &str, metadata: &Json) -> Vec<String> {
    let nodes = metadata["resolve"]["nodes"].as_array();
    let node = nodes.and_then(|nodes| nodes.iter().find(|node| node["id"] == id));
    let dependencies = node.and_then(|node| node["deps"].as_array());
    let is_built = |dependency: &&Json| {
        dependency["dep_kinds"]
            .as_array()
            .is_none_or(|kinds| kinds.iter().any(|kind| kind["kind"] != "dev"))
    };
    dependencies
        .into_iter()
        .flatten()
        .filter(is_built)
        .filter_map(|dependency| Some(dependency["pkg"].as_str()?.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_answer_of_cargo_is_read() {
        let package = |name: &str, source: Json, publish: Json, dependencies: Json| {
            json!({
                "id": name, "name": name, "source": source, "publish": publish, "license": "MIT",
                "manifest_path": format!("/repo/crates/{name}/Cargo.toml"), "dependencies": dependencies,
            })
        };
        let metadata = json!({
            "workspace_root": "/repo",
            "packages": [
                package("a", Json::Null, json!([]), json!([
                    {"name": "b", "kind": null, "path": "/repo/crates/b"},
                    {"name": "c", "kind": "dev"},
                ])),
                package("b", Json::Null, Json::Null, json!([{"name": "c", "kind": "build"}])),
                package("c", json!("registry+x"), Json::Null, json!([])),
            ],
            "resolve": {"nodes": [
                {"id": "a", "deps": [
                    {"pkg": "b", "dep_kinds": [{"kind": null}]},
                    {"pkg": "c", "dep_kinds": [{"kind": "dev"}]},
                ]},
                {"id": "b", "deps": [{"pkg": "c", "dep_kinds": [{"kind": "build"}]}]},
            ]},
        });
        let packages = Packages::of_metadata(&metadata).expect("it has the form of cargo's");
        let [a, b, c] = &packages.packages[..] else {
            panic!("three packages")
        };
        assert_eq!(a.folder.as_deref(), Some("crates/a"));
        assert_eq!(
            (a.published, b.published, c.folder.as_deref()),
            (false, true, None)
        );
        assert!(a.dependencies[0].is_path);
        assert_eq!(a.dependencies[1].kind, DependencyKind::Development);
        assert_eq!(a.built_with, ["b"]);
        assert_eq!(packages.built_with(a), ["b", "c"]);
    }
}
