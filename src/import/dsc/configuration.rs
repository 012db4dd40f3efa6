//! The exported configuration: PowerShell text, of which one resource is read.
//!
//! Invariant: no PowerShell is run. A value that is not a literal is unknown, and what needs it is a
//! fault.

mod tokens;

use self::tokens::{Token, Tokens};
use super::{RESOURCE, RULE, Written};
use crate::import::fault;
use crate::policies::document::Fault;

/// Whether the resource stands in it.
pub(in crate::import) fn is_configuration(text: &str) -> bool {
    text.to_ascii_lowercase()
        .contains(&RESOURCE.to_ascii_lowercase())
}

/// The resources of a configuration, each with its properties.
pub(super) fn resources(text: &str) -> Result<Vec<Vec<(String, Written)>>, Fault> {
    let mut tokens = Tokens::of(text)?;
    let mut found = Vec::new();
    while let Some(token) = tokens.next() {
        let is_resource =
            matches!(&token, Token::Word(word) if word.eq_ignore_ascii_case(RESOURCE));
        // `Import-DscResource` may name it as well; a resource has a name and a block.
        if is_resource && matches!(tokens.peek(), Some(Token::Text(_) | Token::Open(_))) {
            let name = tokens.next();
            if !matches!(name, Some(Token::Open(_))) {
                tokens.open_brace(RESOURCE)?;
            }
            found.push(block(&mut tokens, RESOURCE)?);
        }
    }
    Ok(found)
}

/// `name = value` again and again, up to the closing brace.
fn block(tokens: &mut Tokens, key: &str) -> Result<Vec<(String, Written)>, Fault> {
    let mut properties: Vec<(String, Written)> = Vec::new();
    loop {
        let name = match tokens.next() {
            Some(Token::Close('}')) => return Ok(properties),
            Some(Token::Separator) => continue,
            Some(Token::Word(name)) => name,
            other => return Err(unexpected(key, other, "a property, or `}`")),
        };
        match tokens.next() {
            Some(Token::Equals) => {}
            other => return Err(unexpected(&format!("{key}.{name}"), other, "`=`")),
        }
        let value = value(tokens, &format!("{key}.{name}"))?;
        if properties
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(&name))
        {
            return Err(fault(
                &format!("{key}.{name}"),
                "a property twice",
                "it once",
            ));
        }
        properties.push((name, value));
    }
}

fn value(tokens: &mut Tokens, key: &str) -> Result<Written, Fault> {
    // Every level adds to the key, by a property's name or by this.
    if key.len() > LONGEST_KEY {
        return Err(fault(
            RESOURCE,
            "values in values without end",
            "rules in a list",
        ));
    }
    Ok(match tokens.next() {
        Some(Token::Text(text)) => Written::Text(text),
        Some(Token::Template(text)) => Written::Unknown(text),
        Some(Token::List) => Written::List(list(tokens, key)?),
        Some(Token::Word(word)) if word.eq_ignore_ascii_case(RULE) => {
            tokens.open_brace(key)?;
            Written::Rule(block(tokens, key)?)
        }
        Some(Token::Word(word)) => match word.to_ascii_lowercase().as_str() {
            "$true" => Written::Boolean(true),
            "$false" => Written::Boolean(false),
            "$null" => Written::Null,
            _ => {
                tokens.skip_arguments();
                Written::Unknown(word)
            }
        },
        other => return Err(unexpected(key, other, "a value")),
    })
}

/// Longest key of a value.
const LONGEST_KEY: usize = 1000;

/// The elements of `@( … )`.
fn list(tokens: &mut Tokens, key: &str) -> Result<Vec<Written>, Fault> {
    let mut elements = Vec::new();
    loop {
        match tokens.peek() {
            Some(Token::Close(')')) => {
                tokens.next();
                return Ok(elements);
            }
            Some(Token::Separator) => {
                tokens.next();
            }
            _ => {
                let key = format!("{key}[{}]", elements.len());
                elements.push(value(tokens, &key)?);
            }
        }
    }
}

fn unexpected(key: &str, found: Option<Token>, expected: &str) -> Fault {
    let found = found.map_or_else(
        || "the end of the file".to_owned(),
        |token| token.to_string(),
    );
    fault(key, &found, expected)
}
