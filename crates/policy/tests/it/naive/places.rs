//! Locations (§2.5).

use super::Tenant;
use super::wire::*;
use policy::request::*;
use serde_json::Value;
use std::net::IpAddr;

pub(super) fn locations(tenant: &Tenant<'_>, condition: &Value, network: &Network) -> Option<bool> {
    if absent(condition) {
        return None;
    }
    if !condition.is_object() {
        return Some(true);
    }
    if !configured(condition) {
        return None;
    }
    let addresses = [Some(network.address), network.address_seen_by_resource.map(Some)];
    Some(addresses.into_iter().flatten().any(|address| {
        let holds = |word: &Option<String>| -> Tri {
            let word = word.as_deref()?;
            if word.eq_ignore_ascii_case("All") {
                return Some(true);
            }
            if word.eq_ignore_ascii_case("AllTrusted") {
                let trusted =
                    tenant.locations.iter().map(|location| and(is_trusted(location), in_location(location, address, network)));
                return or(trusted);
            }
            let location = tenant.locations.iter().find(|location| string(location, "id").eq_ignore_ascii_case(word))?;
            in_location(location, address, network)
        };
        let mut included: Vec<Tri> = list(&condition["includeLocations"]).iter().map(holds).collect();
        if stray(condition, &["includeLocations", "excludeLocations"]) {
            included.push(None);
        }
        (included.is_empty() || include(included.into_iter())) && !exclude(list(&condition["excludeLocations"]).iter().map(holds))
    }))
}

pub(super) fn is_trusted(location: &Value) -> Tri {
    match &location["isTrusted"] {
        Value::Null => Some(false),
        Value::Bool(value) => Some(*value),
        _ => None,
    }
}

pub(super) fn in_location(location: &Value, address: Option<IpAddr>, network: &Network) -> Tri {
    match string(location, "@odata.type") {
        "#microsoft.graph.ipNamedLocation" => {
            or(location["ipRanges"].as_array()?.iter().map(|range| in_range(string(range, "cidrAddress"), address)))
        }
        "#microsoft.graph.countryNamedLocation" => {
            let country = match string(location, "countryLookupMethod") {
                "clientIpAddress" => &network.country,
                "authenticatorAppGps" => &network.gps_country,
                _ => return None,
            };
            let known = list(&location["countriesAndRegions"]);
            let unreadable = known.iter().any(|word| word.as_deref().is_none_or(|word| word.len() != 2));
            let held = match country {
                None => location["includeUnknownCountriesAndRegions"] == true,
                Some(country) => known.iter().any(|word| is(word, country)),
            };
            if held {
                Some(true)
            } else if unreadable {
                None
            } else {
                Some(false)
            }
        }
        "#microsoft.graph.compliantNetworkNamedLocation" => {
            (string(location, "compliantNetworkType") == "allTenantCompliantNetworks").then_some(network.is_compliant_network)
        }
        _ => None,
    }
}

/// By bits. Wider than /8 is not taken.
pub(super) fn in_range(range: &str, address: Option<IpAddr>) -> Tri {
    let (base, length) = range.split_once('/')?;
    let base: IpAddr = base.parse().ok()?;
    let length: u32 = length.parse().ok().filter(|length| *length >= 8)?;
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let Some(address) = address else { return Some(false) };
    let ((base, width), (address, other)) = (bits(base), bits(address.to_canonical()));
    let mask = if length == 0 { 0 } else { u128::MAX << (128 - length) };
    Some(width == other && base & mask == address & mask)
}
