//! Where services of the Compose file find on this machine what they name.

use std::cmp::Reverse;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::Trial;
use crate::pods::{list, text};

impl Trial {
    /// A text of a service's as it is on this machine.
    pub(super) fn here(&self, name: &str, theirs: &str) -> String {
        let mut here = theirs.to_owned();
        for ((of, port), own) in &self.ports {
            here = here.replace(&format!("//{of}:{port}"), &format!("//127.0.0.1:{own}"));
            if *of == name {
                here = here.replace(&format!("0.0.0.0:{port}"), &format!("127.0.0.1:{own}"));
                here = here.replace(
                    &format!("//localhost:{port}"),
                    &format!("//localhost:{own}"),
                );
            }
        }
        let mut targets: Vec<_> = list(&self.compose["services"][name]["volumes"])
            .map(|volume| (text(&volume["target"]), self.source(name, volume)))
            .chain(self.tmpfs(name))
            .collect();
        targets.sort_by_key(|(target, _)| Reverse(target.len()));
        // `/setup/*` in the script are all volumes; the others are below.
        if name == "setup" {
            targets = vec![
                ("/setup.sh", self.scripted()),
                ("/setup/", self.place.path().join("setup/")),
                ("/client", self.client()),
            ];
        }
        // In two steps: what was put in may contain the next one's name.
        for (number, (target, _)) in targets.iter().enumerate() {
            here = replaced(&here, target, &format!("\u{1}{number}\u{1}"));
        }
        for (number, (_, source)) in targets.iter().enumerate() {
            here = here.replace(&format!("\u{1}{number}\u{1}"), source.to_str().unwrap());
        }
        here
    }

    /// Where what a service mounts is.
    pub(super) fn source(&self, name: &str, volume: &Value) -> PathBuf {
        let source = text(&volume["source"]);
        match (text(&volume["type"]), source) {
            ("volume", _) => self.volume(source),
            (_, "./policies") => self.policies(),
            (_, "./client") => self.client(),
            (_, "./setup.sh") => self.scripted(),
            (_, "./tidegate.toml") => self.place.path().join(format!("{name}.toml")),
            _ => panic!("{name}: {volume}"),
        }
    }

    fn tmpfs(&self, name: &str) -> Vec<(&str, PathBuf)> {
        let mounts = list(&self.compose["services"][name]["tmpfs"]);
        mounts
            .map(|mount| text(mount).split(':').next().unwrap())
            .filter(|path| *path != "/tmp")
            .map(|path| {
                let at = self.place.path().join(format!("{name}-tmpfs"));
                fs::create_dir_all(&at).unwrap();
                (path, at)
            })
            .collect()
    }

    fn scripted(&self) -> PathBuf {
        self.place.path().join("setup.sh")
    }
}

/// A text in which a path is another, where it begins one.
fn replaced(text: &str, path: &str, other: &str) -> String {
    let of_a_path = |c: char| c.is_alphanumeric() || "._-/\u{1}".contains(c);
    let mut parts = text.split(path).peekable();
    let mut whole = String::new();
    while let Some(part) = parts.next() {
        whole.push_str(part);
        if let Some(rest) = parts.peek() {
            let inside = whole.ends_with(of_a_path);
            let longer = !path.ends_with('/') && rest.starts_with(|c| c != '/' && of_a_path(c));
            whole.push_str(if inside || longer { path } else { other });
        }
    }
    whole
}
