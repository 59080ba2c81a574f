//! Device filters (§2.6). Evaluates while it reads; builds no tree.

use super::wire::*;
use policy::request::Device;
use serde_json::Value;

pub(super) fn devices(devices: &Value, device: Option<&Device>) -> Option<bool> {
    if absent(devices) {
        return None;
    }
    if !devices.is_object() || stray(devices, &["deviceFilter"]) {
        return Some(true);
    }
    if !configured(devices) {
        return None;
    }
    let filter = &devices["deviceFilter"];
    if !absent(filter) && !filter.is_object() {
        return Some(true);
    }
    if !configured(filter) {
        return None;
    }
    if stray(filter, &["mode", "rule"]) {
        return Some(true);
    }
    // `None` where the rule's meaning is not documented: then the policy applies.
    let Ok(truth) = evaluate(string(filter, "rule"), device) else { return Some(true) };
    match string(filter, "mode").to_lowercase().as_str() {
        "include" => Some(truth != Some(false)),
        "exclude" => Some(truth != Some(true)),
        _ => Some(true),
    }
}

pub(crate) fn evaluate(rule: &str, device: Option<&Device>) -> Result<Tri, ()> {
    if rule.chars().count() > 3072 {
        return Err(());
    }
    let mut rest = split(rule)?;
    rest.reverse();
    let truth = disjunction(&mut rest, device, false, 0)?;
    if rest.is_empty() { Ok(truth) } else { Err(()) }
}

/// Words as they are; quoted text with a leading `"`.
fn split(rule: &str) -> Result<Vec<String>, ()> {
    let mut words = vec![];
    let mut rest = rule;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' | ')' | '[' | ']' | ',' => 1,
            '"' | '\'' => {
                let mut text = String::from('"');
                let mut at = 1;
                loop {
                    let tail = &rest[at..];
                    let escaped = if first == '"' { "`\"" } else { "''" };
                    if tail.starts_with(escaped) {
                        text.push(first);
                        at += 2;
                    } else if tail.starts_with(first) {
                        break;
                    } else {
                        let next = tail.chars().next().ok_or(())?;
                        text.push(next);
                        at += next.len_utf8();
                    }
                }
                words.push(text);
                rest = &rest[at + 1..];
                continue;
            }
            _ if first.is_whitespace() => {
                rest = rest.trim_start();
                continue;
            }
            _ => rest.find(|character: char| character.is_whitespace() || "()[],\"'".contains(character)).unwrap_or(rest.len()),
        };
        words.push(rest[..length].to_owned());
        rest = &rest[length..];
    }
    Ok(words)
}

fn bare(word: &str) -> String {
    word.strip_prefix('-').or_else(|| word.strip_prefix('–')).unwrap_or(word).to_lowercase()
}

fn next_is(rest: &[String], expected: &str) -> bool {
    rest.last().is_some_and(|word| bare(word) == expected)
}

fn disjunction(rest: &mut Vec<String>, device: Option<&Device>, negated: bool, depth: usize) -> Result<Tri, ()> {
    let mut all = vec![conjunction(rest, device, negated, depth)?];
    while next_is(rest, "or") {
        rest.pop();
        all.push(conjunction(rest, device, negated, depth)?);
    }
    Ok(if negated { all.into_iter().fold(Some(true), and) } else { or(all.into_iter()) })
}

fn conjunction(rest: &mut Vec<String>, device: Option<&Device>, negated: bool, depth: usize) -> Result<Tri, ()> {
    let mut all = vec![unary(rest, device, negated, depth)?];
    while next_is(rest, "and") {
        rest.pop();
        all.push(unary(rest, device, negated, depth)?);
    }
    Ok(if negated { or(all.into_iter()) } else { all.into_iter().fold(Some(true), and) })
}

fn unary(rest: &mut Vec<String>, device: Option<&Device>, negated: bool, depth: usize) -> Result<Tri, ()> {
    if depth >= 32 {
        return Err(());
    }
    if next_is(rest, "not") {
        rest.pop();
        return unary(rest, device, !negated, depth + 1);
    }
    let word = rest.pop().ok_or(())?;
    if word == "(" {
        let truth = disjunction(rest, device, negated, depth + 1)?;
        return if rest.pop().as_deref() == Some(")") { Ok(truth) } else { Err(()) };
    }
    comparison(&word, rest, device, negated)
}

