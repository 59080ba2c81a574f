//! Named locations, and the condition that names them.
//!
//! An address is in a *set* of locations: they overlap. A location that is only partly understood may hold an address as
//! an include and surely holds it as an exclude only where it is understood.

use crate::request::Network;
use crate::wire::{List, Node, Notes, Shape, is_guid, word};
use ipnet::IpNet;
use model::ObjectId;
use model::conditional_access::NamedLocation;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The tenant's named locations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Locations {
    by_id: BTreeMap<ObjectId, Location>,
}

#[derive(Clone, Debug)]
struct Location {
    display_name: String,
    kind: Kind,
    trust: Trust,
    /// Something in it was not understood: it may hold any address.
    open: bool,
    notes: Notes,
}

#[derive(Clone, Debug)]
enum Kind {
    Ranges(Vec<IpNet>),
    Countries { countries: BTreeSet<String>, unknown: bool, by: CountryBy },
    CompliantNetwork,
    NotUnderstood,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    Trusted,
    NotTrusted,
    NotUnderstood,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum CountryBy {
    Address,
    Gps,
}

/// Where a request comes from, as the locations it is in: once by the address that the identity provider sees, and once
/// more by the resource's, when one asks.
#[derive(Clone, Debug)]
pub(crate) struct Whereabouts<'a> {
    views: Vec<View<'a>>,
}

#[derive(Clone, Debug, Default)]
struct View<'a> {
    surely: BTreeSet<&'a ObjectId>,
    possibly: BTreeSet<&'a ObjectId>,
    surely_trusted: bool,
    possibly_trusted: bool,
}

/// `conditions.locations` of one policy.
#[derive(Clone, Debug)]
pub(crate) struct LocationCondition {
    include: LocationSet,
    exclude: LocationSet,
}

#[derive(Clone, Debug, Default)]
struct LocationSet {
    all: bool,
    all_trusted: bool,
    open: bool,
    ids: BTreeSet<ObjectId>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    All,
    AllTrusted,
    Id(ObjectId),
}

/// Ranges wider than this are refused, as by Graph: they would make a trusted location of the whole internet.
const WIDEST_PREFIX: u8 = 8;

impl Locations {
    pub(crate) fn read(locations: &[NamedLocation]) -> Self {
        let mut by_id = BTreeMap::new();
        for location in locations {
            let mut read = Location::read(location);
            if by_id.contains_key(&location.id) {
                let value = Value::Null;
                read.kind = Kind::NotUnderstood;
                read.open = true;
                read.notes.not_understood(&Node::root(&value, "id"), "two named locations have this id");
            }
            by_id.insert(location.id.clone(), read);
        }
        Self { by_id }
    }

    pub(crate) fn whereabouts(&self, network: &Network) -> Whereabouts<'_> {
        let seen_by_resource = network.address_seen_by_resource.map(|address| self.view(Some(address), network));
        Whereabouts { views: std::iter::once(self.view(network.address, network)).chain(seen_by_resource).collect() }
    }

    /// What was not understood, by location.
    pub(crate) fn notes(&self) -> impl Iterator<Item = (&ObjectId, &str, &Notes)> {
        self.by_id.iter().map(|(id, location)| (id, location.display_name.as_str(), &location.notes))
    }

    fn view(&self, address: Option<IpAddr>, network: &Network) -> View<'_> {
        let mut view = View::default();
        for (id, location) in &self.by_id {
            let surely = location.holds(address, network);
            let possibly = surely || location.open;
            if surely {
                view.surely.insert(id);
                view.surely_trusted |= location.trust == Trust::Trusted;
            }
            if possibly {
                view.possibly.insert(id);
                view.possibly_trusted |= location.trust != Trust::NotTrusted;
            }
        }
        view
    }
}

impl LocationCondition {
    /// `None`: not configured.
    pub(crate) fn read(node: &Node<'_>, locations: &Locations, notes: &mut Notes) -> Option<Self> {
        match node.shape(notes) {
            Shape::Absent => None,
            Shape::Unreadable => Some(Self { include: LocationSet::open(), exclude: LocationSet::default() }),
            Shape::Object if !node.is_configured() => None,
            Shape::Object => {
                let mut include = LocationSet::read(&node.member("includeLocations"), locations, notes);
                let exclude = LocationSet::read(&node.member("excludeLocations"), locations, notes);
                include.open |= node.unknown_members(&["includeLocations", "excludeLocations"], notes);
                // The portal writes `All` where only exclusions are chosen.
                include.all |= include.is_empty();
                Some(Self { include, exclude })
            }
        }
    }

    /// With two views, the strictest counts: the condition is met when either meets it.
    pub(crate) fn is_met(&self, whereabouts: &Whereabouts<'_>) -> bool {
        whereabouts.views.iter().any(|view| {
            let included = self.include.all
                || self.include.open
                || (self.include.all_trusted && view.possibly_trusted)
                || self.include.ids.iter().any(|id| view.possibly.contains(id));
            let excluded = (self.exclude.all_trusted && view.surely_trusted)
                || self.exclude.all
                || self.exclude.ids.iter().any(|id| view.surely.contains(id));
            included && !excluded
        })
    }
}

impl LocationSet {
    fn open() -> Self {
        Self { open: true, ..Self::default() }
    }

    fn is_empty(&self) -> bool {
        !self.all && !self.all_trusted && !self.open && self.ids.is_empty()
    }

