//! The words of PowerShell text, as far as a configuration needs them.

use std::collections::VecDeque;
use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

use crate::import::fault;
use crate::policies::document::Fault;

/// One word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// `}` or `)`.
    Close(char),
    /// `=`.
    Equals,
    /// `@(`.
    List,
    /// `{` or `(`.
    Open(char),
    /// `;`, `,` or the end of a line.
    Separator,
    /// A text that holds variables.
    Template(String),
    /// A text that stands for itself.
    Text(String),
    /// Anything else up to white space or punctuation.
    Word(String),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Close(c) | Self::Open(c) => write!(f, "`{c}`"),
            Self::Equals => f.write_str("`=`"),
            Self::List => f.write_str("`@(`"),
            Self::Separator => f.write_str("the end of a line, `;` or `,`"),
            Self::Template(text) | Self::Text(text) => write!(f, "the text {text:?}"),
            Self::Word(word) => write!(f, "{word:?}"),
        }
    }
}

/// All words of a text, in their order.
pub(super) struct Tokens(VecDeque<Token>);

impl Tokens {
    pub(super) fn of(text: &str) -> Result<Self, Fault> {
        let mut tokens = VecDeque::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            tokens.extend(token(c, &mut chars)?);
        }
        Ok(Self(tokens))
    }

    pub(super) fn next(&mut self) -> Option<Token> {
        self.0.pop_front()
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.0.front()
    }

    /// Takes an opening brace, also from the next line.
    pub(super) fn open_brace(&mut self, key: &str) -> Result<(), Fault> {
        while self.peek() == Some(&Token::Separator) {
            self.next();
        }
        match self.next() {
            Some(Token::Open('{')) => Ok(()),
            other => Err(super::unexpected(key, other, "`{`")),
        }
    }

    /// Passes over what belongs to a value that is not read: the rest of its line, blocks whole.
    pub(super) fn skip_arguments(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.peek() {
            match token {
                Token::Separator if depth == 0 => return,
                Token::Close(_) if depth == 0 => return,
                Token::Close(_) => depth -= 1,
                Token::List | Token::Open(_) => depth += 1,
                Token::Equals
                | Token::Separator
                | Token::Template(_)
                | Token::Text(_)
                | Token::Word(_) => {}
            }
            self.next();
        }
    }
}

fn token(first: char, chars: &mut Peekable<Chars<'_>>) -> Result<Option<Token>, Fault> {
    Ok(Some(match first {
        '\n' | '\r' | ';' | ',' => Token::Separator,
        c if c.is_whitespace() => return Ok(None),
        '#' => {
            // Up to the end of the line, which counts.
            while chars.next_if(|c| !matches!(c, '\n' | '\r')).is_some() {}
            return Ok(None);
        }
        '<' if chars.next_if_eq(&'#').is_some() => {
            comment(chars)?;
            return Ok(None);
        }
        '`' if chars.peek().is_some_and(|c| c.is_whitespace()) => {
            // The line goes on.
            chars.next_if_eq(&'\r');
            chars.next_if_eq(&'\n');
            return Ok(None);
        }
        '=' => Token::Equals,
        '{' | '(' => Token::Open(first),
        '}' | ')' => Token::Close(first),
        '@' if chars.next_if_eq(&'(').is_some() => Token::List,
        '@' if matches!(chars.peek(), Some('\'' | '"')) => {
            return Err(fault("", "a here-string", "texts in quotes on one line"));
        }
        '\'' => single(chars)?,
        '"' => double(chars)?,
        c => {
            let mut word = String::from(c);
            while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !"={}();,'\"".contains(*c))
            {
                word.push(c);
            }
            Token::Word(word)
        }
    }))
}

fn comment(chars: &mut Peekable<Chars<'_>>) -> Result<(), Fault> {
    while let Some(c) = chars.next() {
        if c == '#' && chars.next_if_eq(&'>').is_some() {
            return Ok(());
        }
    }
    Err(fault("", "a comment that does not end", "`#>`"))
}

/// `'…'`, in which only a doubled quote is special.
fn single(chars: &mut Peekable<Chars<'_>>) -> Result<Token, Fault> {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        if c == '\'' && chars.next_if_eq(&'\'').is_none() {
            return Ok(Token::Text(text));
        }
        text.push(c);
    }
    Err(fault("", "a text that does not end", "`'`"))
}

/// `"…"`, in which `$` begins a variable and a grave accent takes the next character as it is.
fn double(chars: &mut Peekable<Chars<'_>>) -> Result<Token, Fault> {
    let (mut text, mut template) = (String::new(), false);
    while let Some(c) = chars.next() {
        match c {
            '"' if chars.next_if_eq(&'"').is_none() => {
                return Ok(if template {
                    Token::Template(text)
                } else {
                    Token::Text(text)
                });
            }
            // Letters after it stand for control characters, which no value here holds.
            '`' => match chars.next() {
                Some(next) if !next.is_ascii_alphanumeric() => text.push(next),
                other => {
                    template = true;
                    text.extend(other);
                }
            },
            '$' => {
                template = true;
                text.push(c);
            }
            c => text.push(c),
        }
    }
    Err(fault("", "a text that does not end", "`\"`"))
}