fn comparison(word: &str, rest: &mut Vec<String>, device: Option<&Device>, negated: bool) -> Result<Tri, ()> {
    let word = word.to_lowercase();
    let property = word.strip_prefix("device.").ok_or(())?;
    let operator = bare(&rest.pop().ok_or(())?);
    let positive = operator.strip_prefix("not").unwrap_or(if operator == "ne" { "eq" } else { &operator }).to_owned();
    let is_negative = positive != operator;
    let mut literals = vec![];
    if positive == "in" {
        if rest.pop().as_deref() != Some("[") {
            return Err(());
        }
        loop {
            literals.push(literal(rest)?);
            match rest.pop().as_deref() {
                Some(",") => {}
                Some("]") => break,
                _ => return Err(()),
            }
        }
    } else {
        literals.push(literal(rest)?);
    }
    let extension = (1..=15).any(|number| property == format!("extensionattribute{number}"));
    let text = ["displayname", "enrollmentprofilename", "manufacturer", "model", "operatingsystem", "operatingsystemversion"];
    let (operators, choices): (&[&str], &[&str]) = match property {
        "deviceid" | "mdmappid" => (&["eq", "in"], &[]),
        "physicalids" | "systemlabels" => (&["contains"], &[]),
        "iscompliant" => (&["eq"], &["true", "false"]),
        "deviceownership" => (&["eq"], &["personal", "company"]),
        "trusttype" => (&["eq"], &["azuread", "serverad", "workplace"]),
        "profiletype" => (&["eq"], &["registereddevice", "securevm", "printer", "shared", "iot"]),
        _ if extension || text.contains(&property) => (&["eq", "startswith", "endswith", "contains", "in"], &[]),
        _ => return Err(()),
    };
    let understood = operators.contains(&positive.as_str()) && operator != "noteq";
    let null = literals.contains(&None);
    let chosen = choices.is_empty() || literals.iter().flatten().all(|text| choices.contains(&text.as_str()));
    if !understood || !chosen || (null && positive != "eq") {
        return Err(());
    }
    // Unregistered: every attribute is null; positive operators false, negative ones true; the rest is not documented.
    let Some(device) = device else {
        return Ok(if negated || null { None } else { Some(is_negative) });
    };
    let hybrid = device.trust_type.as_deref().is_some_and(|text| text.eq_ignore_ascii_case("serverad"));
    if extension && !(device.is_managed || device.is_compliant || hybrid) {
        return Ok(if negated || null { None } else { Some(false) });
    }
    let values: Vec<String> = match property {
        "deviceid" if device.device_id.is_empty() => vec![],
        "deviceid" => vec![device.device_id.clone()],
        "iscompliant" => vec![device.is_compliant.to_string()],
        "deviceownership" => device.ownership.clone().into_iter().collect(),
        "trusttype" => device.trust_type.clone().into_iter().collect(),
        other => device.attributes.get(other).cloned().unwrap_or_default(),
    };
    let whole = ["physicalids", "systemlabels"].contains(&property);
    let holds = values.iter().map(|value| value.to_lowercase()).any(|value| {
        literals.iter().flatten().any(|text| match positive.as_str() {
            "startswith" => value.starts_with(text.as_str()),
            "endswith" => value.ends_with(text.as_str()),
            "contains" if !whole => value.contains(text.as_str()),
            _ => value == *text,
        })
    });
    let holds = if null { values.is_empty() } else { holds };
    Ok(Some(holds ^ is_negative ^ negated))
}

/// `None` is null.
fn literal(rest: &mut Vec<String>) -> Result<Option<String>, ()> {
    let word = rest.pop().ok_or(())?;
    match word.as_str() {
        "(" | ")" | "[" | "]" | "," => Err(()),
        word if word.eq_ignore_ascii_case("null") => Ok(None),
        word => Ok(Some(word.strip_prefix('"').unwrap_or(word).to_lowercase())),
    }
}
