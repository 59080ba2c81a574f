//! `countersign apply`: a tenant on disk → the server's state. Everything unreadable in it is told, each with its place,
//! and then nothing is sent; the server applies all of it in one transaction, or nothing.

use crate::error::{CommandError, Problem};
use crate::graph::Graph;
use crate::json::{list, text};
use crate::output::{self, Format};
use control_plane::apply::Mode;
use http::Method;
use policy::Verdict;
use serde_json::{Value, json};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Files in a folder, folders below it included.
const FILE_LIMIT: usize = 100_000;

pub async fn run(tenant: &Path, mode: Mode, graph: &Graph, format: Format) -> Result<(), CommandError> {
    let Tenant { objects, places } = read(tenant)?;
    let path = format!("/v1.0/countersign/apply?plan={}", mode == Mode::Plan);
    let answer = graph.send(Method::POST, &path, Some(&json!({ "objects": objects }))).await?;
    let body = answer.as_ref().unwrap_or_else(|refusal| &refusal.body);
    let (errors, remarks): (Vec<_>, Vec<_>) =
        list(body, "/problems").iter().partition(|problem| text(problem, "/severity") != "remark");
    for remark in remarks {
        tracing::warn!(place = located(text(remark, "/place"), &places), "{}", text(remark, "/message"));
    }
    match answer {
        Ok(answer) => {
            show(&answer, mode, format);
            Ok(())
        }
        Err(refusal) if errors.is_empty() => Err(refusal.problem().into()),
        Err(_) => {
            let problem = |error: &Value| {
                let hint = Some(text(error, "/hint").to_owned()).filter(|hint| !hint.is_empty());
                Problem { place: located(text(error, "/place"), &places), message: text(error, "/message").to_owned(), hint }
            };
            Err(errors.into_iter().map(problem).collect::<Vec<_>>().into())
        }
    }
}

/// What was read, and of each object the file and the place in it.
#[derive(Debug, Default)]
pub struct Tenant {
    pub objects: Vec<Value>,
    pub places: Vec<String>,
}

/// Every object of a folder, a file, or standard input (`-`).
pub fn read(tenant: &Path) -> Result<Tenant, CommandError> {
    let mut contents = policy::Contents::default();
    let mut problems = Vec::new();
    let mut take = |name: &str, bytes: &[u8]| {
        let read = policy::read(name, bytes);
        contents.objects.extend(read.objects);
        contents.problems.extend(read.problems);
    };
    if tenant == Path::new("-") {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        read.map_err(|error| Problem::caused_by("standard input cannot be read", &error))?;
        take("standard input", &bytes);
    } else {
        for file in files(tenant)? {
            match fs::read(&file) {
                Ok(bytes) => take(&file.display().to_string(), &bytes),
                Err(error) => problems.push(Problem::caused_by("the file cannot be read", &error).at(file.display())),
            }
        }
    }
    for found in contents.problems {
        match found.verdict {
            Verdict::Ignored => tracing::warn!(file = found.file, place = found.place, "left out: {}", found.reason),
            Verdict::Refused => {
                problems.push(Problem { place: place(&found.file, &found.place), message: found.reason, hint: found.hint });
            }
        }
    }
    if problems.is_empty() && contents.objects.is_empty() {
        let hint = "Graph objects in files that end in `.json`: users, groups, applications, policies, …";
        problems.push(Problem::new("no object of a tenant is here").at(tenant.display()).hint(hint));
    }
    if !problems.is_empty() {
        return Err(problems.into());
    }
    Ok(Tenant {
        objects: contents.objects.iter().map(|read| read.object.to_value()).collect(),
        places: contents.objects.iter().map(|read| place(&read.file, &read.place)).collect(),
    })
}

fn place(file: &str, place: &str) -> String {
    if place == "$" { file.to_owned() } else { format!("{file}, {place}") }
}

/// The server counts objects (`$.objects[3].members[0]`); people know files.
fn located(place: &str, places: &[String]) -> String {
    let found = || {
        let (index, rest) = place.strip_prefix("$.objects[")?.split_once(']')?;
        let file = places.get(index.parse::<usize>().ok()?)?;
        Some(if rest.is_empty() { file.clone() } else { format!("{file}, ${rest}") })
    };
    found().unwrap_or_else(|| place.to_owned())
}

/// The file itself, or every `.json` file below the folder, in the order of names.
fn files(tenant: &Path) -> Result<Vec<PathBuf>, Problem> {
    let unreadable =
        |path: &Path, error: &std::io::Error| Problem::caused_by("the tenant cannot be read", error).at(path.display());
    let data = fs::metadata(tenant).map_err(|error| unreadable(tenant, &error))?;
    if !data.is_dir() {
        return Ok(vec![tenant.to_owned()]);
    }
    let (mut found, mut open) = (Vec::new(), vec![tenant.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))? {
            let entry = entry.map_err(|error| unreadable(&folder, &error))?;
            let kind = entry.file_type().map_err(|error| unreadable(&entry.path(), &error))?;
            let is_json = entry.path().extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
            if kind.is_dir() {
                open.push(entry.path());
            } else if is_json {
                found.push(entry.path());
            }
            if found.len() + open.len() > FILE_LIMIT {
                return Err(Problem::new(format!("more than {FILE_LIMIT} files")).at(tenant.display()));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn show(answer: &Value, mode: Mode, format: Format) {
    if format.is_json() {
        output::json(answer);
        return;
    }
    let mut unchanged = 0;
    for change in list(answer, "/changes") {
        match text(change, "/action") {
            "unchanged" => unchanged += 1,
            action => {
                let (kind, id, name) = (text(change, "/kind"), text(change, "/id"), text(change, "/displayName"));
                output::line(format!("{action:<7} {kind:<28} {id}  {name}"));
            }
        }
    }
    let changed = list(answer, "/changes").len() - unchanged;
    let verb = match mode {
        Mode::Plan => "would change",
        Mode::Apply => "changed",
    };
    output::line(format!("{changed} {verb}, {unchanged} as they are"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_tenant_is_read_whole() {
        let tenant = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tenant");
        assert_eq!(read(&tenant).unwrap().objects.len(), crate::demo::embedded::FILES.len());
    }

    #[test]
    fn every_unreadable_file_is_told_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("users")).unwrap();
        fs::write(folder.path().join("users/a.json"), r#"{"id": "a", "userPrincipalName": "#).unwrap();
        fs::write(folder.path().join("b.json"), r#"[{"id": "g", "displayName": "G", "members": []}, {"userPrincipalName": 7}]"#)
            .unwrap();
        fs::write(folder.path().join("readme.txt"), "not read").unwrap();
        let error = read(folder.path()).unwrap_err();
        let places: Vec<String> = error.problems.iter().map(|problem| problem.place.clone()).collect();
        assert_eq!(places.len(), 2, "{error}");
        assert!(places[0].ends_with("b.json, $[1]") && places[1].ends_with("users/a.json"), "{places:?}");
    }

    #[test]
    fn what_the_server_says_is_told_by_file() {
        let places = ["users/a.json".to_owned(), "all.json, $.value[0]".to_owned()];
        assert_eq!(located("$.objects[0]", &places), "users/a.json");
        assert_eq!(located("$.objects[1].members[2]", &places), "all.json, $.value[0], $.members[2]");
        assert_eq!(located("$.objects[9]", &places), "$.objects[9]");
    }

    #[test]
    fn an_empty_or_missing_tenant_is_told() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains("no object of a tenant is here"));
        assert!(read(&folder.path().join("none")).unwrap_err().to_string().contains("cannot be read"));
    }
}
