//! The paths that a source file names, such as `crate::storage::Storage`: in `use` trees and anywhere else.

use super::lexer::{Token, tokens};

/// What one file refers to. Parts under `#[cfg(test)]` are left out: a test may look where it likes.
#[derive(Debug, Default, PartialEq)]
pub struct Source {
    /// Full paths: the first word is a crate's name, `crate` for the own one, or a name of this file's own.
    pub paths: Vec<Vec<String>>,
    /// Modules declared for tests only, as full paths from the crate's root.
    pub test_modules: Vec<Vec<String>>,
}

/// Reads a file that is the module `module` of its crate; the root has no words.
pub fn read(text: &str, module: &[&str]) -> Source {
    let mut reader = Reader {
        tokens: tokens(text),
        at: 0,
        module: module.iter().map(|word| (*word).to_owned()).collect(),
        found: Source::default(),
    };
    reader.items();
    reader.found
}

struct Reader<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    module: Vec<String>,
    found: Source,
}

impl<'a> Reader<'a> {
    /// Reads up to the bracket that closes what is being read, or to the end.
    fn items(&mut self) {
        while let Some(token) = self.next() {
            match token {
                Token::Mark('#') if self.is_next('[') => self.attribute(),
                Token::Mark('{') => self.items(),
                Token::Mark('}') => return,
                Token::Word("use") => self.use_tree(&[]),
                Token::Word("mod") => self.module(),
                Token::Word(word) => self.path(word),
                Token::Colons | Token::Mark(_) => {}
            }
        }
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let token = self.tokens.get(self.at).copied();
        self.at += 1;
        token
    }

    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    fn is_next(&self, mark: char) -> bool {
        self.peek() == Some(Token::Mark(mark))
    }

    /// Reads `#[...]`, and skips what stands under it if that is for tests.
    fn attribute(&mut self) {
        let start = self.at;
        self.skip_brackets();
        let inside: Vec<&str> = self.tokens[start..self.at.min(self.tokens.len())]
            .iter()
            .filter_map(|token| if let Token::Word(word) = token { Some(*word) } else { None })
            .collect();
        if matches!(inside.as_slice(), ["cfg", "test"] | ["cfg", "all", "test", ..] | ["test"] | ["tokio", "test", ..])
        {
            self.skip_item();
        }
    }

    /// Skips one item: to its semicolon, or to the end of its body.
    fn skip_item(&mut self) {
        while let Some(token) = self.peek() {
            match token {
                Token::Word("mod") => self.note_test_module(),
                Token::Mark(';') => {
                    self.at += 1;
                    return;
                }
                Token::Mark('{') => return self.skip_brackets(),
                Token::Mark('(' | '[') => self.skip_brackets(),
                _ => self.at += 1,
            }
        }
    }

    fn note_test_module(&mut self) {
        self.at += 1;
        if let Some(Token::Word(name)) = self.peek() {
            self.found.test_modules.push(with(&self.module, &[name]));
        }
    }

