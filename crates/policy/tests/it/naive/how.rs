//! Circumstances: risk, flow, platform, client application (§2.2, §2.5, §2.7).

use super::wire::*;
use policy::request::*;
use serde_json::Value;

pub(super) fn one_of(list: &Value, vocabulary: &[&str], actual: &str) -> Option<bool> {
    let words = flags(list);
    if words.is_empty() {
        return None;
    }
    Some(include(words.iter().map(|word| {
        let word = word.as_deref()?;
        let known = vocabulary.iter().find(|known| known.eq_ignore_ascii_case(word))?;
        Some(*known == actual)
    })))
}

pub(super) fn flows(conditions: &Value, used: &str) -> Option<bool> {
    let flows = &conditions["authenticationFlows"];
    if absent(flows) {
        return None;
    }
    if !flows.is_object() || stray(flows, &["transferMethods"]) {
        return Some(true);
    }
    let words: Vec<_> = flags(&flows["transferMethods"])
        .into_iter()
        .filter(|word| !word.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("none")))
        .collect();
    let rest = Value::from(words.into_iter().map(|word| word.map_or(Value::from(0), Value::from)).collect::<Vec<_>>());
    one_of(&rest, &["deviceCodeFlow", "authenticationTransfer"], used)
}

pub(super) fn platform(platforms: &Value, actual: Platform) -> Option<bool> {
    if absent(platforms) {
        return None;
    }
    if !platforms.is_object() {
        return Some(true);
    }
    if !configured(platforms) {
        return None;
    }
    let actual = serde_json::to_value(actual).unwrap().as_str().unwrap().to_owned();
    let holds = |word: &Option<String>| -> Tri {
        let word = word.as_deref()?;
        if word.eq_ignore_ascii_case("all") {
            return Some(true);
        }
        let known = ["android", "iOS", "windows", "windowsPhone", "macOS", "linux"];
        known.iter().find(|known| known.eq_ignore_ascii_case(word)).map(|known| *known == actual)
    };
    let included = list(&platforms["includePlatforms"]);
    let mut values: Vec<Tri> = included.iter().map(holds).collect();
    if stray(platforms, &["includePlatforms", "excludePlatforms"]) {
        values.push(None);
    }
    let included = values.is_empty() || include(values.into_iter());
    Some(included && !exclude(list(&platforms["excludePlatforms"]).iter().map(holds)))
}

pub(super) fn client_apps(list_: &Value, request: &AccessRequest) -> Option<bool> {
    let words = list(list_);
    if words.is_empty() || words.iter().any(|word| word.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("all"))) {
        return None;
    }
    let actual = serde_json::to_value(request.client.app_type).unwrap().as_str().unwrap().to_owned();
    Some(include(words.iter().map(|word| {
        let word = word.as_deref()?.to_lowercase();
        match word.as_str() {
            "browser" | "mobileappsanddesktopclients" | "exchangeactivesync" | "other" => Some(word == actual.to_lowercase()),
            "eassupported" => Some(
                request.client.app_type == ClientAppType::ExchangeActiveSync
                    && [Platform::Ios, Platform::Android, Platform::Windows].contains(&request.platform),
            ),
            _ => None,
        }
    })))
}
