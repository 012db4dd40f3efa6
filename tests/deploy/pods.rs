//! Manifests as Kubernetes would make pods of them: which gateway runs, with which files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tidegate::config::{self, Config};

use crate::tools::output;

/// Manifests that belong together.
pub(crate) struct Stack {
    pub(crate) name: String,
    pub(crate) documents: Vec<Value>,
}

impl Stack {
    pub(crate) fn of(name: &str, text: &str) -> Self {
        let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
        let documents = documents.into_iter().filter(|document| !document.is_null());
        Self {
            name: name.to_owned(),
            documents: documents.collect(),
        }
    }

    /// All manifests of a kind.
    pub(crate) fn kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        let of_kind = move |document: &&Value| document["kind"] == kind;
        self.documents.iter().filter(of_kind)
    }

    /// The one workload, whatever its kind.
    pub(crate) fn workload(&self) -> &Value {
        let mut workloads = self.kind("Deployment").chain(self.kind("StatefulSet"));
        let workload = workloads.next().unwrap();
        assert!(workloads.next().is_none(), "{}", self.name);
        workload
    }

    /// Its pods.
    pub(crate) fn pod(&self) -> &Value {
        &self.workload()["spec"]["template"]["spec"]
    }

    /// Every container of a pod.
    pub(crate) fn containers(&self) -> Vec<&Value> {
        let pod = self.pod();
        let kinds = ["initContainers", "containers"].iter();
        kinds.flat_map(|kind| list(&pod[*kind])).collect()
    }

    /// The gateway in a pod.
    pub(crate) fn gateway(&self) -> &Value {
        let containers = self.containers().into_iter();
        let mut gateways = containers.filter(|container| container["name"] == "tidegate");
        gateways.next().unwrap()
    }
}

/// A list that may be absent.
pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A gateway's files as they would be in its container, below a directory.
pub(crate) struct Files {
    place: TempDir,
    file: PathBuf,
}

impl Files {
    /// Lays out every volume as the kubelet does. Secrets have what cert-manager writes.
    pub(crate) fn of(stack: &Stack) -> Self {
        let place = TempDir::new().unwrap();
        let gateway = stack.gateway();
        let mounts: Vec<_> = list(&gateway["volumeMounts"])
            .map(|mount| (text(&mount["mountPath"]), text(&mount["name"])))
            .collect();
        let paths: Vec<&str> = mounts.iter().map(|(path, _)| *path).collect();
        for (path, name) in &mounts {
            let at = below(place.path(), path);
            fs::create_dir_all(&at).unwrap();
            for (file, content) in volume(stack, name) {
                mount(&at, &file, &moved(&content, place.path(), &paths));
            }
        }
        let arguments: Vec<&str> = list(&gateway["args"]).map(text).collect();
        let ["serve", "--config", file] = arguments[..] else {
            panic!("{arguments:?}");
        };
        let file = below(place.path(), file);
        Self { place, file }
    }

    /// The configuration, which `tidegate check` takes, and the keys that it warns of.
    pub(crate) fn check(&self) -> (Config, Vec<String>) {
        let mut check = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        check.args(["check", "--json", "--config"]).arg(&self.file);
        check.current_dir(self.place.path());
        let told: Value = serde_json::from_str(&output(&mut check)).unwrap();
        assert_eq!(told["valid"], true);
        let warnings = list(&told["warnings"]).map(|warning| text(&warning["key"]).to_owned());
        (config::load(&self.file).unwrap(), warnings.collect())
    }
}

/// A value that is text.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value}"))
}

fn below(place: &Path, path: &str) -> PathBuf {
    place.join(path.trim_start_matches('/'))
}

/// A text whose paths below mounts are those of the files laid out.
pub(crate) fn moved(content: &str, place: &Path, mounts: &[&str]) -> String {
    let mut content = content.to_owned();
    for mount in mounts {
        for end in ["/", "\""] {
            let here = format!("\"{}{end}", below(place, mount).display());
            content = content.replace(&format!("\"{mount}{end}"), &here);
        }
    }
    content
}

/// What a volume holds.
fn volume(stack: &Stack, name: &str) -> Vec<(String, String)> {
    let claims = list(&stack.workload()["spec"]["volumeClaimTemplates"]);
    let mut claimed = claims.filter(|claim| claim["metadata"]["name"] == name);
    let mut volumes = list(&stack.pod()["volumes"]).filter(|volume| volume["name"] == name);
    let Some(volume) = volumes.next() else {
        assert!(claimed.next().is_some(), "no volume {name}");
        return Vec::new();
    };
    assert!(claimed.next().is_none(), "two volumes {name}");
    if let Some(map) = volume["configMap"]["name"].as_str() {
        let mut maps = stack.kind("ConfigMap");
        let found = maps.find(|document| document["metadata"]["name"] == map);
        let data = found.unwrap()["data"].as_object().unwrap().clone();
        let files = data.into_iter();
        return files
            .map(|(file, content)| (file, text(&content).to_owned()))
            .collect();
    }
    if volume["secret"].is_object() {
        return secret();
    }
    assert!(volume["emptyDir"].is_object(), "{volume}");
    Vec::new()
}

/// A certificate, its key, an authority and a password.
pub(crate) fn secret() -> Vec<(String, String)> {
    let made = rcgen::generate_simple_self_signed(vec!["tidegate.internal".to_owned()]).unwrap();
    let files = [
        ("tls.crt", made.cert.pem()),
        ("tls.key", made.signing_key.serialize_pem()),
        ("ca.crt", made.cert.pem()),
        ("password", "correct horse\n".to_owned()),
    ];
    files
        .map(|(file, content)| (file.to_owned(), content))
        .into()
}

/// A file of a mounted volume: a link to a link, as the kubelet has it.
fn mount(at: &Path, file: &str, content: &str) {
    let version = at.join("..2026_01_01");
    fs::create_dir_all(&version).unwrap();
    fs::write(version.join(file), content).unwrap();
    if !at.join("..data").exists() {
        symlink("..2026_01_01", at.join("..data")).unwrap();
    }
    symlink(Path::new("..data").join(file), at.join(file)).unwrap();
}
