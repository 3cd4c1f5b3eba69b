//! Entries of every kind that is not two values of a field, as a person reads and decides them on a terminal.

use serde_json::{Value as Json, json};

use crate::support::{Device, World, text};
use crate::terminal::Terminal;

/// How a key is asked for, whatever the entry.
const ASKS: &str = "? help: ";

/// Two devices that edited one text in one place, one element of a list, and an address as a whole and below.
struct Apart {
    _world: World,
    laptop: Device,
    phone: Device,
    id: String,
}

impl Apart {
    fn new() -> Self {
        let world = World::new();
        let laptop = world.init("laptop");
        let id = laptop.insert("c", &["name=a"]);
        laptop.json(["text", "c", &id, "story", "--insert", "The quick fox"]);
        laptop.json(["push", "c", &id, "steps", "one", "two", "three"]);
        let serving = laptop.serve_and_invite();
        let phone = world.join("phone", serving.link());
        phone.json(["sync", &serving.url]);
        serving.stop();
        for (device, word, step, address) in [
            (&laptop, "slow", "TWO", "address=12 Main Street"),
            (&phone, "lazy", "2nd", "address.city=Bay St. Louis"),
        ] {
            let edit = ["--at", "4", "--delete", "5", "--insert", word];
            device.json([&["text", "c", id.as_str(), "story"][..], &edit].concat());
            device.json(["put-at", "c", &id, "steps", "1", step]);
            device.json(["set", "c", &id, address]);
        }
        let apart = Self {
            _world: world,
            laptop,
            phone,
            id,
        };
        apart.meet();
        apart
    }

    fn meet(&self) {
        let serving = self.laptop.serve();
        self.phone.json(["sync", &serving.url]);
        serving.stop();
    }
}

fn entry(device: &Device, path: &str) -> Json {
    let mut found = device.conflicts(&["--path", path]);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// What `conflicts show` says on a terminal of so many columns, where nothing is wider than that.
fn shown(device: &Device, path: &str, columns: u16) -> String {
    let id = text(&entry(device, path)["id"]);
    let words = ["conflicts", "show", &id];
    let (status, shown) = Terminal::start(device, columns, false, words).ends();
    assert!(status.success(), "{shown}");
    for line in shown.lines().map(|line| line.trim_end_matches('\r')) {
        let fits = line.chars().count() <= usize::from(columns);
        assert!(fits || line.contains(&id), "{line}");
    }
    shown
}

#[test]
fn a_text_an_element_and_a_value_above_fields_are_shown_side_by_side() {
    let apart = Apart::new();
    for device in [&apart.laptop, &apart.phone] {
        let story = shown(device, "story", 80);
        assert!(
            story.contains("story: one text, edited in one place on both sides, merged by rule"),
            "{story}"
        );
        for part in [
            "was The quick fox",
            "{+slow+}",
            "{+lazy+}",
            "laptop, 2",
            "phone, 2",
        ] {
            assert!(story.contains(part), "{part}: {story}");
        }
        let step = shown(device, "steps", 80);
        assert!(
            step.contains("steps[1]: one element of a list, written on both sides, to be decided"),
            "{step}"
        );
        assert!(step.contains("was two") && step.contains("2nd"), "{step}");
        let address = shown(device, "address", 80);
        assert!(
            address.contains("address: each side is sound, both together are not"),
            "{address}"
        );
        assert!(address.contains("(fields below it)"), "{address}");
        for path in ["story", "steps", "address"] {
            shown(device, path, 40);
        }
    }
    assert_eq!(apart.laptop.export(), apart.phone.export());
}

#[test]
fn an_element_is_named_by_the_place_where_it_stands_now() {
    let Apart { laptop, id, .. } = &Apart::new();
    let listed = || laptop.run(["conflicts", "list"]).succeeded().stdout;
    assert!(listed().contains(" steps[1] "), "{}", listed());
    let before = entry(laptop, "steps");
    assert_eq!(
        (&before["path"], &before["index"]),
        (&json!("steps"), &json!(1))
    );
    laptop.json(["push", "c", id, "steps", "--at", "0", "zero"]);
    assert!(listed().contains(" steps[2] "), "{}", listed());
    let now = entry(laptop, "steps");
    assert_eq!(
        (&now["index"], &now["element"]),
        (&json!(2), &before["element"])
    );
    let told = laptop.run(["explain", "c", id, "steps"]).succeeded().stdout;
    assert!(told.contains("`steps[2]` was edited"), "{told}");
    // Whoever takes it out decides it, and it stands nowhere any more.
    laptop.json(["remove-at", "c", id, "steps", "2"]);
    let gone = entry(laptop, "steps");
    assert_eq!(
        (&gone["status"], &gone["index"], &gone["element"]),
        (&json!("resolved"), &Json::Null, &before["element"])
    );
    assert!(listed().contains(" steps "), "{}", listed());
}

#[test]
fn a_review_walks_through_elements_and_shapes_and_leaves_out_what_merges_by_itself() {
    let apart = Apart::new();
    let review = ["conflicts", "review"];
    let mut terminal = Terminal::start(&apart.laptop, 80, false, review);
    let address = terminal.sees(ASKS);
    assert!(
        address.contains("1 of 2") && address.contains("(fields below it)"),
        "{address}"
    );
    // Both are there already; that they may stay is said otherwise.
    terminal.press("b");
    terminal.sees("acknowledge that both are there");
    terminal.sees(ASKS);
    terminal.press("a");
    terminal.sees("why it may stay");
    terminal.press("the post wants both\n");
    terminal.sees("acknowledged");
    let step = terminal.sees(ASKS);
    assert!(
        step.contains("2 of 2") && step.contains("steps[1]"),
        "{step}"
    );
    for (key, answer) in [
        ("b", "one element of a list holds one value"),
        ("9", "candidate"),
    ] {
        terminal.press(key);
        terminal.sees(answer);
        terminal.sees(ASKS);
    }
    terminal.press("e");
    terminal.sees("as JSON");
    terminal.press("\"second\"\n");
    let (status, said) = terminal.ends();
    assert!(status.success(), "{said}");
    assert!(
        said.contains("2 conflicts decided, 0 left for later, 0 still open"),
        "{said}"
    );
    for line in said.lines().map(|line| line.trim_end_matches('\r')) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    apart.meet();
    for device in [&apart.laptop, &apart.phone] {
        let steps = &device.fields("c", &apart.id)["steps"];
        assert_eq!(steps, &json!(["one", "second", "three"]));
        assert_eq!(
            entry(device, "address")["reviews"][0]["note"],
            "the post wants both"
        );
        assert_eq!(entry(device, "story")["status"], "auto_merged");
    }
    assert_eq!(apart.laptop.export(), apart.phone.export());
    assert_eq!(apart.laptop.digest(), apart.phone.digest());
}
