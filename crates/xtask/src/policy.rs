//! What may be depended upon: licences, sources, banned crates, a stated reason for each direct dependency.
//!
//! The rules are in `deny.toml`, in the form that cargo-deny reads; here is the part of it that needs no further
//! program. The reasons are in `docs/dependencies.md`.

use crate::cargo::{Node, Workspace, captured, stdout};
use crate::licence;
use crate::stage::Findings;
use std::collections::BTreeSet;
use std::fs;
use toml::{Table, Value};

/// Checks the dependencies of the whole workspace, as they are compiled for this machine.
pub(crate) fn run(workspace: &Workspace) -> Result<Findings, String> {
    let rules = Rules::read(&read(workspace, "deny.toml")?)?;
    let compiled = workspace.tree(&["--workspace"], "normal,build,dev", "{l}")?;
    let mut findings = rules.judge(&compiled);
    findings.extend(rules.judge_sources(&read(workspace, "Cargo.lock")?)?);
    findings.extend(lock_findings(workspace));
    findings.extend(undocumented(workspace)?);
    Ok(findings)
}

struct Rules {
    licences: BTreeSet<String>,
    exceptions: Vec<(String, BTreeSet<String>)>,
    banned: Vec<(String, String)>,
    registries: BTreeSet<String>,
}

impl Rules {
    fn read(text: &str) -> Result<Self, String> {
        let root: Table = text.parse().map_err(|error| format!("deny.toml: {error}"))?;
        let section = |name: &str| root.get(name).and_then(Value::as_table).cloned().unwrap_or_default();
        let crate_of = |table: &Value| word(table.get("crate"));
        let licences = section("licenses");
        Ok(Self {
            licences: words(licences.get("allow")),
            exceptions: list(licences.get("exceptions")).iter().map(|e| (crate_of(e), words(e.get("allow")))).collect(),
            banned: list(section("bans").get("deny")).iter().map(|b| (crate_of(b), word(b.get("reason")))).collect(),
            registries: words(section("sources").get("allow-registry")),
        })
    }

    fn judge(&self, compiled: &[Node]) -> Findings {
        let mut findings = Findings::new();
        for node in compiled.iter().filter(|node| !node.local) {
            let accepted = |licence: &str| self.licences.contains(licence) || self.excepts(&node.name, licence);
            if !licence::satisfied(&node.value, &accepted) {
                findings
                    .push(format!("{} has the licence `{}`, which deny.toml does not allow", node.name, node.value));
            }
            for (_, reason) in self.banned.iter().filter(|(name, _)| *name == node.name) {
                findings.push(format!("{} is banned: {reason}; see `cargo tree -i {}`", node.name, node.name));
            }
        }
        findings
    }

    fn excepts(&self, package: &str, licence: &str) -> bool {
        self.exceptions.iter().any(|(name, allowed)| name == package && allowed.contains(licence))
    }

    /// Every package of the lock file, compiled here or not, comes from a registry that is allowed or is our own.
    fn judge_sources(&self, lock: &str) -> Result<Findings, String> {
        let lock: Table = lock.parse().map_err(|error| format!("Cargo.lock: {error}"))?;
        let foreign = |package: &Value| {
            let source = package.get("source")?.as_str()?;
            let allowed = source.strip_prefix("registry+").is_some_and(|registry| self.registries.contains(registry));
            (!allowed)
                .then(|| format!("{} comes from {source}, not from an allowed registry", word(package.get("name"))))
        };
        Ok(list(lock.get("package")).iter().filter_map(foreign).collect())
    }
}

fn lock_findings(workspace: &Workspace) -> Findings {
    let mut findings = Findings::new();
    let args = ["-c", "safe.directory=*", "ls-files", "--error-unmatch", "Cargo.lock"];
    if !captured(workspace.command("git").args(args)).is_ok_and(|output| output.status.success()) {
        findings.push("Cargo.lock is not committed".to_owned());
    }
    findings.extend(stdout(&mut workspace.cargo(&["tree", "--locked", "--workspace", "--depth", "0"])).err());
    findings
}

/// Direct dependencies without a line in `docs/dependencies.md`, and lines whose dependency is gone.
fn undocumented(workspace: &Workspace) -> Result<Findings, String> {
    let page = read(workspace, "docs/dependencies.md")?;
    let documented: BTreeSet<&str> = page.lines().filter_map(documented_name).collect();
    let members = workspace.members()?;
    let used: BTreeSet<&str> = members.iter().flat_map(|member| &member.foreign).map(String::as_str).collect();
    let manifest: Table =
        read(workspace, "Cargo.toml")?.parse().map_err(|error| format!("the root Cargo.toml: {error}"))?;
    let listed = manifest.get("workspace").and_then(|w| w.get("dependencies")).and_then(Value::as_table);
    let is_listed = |name: &str| listed.is_some_and(|listed| listed.contains_key(name));
    let missing = used.difference(&documented).map(|name| format!("docs/dependencies.md has no line for {name}"));
    let stale = documented.iter().filter(|name| !used.contains(*name) && !is_listed(name));
    Ok(missing
        .chain(stale.map(|name| format!("docs/dependencies.md has a line for {name}, which is not used")))
        .collect())
}

/// The crate that a row of the table is about: ``| `name` | …``.
fn documented_name(line: &str) -> Option<&str> {
    line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name)
}

fn read(workspace: &Workspace, path: &str) -> Result<String, String> {
    fs::read_to_string(workspace.root.join(path)).map_err(|error| format!("{path}: {error}"))
}

fn list(value: Option<&Value>) -> Vec<Value> {
    value.and_then(Value::as_array).cloned().unwrap_or_default()
}

fn words(value: Option<&Value>) -> BTreeSet<String> {
    list(value).iter().map(|item| word(Some(item))).collect()
}

fn word(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"
        [licenses]
        allow = ["MIT"]
        exceptions = [{ crate = "odd", allow = ["Zlib"] }]
        [bans]
        deny = [{ crate = "heavy", reason = "we have light" }]
        [sources]
        allow-registry = ["https://registry"]
    "#;

    #[track_caller]
    fn check(name: &str, licence: &str, expected: &[&str]) {
        let node = Node { name: name.to_owned(), local: false, value: licence.to_owned() };
        let findings = Rules::read(RULES).unwrap().judge(&[node]);
        assert_eq!(findings.len(), expected.len(), "{findings:?}");
        for (finding, part) in findings.iter().zip(expected) {
            assert!(finding.contains(part), "{finding}");
        }
    }

    #[test]
    fn a_licence_off_the_list_and_a_banned_crate_are_found() {
        check("plain", "MIT OR Zlib", &[]);
        check("plain", "Zlib", &["licence `Zlib`"]);
        check("odd", "Zlib", &[]);
        check("plain", "", &["licence ``"]);
        check("heavy", "MIT", &["we have light"]);
    }

    #[test]
    fn a_package_from_elsewhere_is_found() {
        let rules = Rules::read(RULES).unwrap();
        let lock =
            |source: &str| format!("[[package]]\nname = \"a\"\nsource = \"{source}\"\n[[package]]\nname = \"own\"\n");
        assert_eq!(rules.judge_sources(&lock("registry+https://registry")).unwrap(), Findings::new());
        assert_eq!(rules.judge_sources(&lock("git+https://registry")).unwrap().len(), 1);
        assert_eq!(rules.judge_sources(&lock("registry+https://other")).unwrap().len(), 1);
    }
}