    /// Skips a bracket and all that it holds.
    fn skip_brackets(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.next() {
            match token {
                Token::Mark('{' | '(' | '[') => depth += 1,
                Token::Mark('}' | ')' | ']') => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return;
                    }
                }
                _ => {}
            }
        }
    }

    /// Reads `mod name { ... }`; of `mod name;` there is nothing to note.
    fn module(&mut self) {
        let Some(Token::Word(name)) = self.next() else { return };
        if self.is_next('{') {
            self.at += 1;
            self.module.push(name.to_owned());
            self.items();
            self.module.pop();
        }
    }

    /// Reads a tree such as `a::{b, c::{d, self}, e as f, g::*}` with what stands before it.
    fn use_tree(&mut self, before: &[&'a str]) {
        let mut path = before.to_vec();
        while let Some(token) = self.peek() {
            match token {
                Token::Word("as") => self.at += 2,
                Token::Word(word) => {
                    path.push(word);
                    self.at += 1;
                }
                Token::Colons => self.at += 1,
                Token::Mark('*') => {
                    path.push("*");
                    self.at += 1;
                }
                Token::Mark('{') => return self.use_list(&path),
                Token::Mark(_) => break,
            }
        }
        self.note(&path);
    }

    fn use_list(&mut self, before: &[&'a str]) {
        self.at += 1;
        while let Some(token) = self.peek() {
            match token {
                Token::Mark('}') => {
                    self.at += 1;
                    return;
                }
                Token::Mark(';') => return,
                Token::Mark(mark) if mark != '{' && mark != '*' => self.at += 1,
                _ => self.use_tree(before),
            }
        }
    }

    /// Reads a path outside of `use`, where it has more than one word.
    fn path(&mut self, first: &'a str) {
        let mut path = vec![first];
        while self.peek() == Some(Token::Colons) {
            let Some(Token::Word(word)) = self.tokens.get(self.at + 1).copied() else { break };
            path.push(word);
            self.at += 2;
        }
        if path.len() > 1 {
            self.note(&path);
        }
    }

    fn note(&mut self, path: &[&str]) {
        let full = match path {
            ["self", rest @ ..] => with(&self.own_module(), rest),
            ["super", ..] => {
                let up = path.iter().take_while(|word| **word == "super").count();
                let own = self.own_module();
                with(&own[..own.len().saturating_sub(up).max(1)], &path[up..])
            }
            _ => with(&[], path),
        };
        // `a::{self}` is `a`.
        let full = match full.split_last() {
            Some((last, rest)) if last == "self" => rest.to_vec(),
            _ => full,
        };
        if !full.is_empty() && !self.found.paths.contains(&full) {
            self.found.paths.push(full);
        }
    }

    fn own_module(&self) -> Vec<String> {
        std::iter::once("crate".to_owned()).chain(self.module.iter().cloned()).collect()
    }
}

fn with(before: &[String], rest: &[&str]) -> Vec<String> {
    before.iter().cloned().chain(rest.iter().map(|word| (*word).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str, module: &[&str]) -> Vec<String> {
        read(text, module).paths.iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn a_use_tree_is_unfolded() {
        let source = "use crate::{a::B, c::{self, d::*, e as f}}; pub(crate) use ::api::names::{Name};";
        assert_eq!(
            paths(source, &[]),
            ["crate::a::B", "crate::c", "crate::c::d::*", "crate::c::e", "api::names::Name"]
        );
    }

    #[test]
    fn a_path_in_the_midst_of_code_is_found() {
        let source = "fn a(x: &crate::b::C<api::D>) -> u8 { json!({\"k\": crate::e::f(1)}); x.y(|_| std::io::g()) }";
        assert_eq!(paths(source, &[]), ["crate::b::C", "api::D", "crate::e::f", "std::io::g"]);
    }

    #[test]
    fn self_and_super_are_resolved() {
        let source = "use super::b::C; use super::super::d; use self::e; mod inner { use super::f::G; }";
        assert_eq!(
            paths(source, &["http", "routes"]),
            ["crate::http::b::C", "crate::d", "crate::http::routes::e", "crate::http::routes::f::G"]
        );
    }

    #[test]
    fn what_is_for_tests_is_left_out() {
        let source = "
            #[cfg(test)] use crate::a::B;
            #[cfg(test)] mod tests { use crate::c::D; fn e() { crate::f::g() } }
            #[test] fn h() { crate::i::j() }
            #[cfg(test)] pub mod contract;
            #[cfg(any(test, feature = \"x\"))] use crate::k::L;
            #[derive(Debug)] struct M(crate::n::O);
        ";
        let found = read(source, &["storage"]);
        assert_eq!(found.paths, [["crate", "k", "L"], ["crate", "n", "O"]]);
        assert_eq!(found.test_modules, [["storage", "tests"], ["storage", "contract"]]);
    }

    #[test]
    fn broken_source_ends_the_reading_without_a_panic() {
        for source in [
            "use",
            "use a::{b",
            "mod",
            "#[cfg(test)]",
            "#[cfg(test)] mod",
            "use super::super::super::x",
            "}",
            "a::",
            "use a::{=b, {c}, ..}",
        ] {
            read(source, &["one"]);
        }
    }
}
