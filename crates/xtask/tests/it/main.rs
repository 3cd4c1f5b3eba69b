//! The workspace keeps its own rules.

use driftless_xtask::tidy;

#[test]
fn the_workspace_is_tidy() {
    let violations = tidy::check(&tidy::workspace_root()).expect("the workspace can be read");
    let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(
        list.is_empty(),
        "{} to mend:\n{}",
        list.len(),
        list.join("\n")
    );
}
