//! `field=value`, as `insert`, `set` and `--where` take it.

use driftless::{FieldPath, JsonError, Node, Value, element_from_json, parse_node, read_json};

use crate::failure::Failure;

/// One `field=value`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Assignment {
    /// The field.
    pub(crate) path: FieldPath,
    /// What the value reads as.
    pub(crate) node: Node,
    /// The value as it was typed.
    pub(crate) text: String,
}

/// Reads one `field=value`: split at the first `=`; JSON if the whole value is JSON, else text.
pub(crate) fn parse(argument: &str) -> Result<Assignment, Failure> {
    let (field, text) = split(argument)?;
    Ok(Assignment {
        path: parse_field(field)?,
        node: parse_value(field, text)?,
        text: text.to_owned(),
    })
}

/// The field and the text of its value, which are apart at the first `=`.
pub(crate) fn split(argument: &str) -> Result<(&str, &str), Failure> {
    argument.split_once('=').ok_or_else(|| Failure::Usage {
        message: format!("`{argument}` has no `=`"),
        remedy: "Write FIELD=VALUE, such as city=Boston.".into(),
    })
}

/// Reads an element of the list, or a member of the set, of this name: JSON if the whole of it is JSON, else text. An
/// object is one element.
pub(crate) fn parse_element(field: &str, text: &str) -> Result<Value, Failure> {
    let read = read_json(text).and_then(|json| element_from_json(&json));
    read.or_else(|error| of_text(field, text, &error))
}

/// Reads several, of which none may say something else of the same field.
pub(crate) fn parse_all(arguments: &[String]) -> Result<Vec<Assignment>, Failure> {
    let assignments = arguments
        .iter()
        .map(|argument| parse(argument))
        .collect::<Result<Vec<_>, _>>()?;
    for (n, assignment) in assignments.iter().enumerate() {
        for earlier in &assignments[..n] {
            if overlap(&assignment.path, &earlier.path) {
                return Err(Failure::Usage {
                    message: format!(
                        "`{}` and `{}` are given together, and one would replace the other",
                        earlier.path, assignment.path
                    ),
                    remedy: "Give each field once.".into(),
                });
            }
        }
    }
    Ok(assignments)
}

/// Reads the path of a field.
pub(crate) fn parse_field(field: &str) -> Result<FieldPath, Failure> {
    FieldPath::parse(field).map_err(|error| Failure::Usage {
        message: error.to_string(),
        remedy: "A field is named by its path, such as city or address.city; `\\`, `.`, `/`, `#` and a first `$` \
                 that belong to a name stand behind a `\\`."
            .into(),
    })
}

fn parse_value(field: &str, text: &str) -> Result<Node, Failure> {
    parse_node(text).or_else(|error| of_text(field, text, &error).map(Node::Leaf))
}

/// What is no JSON is text; what is, and cannot be kept, is refused.
fn of_text(field: &str, text: &str, error: &JsonError) -> Result<Value, Failure> {
    if error.is_syntax() {
        return Ok(Value::String(text.to_owned()));
    }
    Err(Failure::Usage {
        message: format!("the value of `{field}`: {error}"),
        remedy: format!(
            "Give a value that is kept exactly, or put it in quotes to keep it as text: '{field}=\"...\"'."
        ),
    })
}

/// Whether one path is, or lies below, the other.
fn overlap(one: &FieldPath, other: &FieldPath) -> bool {
    let (one, other) = (one.segments(), other.segments());
    one.starts_with(other) || other.starts_with(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(argument: &str) -> Value {
        match parse(argument).expect("it is an assignment").node {
            Node::Leaf(value) => value,
            Node::Object(_) => panic!("{argument} is an object"),
        }
    }

    fn refusal(arguments: &[&str]) -> String {
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        parse_all(&arguments)
            .expect_err("it is refused")
            .to_string()
    }

    #[test]
    fn the_value_is_json_only_if_the_whole_of_it_is() {
        assert_eq!(leaf("n=5"), Value::Int(5));
        assert_eq!(leaf("n=-0.5"), Value::Float(-0.5));
        assert_eq!(leaf("n=18446744073709551615"), Value::Uint(u64::MAX));
        assert_eq!(leaf("n=null"), Value::Null);
        assert_eq!(leaf("n=true"), Value::Bool(true));
        assert_eq!(leaf("n=\"5\""), Value::String("5".into()));
        assert_eq!(leaf("n=5 apples"), Value::String("5 apples".into()));
        assert_eq!(leaf("n=00501"), Value::String("00501".into()));
        assert_eq!(leaf("n={broken"), Value::String("{broken".into()));
        assert_eq!(leaf("n="), Value::String(String::new()));
    }

    #[test]
    fn an_element_is_one_value_even_where_it_is_an_object() {
        let element = |text: &str| parse_element("steps", text).expect("it is one");
        assert_eq!(element("-2"), Value::Int(-2));
        assert_eq!(
            element("{\"b\":1, \"a\":[]}"),
            Value::Json("{\"a\":[],\"b\":1}".into())
        );
        assert_eq!(element("{\"$bytes\":\"AA==\"}"), Value::Bytes(vec![0]));
        assert_eq!(element("wash up"), Value::String("wash up".into()));
        assert!(parse_element("steps", "1e999").is_err());
    }

    #[test]
    fn it_splits_at_the_first_equals_sign() {
        let assignment = parse("address.home city=a=b").expect("it is an assignment");
        assert_eq!(assignment.path.segments(), ["address", "home city"]);
        assert_eq!(assignment.text, "a=b");
    }

    #[test]
    fn digits_are_never_lost_in_silence() {
        assert!(refusal(&["n=123456789012345678901234567890"]).contains("too large"));
        assert!(refusal(&["n=0.12345678901234567890123"]).contains("lose digits"));
    }

    #[test]
    fn two_values_for_one_field_are_refused() {
        assert!(refusal(&["city=a", "city=b"]).contains("`city` and `city`"));
        assert!(refusal(&["address={\"a\":1}", "address.city=b"]).contains("replace"));
        assert!(parse_all(&["city=a".into(), "city2=b".into()]).is_ok());
    }

    #[test]
    fn what_is_no_assignment_says_so() {
        assert!(refusal(&["city"]).contains("no `=`"));
        assert!(refusal(&["=5"]).contains("empty part"));
        assert!(refusal(&["a..b=5"]).contains("empty part"));
        assert!(refusal(&["$deleted=true"]).contains("`$`"));
    }
}
