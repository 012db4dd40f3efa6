//! A path template: literal segments and `{name}` segments, each one whole segment.
//!
//! Invariant: a template matches only as many segments as it has. Literals are compared without
//! case, as Entra compares them, so that no spelling of a token path escapes its route.

use std::fmt;

/// The name of the segment that names the sign-in tenant.
pub const TENANT: &str = "tenant";

/// A parsed template, like `/{tenant}/oauth2/v2.0/token`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Named(String),
}

/// What the named segments held in one path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captures<'t, 'p> {
    pairs: Vec<(&'t str, &'p str)>,
}

impl<'p> Captures<'_, 'p> {
    /// The text of a named segment.
    pub fn get(&self, name: &str) -> Option<&'p str> {
        self.pairs
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, text)| *text)
    }
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix('/').ok_or("a path starts with /")?;
        let mut segments: Vec<Segment> = Vec::new();
        for part in rest.split('/') {
            let named = part
                .strip_prefix('{')
                .and_then(|part| part.strip_suffix('}'));
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
            match named {
                Some(name) if !name.is_empty() && name.chars().all(|c| allowed(c) && c != '.') => {
                    let named = Segment::Named(name.to_owned());
                    if segments.contains(&named) {
                        return Err(format!("{{{name}}} stands twice"));
                    }
                    segments.push(named);
                }
                None if !part.is_empty()
                    && part != "."
                    && part != ".."
                    && part.chars().all(allowed) =>
                {
                    segments.push(Segment::Literal(part.to_owned()));
                }
                _ => {
                    return Err(format!(
                        "the segment {part:?} is neither a word nor {{name}}"
                    ));
                }
            }
        }
        Ok(Self { segments })
    }

    /// Matches a whole path.
    pub fn matches<'t, 'p>(&'t self, path: &'p str) -> Option<Captures<'t, 'p>> {
        let mut parts = path.strip_prefix('/')?.split('/');
        let mut captures = Captures::default();
        for segment in &self.segments {
            let part = parts.next()?;
            match segment {
                Segment::Literal(literal) if literal.eq_ignore_ascii_case(part) => {}
                Segment::Named(name) if !part.is_empty() => captures.pairs.push((name, part)),
                Segment::Literal(_) | Segment::Named(_) => return None,
            }
        }
        parts.next().is_none().then_some(captures)
    }

    /// Fills the template in; none if a name is missing in all of `captures`.
    pub fn fill(&self, captures: &[&Captures<'_, '_>]) -> Option<String> {
        let mut path = String::with_capacity(64);
        for segment in &self.segments {
            path.push('/');
            match segment {
                Segment::Literal(literal) => path.push_str(literal),
                Segment::Named(name) => {
                    path.push_str(captures.iter().find_map(|known| known.get(name))?);
                }
            }
        }
        Some(path)
    }

    /// The names of its named segments.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Named(name) => Some(name.as_str()),
            Segment::Literal(_) => None,
        })
    }

    /// Whether some path matches both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.segments.len() == other.segments.len()
            && self
                .segments
                .iter()
                .zip(&other.segments)
                .all(|pair| match pair {
                    (Segment::Literal(a), Segment::Literal(b)) => a.eq_ignore_ascii_case(b),
                    _ => true,
                })
    }

    /// Whether every path that matches `other` matches this.
    pub fn covers(&self, other: &Self) -> bool {
        self.segments.len() == other.segments.len()
            && self
                .segments
                .iter()
                .zip(&other.segments)
                .all(|pair| match pair {
                    (Segment::Named(_), _) => true,
                    (Segment::Literal(a), Segment::Literal(b)) => a.eq_ignore_ascii_case(b),
                    (Segment::Literal(_), Segment::Named(_)) => false,
                })
    }

    /// The last of its literal segments.
    pub fn last_literal(&self) -> Option<&str> {
        self.segments
            .iter()
            .rev()
            .find_map(|segment| match segment {
                Segment::Literal(literal) => Some(literal.as_str()),
                Segment::Named(_) => None,
            })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Literal(literal) => write!(f, "/{literal}"),
            Segment::Named(name) => write!(f, "/{{{name}}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_matches_whole_paths_only() {
        let template = Template::parse("/{tenant}/oauth2/v2.0/token").unwrap();
        let table = [
            ("/common/oauth2/v2.0/token", Some("common")),
            ("/Contoso.com/OAuth2/V2.0/TOKEN", Some("Contoso.com")),
            ("/common/oauth2/v2.0/token/", None),
            ("//oauth2/v2.0/token", None),
            ("/x/common/oauth2/v2.0/token", None),
            ("/common/oauth2/token", None),
            ("common/oauth2/v2.0/token", None),
            ("", None),
        ];
        for (path, tenant) in table {
            let found = template
                .matches(path)
                .and_then(|captures| captures.get(TENANT));
            assert_eq!(found, tenant, "{path}");
        }
    }

    #[test]
    fn a_bad_template_says_what_is_wrong() {
        for text in [
            "", "token", "/a//b", "/{}", "/{a}/{a}", "/a b", "/%2e", "/..", "/x{a}", "/a/",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn filling_in_needs_every_name() {
        let from = Template::parse("/t/{creator}/{tenant}/token").unwrap();
        let to = Template::parse("/{tenant}/oauth2/token").unwrap();
        let captures = from.matches("/t/a/b/token").unwrap();
        assert_eq!(to.fill(&[&captures]).as_deref(), Some("/b/oauth2/token"));
        assert_eq!(
            Template::parse("/{other}").unwrap().fill(&[&captures]),
            None
        );
    }

    #[test]
    fn templates_overlap_where_one_path_could_match_both() {
        let t = |text| Template::parse(text).unwrap();
        assert!(t("/{a}/token").overlaps(&t("/x/{b}")));
        assert!(t("/A/b").overlaps(&t("/a/B")));
        assert!(!t("/{a}/token").overlaps(&t("/{a}/keys")));
        assert!(!t("/{a}").overlaps(&t("/{a}/b")));
    }

    #[test]
    fn a_template_covers_what_it_always_matches_as_well() {
        let t = |text| Template::parse(text).unwrap();
        assert!(t("/{a}/token").covers(&t("/{b}/Token")));
        assert!(t("/{a}/{b}").covers(&t("/x/{b}")));
        assert!(!t("/x/{b}").covers(&t("/{a}/{b}")));
        assert!(!t("/{a}").covers(&t("/{a}/b")));
    }

    #[test]
    fn the_last_literal_may_stand_before_a_name() {
        let last = |text| {
            Template::parse(text)
                .unwrap()
                .last_literal()
                .map(str::to_owned)
        };
        assert_eq!(last("/{a}/token/{b}").as_deref(), Some("token"));
        assert_eq!(last("/{a}"), None);
    }
}