    fn read(node: &Node<'_>, locations: &Locations, notes: &mut Notes) -> Self {
        let names: List<Name> = node.list(notes, |text| {
            word(&[("All", true), ("AllTrusted", false)], text)
                .map(|all| if all { Name::All } else { Name::AllTrusted })
                .or_else(|| is_guid(text).then(|| Name::Id(ObjectId::new(text))))
        });
        let mut set = Self { open: names.open, ..Self::default() };
        for name in names.known {
            match name {
                Name::All => set.all = true,
                Name::AllTrusted => {
                    set.all_trusted = true;
                    for location in locations.by_id.values().filter(|location| location.trust != Trust::NotTrusted) {
                        location.repeat_notes(node, notes);
                    }
                }
                Name::Id(id) => match locations.by_id.get(&id) {
                    Some(location) => {
                        location.repeat_notes(node, notes);
                        set.ids.insert(id);
                    }
                    None => {
                        notes.not_understood(node, format!("no named location has the id `{id}`"));
                        set.open = true;
                    }
                },
            }
        }
        set
    }
}

impl Location {
    fn read(location: &NamedLocation) -> Self {
        let rest = Value::Object(location.rest.clone());
        let node = Node { value: &rest, place: "$".to_owned() };
        let mut notes = Notes::default();
        let mut open = false;
        let odata_type = node.value.get("@odata.type").and_then(Value::as_str).unwrap_or_default();
        let is = |name: &str, member: &str| {
            if odata_type.is_empty() { !node.member(member).is_null() } else { odata_type.ends_with(name) }
        };
        let kind = if is(".ipNamedLocation", "ipRanges") {
            Kind::Ranges(read_ranges(&node.member("ipRanges"), &mut open, &mut notes))
        } else if is(".countryNamedLocation", "countriesAndRegions") {
            read_countries(&node, &mut open, &mut notes)
        } else if is(".compliantNetworkNamedLocation", "compliantNetworkType") {
            read_compliant_network(&node.member("compliantNetworkType"), &mut notes)
        } else {
            notes.not_understood(&node, "neither IP ranges nor countries nor a compliant network");
            Kind::NotUnderstood
        };
        open |= matches!(kind, Kind::NotUnderstood);
        let trust = match flag(&node.member("isTrusted"), &mut notes) {
            Some(true) => Trust::Trusted,
            Some(false) => Trust::NotTrusted,
            None => Trust::NotUnderstood,
        };
        Self { display_name: location.display_name.clone(), kind, trust, open, notes }
    }

    fn holds(&self, address: Option<IpAddr>, network: &Network) -> bool {
        match &self.kind {
            Kind::Ranges(ranges) => address
                .map(|address| address.to_canonical())
                .is_some_and(|address| ranges.iter().any(|range| range.contains(&address))),
            Kind::Countries { countries, unknown, by } => {
                let country = match by {
                    CountryBy::Address => &network.country,
                    CountryBy::Gps => &network.gps_country,
                };
                country.as_ref().map_or(*unknown, |country| countries.contains(&country.to_ascii_uppercase()))
            }
            Kind::CompliantNetwork => network.is_compliant_network,
            Kind::NotUnderstood => false,
        }
    }

    /// In a policy that names the location, its troubles are the policy's.
    fn repeat_notes(&self, node: &Node<'_>, notes: &mut Notes) {
        notes.repeat(node, &format!("named location `{}`", self.display_name), &self.notes);
    }
}

fn read_ranges(node: &Node<'_>, open: &mut bool, notes: &mut Notes) -> Vec<IpNet> {
    if !node.is_null() && !node.value.is_array() {
        notes.not_understood(node, "not a collection of ranges");
        *open = true;
    }
    let mut ranges = Vec::new();
    for element in node.elements() {
        let member = element.member("cidrAddress");
        let text = member.value.as_str().unwrap_or_default();
        let range = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        match range {
            Some(range) if range.prefix_len() >= WIDEST_PREFIX => ranges.push(range),
            Some(_) => {
                notes.not_understood(&member, format!("`{text}` is wider than /{WIDEST_PREFIX}"));
                *open = true;
            }
            None => {
                notes.not_understood(&member, format!("`{text}` is not a range of addresses"));
                *open = true;
            }
        }
    }
    ranges
}

fn read_countries(node: &Node<'_>, open: &mut bool, notes: &mut Notes) -> Kind {
    let countries = node.member("countriesAndRegions").list(notes, |text| {
        (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic())).then(|| text.to_ascii_uppercase())
    });
    let unknown = flag(&node.member("includeUnknownCountriesAndRegions"), notes);
    *open |= unknown.is_none();
    let method = node.member("countryLookupMethod");
    let by = match method.value {
        Value::Null => Some(CountryBy::Address),
        Value::String(text) => word(&[("clientIpAddress", CountryBy::Address), ("authenticatorAppGps", CountryBy::Gps)], text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    };
    *open |= countries.open;
    match by {
        Some(by) => Kind::Countries { countries: countries.known, unknown: unknown.unwrap_or(false), by },
        None => {
            notes.not_understood(&method, "unknown way to find the country");
            Kind::NotUnderstood
        }
    }
}

fn read_compliant_network(node: &Node<'_>, notes: &mut Notes) -> Kind {
    if node.value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("allTenantCompliantNetworks")) {
        return Kind::CompliantNetwork;
    }
    notes.not_understood(node, "unknown kind of compliant network");
    Kind::NotUnderstood
}

/// `false` when it is not there; `None` when it is not understood.
fn flag(node: &Node<'_>, notes: &mut Notes) -> Option<bool> {
    if node.is_null() {
        return Some(false);
    }
    let value = node.value.as_bool();
    if value.is_none() {
        notes.not_understood(node, "neither `true` nor `false`");
    }
    value
}
