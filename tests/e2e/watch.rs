//! Watching, beyond what a served folder shows (`served.rs`).

use crate::support::{World, text};

#[test]
fn watching_from_a_number_that_is_not_reached_yet_misses_nothing_that_comes() {
    let world = World::new();
    let laptop = world.init("laptop");
    laptop.insert("notes", &["n=1"]);
    let mut watching = laptop.start(["watch", "--since", "1000", "--json"]);
    watching.stderr_line_with("watching");
    let id = laptop.insert("notes", &["n=2"]);
    let change: serde_json::Value = serde_json::from_str(&watching.stdout_line()).unwrap();
    assert_eq!(text(&change["record"]), id);
    assert_eq!(change["seq"], 2);
    watching.interrupt();
    watching.wait().succeeded();
}
