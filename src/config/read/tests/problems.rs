//! One bad snippet for each problem: at which key, what is found, what is expected.

use super::*;

/// Blocks of a snippet and, after `=>`, the problems it makes. Each snippet stands before a
/// configuration that is right; one that begins with `# alone` stands by itself.
const TABLE: &str = include_str!("../../../../tests/data/config-problems.txt");

#[test]
fn each_mistake_is_told_with_its_key_what_was_found_and_what_was_expected() {
    let place = Place::new();
    for block in TABLE.split("---\n") {
        let (expected, snippet): (Vec<&str>, Vec<&str>) =
            block.lines().partition(|line| line.starts_with("=> "));
        assert!(!expected.is_empty(), "no expectation in {block}");
        let snippet = snippet.join("\n");
        let rest = if snippet.starts_with("# alone") {
            ""
        } else {
            LEAST
        };
        let found = place.problems(&format!("{snippet}\n{rest}"));
        assert_eq!(found, expected, "{snippet}");
    }
}
