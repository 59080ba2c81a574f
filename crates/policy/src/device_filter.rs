//! The filter for devices: a rule over a registered device's attributes, applied in include or exclude mode.
//! <https://learn.microsoft.com/entra/identity/conditional-access/concept-condition-filters-for-devices>
//!
//! An unregistered device has no attributes: comparisons with a positive operator are false there, with a negative one
//! true (the documented table). What a rule with `-not` or `null` means then is documented nowhere; such a comparison is
//! unclear, and where the whole rule stays unclear the policy applies.

mod grammar;

use crate::request::Device;
use crate::wire::{Node, Notes, Shape};
use grammar::{Comparison, Literal, Operator, Rule};
use serde_json::Value;
use std::ops::Not;

/// `conditions.devices`.
#[derive(Clone, Debug)]
pub(crate) enum DeviceCondition {
    /// Applies where the rule holds.
    Include(Rule<Test>),
    /// Applies where the rule does not hold.
    Exclude(Rule<Test>),
    /// Applies.
    NotUnderstood,
}

/// One comparison, checked against the table of properties.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    property: Property,
    operator: Operator,
    literals: Vec<Literal>,
    /// Under an odd number of `-not`.
    negated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Property {
    /// In lower case, as the request's device names its attributes.
    name: String,
    kind: PropertyKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PropertyKind {
    /// Ids: equal, not equal, in, not in.
    Id,
    Text,
    /// Known only of a device that is managed, compliant or hybrid joined.
    ExtensionAttribute,
    /// A collection of strings: `-contains` asks for a whole element.
    Collection,
    /// One of a few values: equal, not equal.
    Choice(&'static [&'static str]),
}

/// A rule's value on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    True,
    False,
    Unclear,
}

const MAXIMUM_RULE_LENGTH: usize = 3072;

impl DeviceCondition {
    pub(crate) fn read(node: &Node<'_>, notes: &mut Notes) -> Option<Self> {
        match node.shape(notes) {
            Shape::Absent => None,
            Shape::Unreadable => Some(Self::NotUnderstood),
            Shape::Object if !node.is_configured() => None,
            Shape::Object => {
                let widened = node.unknown_members(&["deviceFilter"], notes);
                let filter = node.member("deviceFilter");
                match Self::read_filter(&filter, notes) {
                    _ if widened => Some(Self::NotUnderstood),
                    filter => filter,
                }
            }
        }
    }

    pub(crate) fn is_met(&self, device: Option<&Device>) -> bool {
        match self {
            Self::Include(rule) => rule.evaluate(device) != Truth::False,
            Self::Exclude(rule) => rule.evaluate(device) != Truth::True,
            Self::NotUnderstood => true,
        }
    }

    fn read_filter(filter: &Node<'_>, notes: &mut Notes) -> Option<Self> {
        if filter.shape(notes) == Shape::Unreadable {
            return Some(Self::NotUnderstood);
        }
        if !filter.is_configured() {
            return None;
        }
        let mode = filter.member("mode");
        let rule = filter.member("rule");
        let text = rule.value.as_str().unwrap_or_default();
        let parsed = match parse(text) {
            Ok(parsed) => parsed,
            Err(reason) => {
                notes.not_understood(&rule, reason);
                return Some(Self::NotUnderstood);
            }
        };
        if filter.unknown_members(&["mode", "rule"], notes) {
            return Some(Self::NotUnderstood);
        }
        match mode.value.as_str() {
            Some(text) if text.eq_ignore_ascii_case("include") => Some(Self::Include(parsed)),
            Some(text) if text.eq_ignore_ascii_case("exclude") => Some(Self::Exclude(parsed)),
            Some(_) | None => {
                notes.not_understood(&mode, "neither `include` nor `exclude`");
                Some(Self::NotUnderstood)
            }
        }
    }
}

fn parse(text: &str) -> Result<Rule<Test>, String> {
    if text.chars().count() > MAXIMUM_RULE_LENGTH {
        return Err(format!("the rule is longer than {MAXIMUM_RULE_LENGTH} characters"));
    }
    grammar::parse(text)?.check(false)
}

impl Rule<Comparison> {
    /// Checks every comparison, and brings `-not` down to them (De Morgan).
    fn check(self, negated: bool) -> Result<Rule<Test>, String> {
        Ok(match self {
            Self::Not(inner) => inner.check(!negated)?,
            Self::All(rules) if negated => Rule::Any(check_each(rules, negated)?),
            Self::Any(rules) if negated => Rule::All(check_each(rules, negated)?),
            Self::All(rules) => Rule::All(check_each(rules, negated)?),
            Self::Any(rules) => Rule::Any(check_each(rules, negated)?),
            Self::Compare(comparison) => Rule::Compare(Test::new(comparison, negated)?),
        })
    }
}

fn check_each(rules: Vec<Rule<Comparison>>, negated: bool) -> Result<Vec<Rule<Test>>, String> {
    rules.into_iter().map(|rule| rule.check(negated)).collect()
}

impl Rule<Test> {
    fn evaluate(&self, device: Option<&Device>) -> Truth {
        match self {
            Self::All(rules) => rules
                .iter()
                .fold(Truth::True, |truth, rule| if truth == Truth::False { truth } else { truth.and(rule.evaluate(device)) }),
            Self::Any(rules) => !rules
                .iter()
                .fold(Truth::True, |truth, rule| if truth == Truth::False { truth } else { truth.and(!rule.evaluate(device)) }),
            Self::Not(rule) => !rule.evaluate(device),
            Self::Compare(test) => test.evaluate(device),
        }
    }
}

impl Test {
    fn new(comparison: Comparison, negated: bool) -> Result<Self, String> {
        let Comparison { property: written, operator, literals } = comparison;
        let property = Property::named(&written)?;
        if !property.allows(operator) {
            return Err(format!("`{written}` cannot be compared by `-{}`", operator.name()));
        }
        for literal in &literals {
            if let (PropertyKind::Choice(values), Literal::Text(text)) = (property.kind, literal)
                && !values.iter().any(|value| value.eq_ignore_ascii_case(text))
            {
                return Err(format!("`{text}` is not a value of `{written}` ({})", values.join(", ")));
            }
            if *literal == Literal::Null && !matches!(operator, Operator::Equal | Operator::NotEqual) {
                return Err(format!("`null` cannot be compared by `-{}`", operator.name()));
            }
        }
        Ok(Self { property, operator, literals, negated })
    }

    fn evaluate(&self, device: Option<&Device>) -> Truth {
        let null = self.literals.contains(&Literal::Null);
        match device {
            None if self.negated || null => Truth::Unclear,
            None => Truth::from(!self.operator.is_positive()),
            Some(device) if self.property.is_withheld(device) => {
                if self.negated || null {
                    Truth::Unclear
                } else {
                    Truth::False
                }
            }
            Some(device) => {
                let values = self.property.values(device);
                let positive = if null { values.is_empty() } else { self.holds_positively(&values) };
                Truth::from((positive == self.operator.is_positive()) != self.negated)
            }
        }
    }

    /// Does the positive form of the operator hold between some value and some literal?
    fn holds_positively(&self, values: &[String]) -> bool {
        let collection = self.property.kind == PropertyKind::Collection;
        values.iter().map(|value| value.to_lowercase()).any(|value| {
            self.literals.iter().any(|literal| match literal {
                Literal::Null => false,
                Literal::Text(text) => {
                    let text = text.to_lowercase();
                    match self.operator {
                        Operator::Equal | Operator::NotEqual | Operator::In | Operator::NotIn => value == text,
                        Operator::StartsWith | Operator::NotStartsWith => value.starts_with(&text),
                        Operator::EndsWith | Operator::NotEndsWith => value.ends_with(&text),
                        Operator::Contains | Operator::NotContains if collection => value == text,
                        Operator::Contains | Operator::NotContains => value.contains(&text),
                    }
                }
            })
        })
    }
}

impl Property {
    /// Property names are documented with regard to case, but exports differ: any case is taken.
    fn named(text: &str) -> Result<Self, String> {
        let name = text.to_ascii_lowercase();
        let kind = match name.as_str() {
            "deviceid" | "mdmappid" => PropertyKind::Id,
            "displayname" | "enrollmentprofilename" | "manufacturer" | "model" | "operatingsystem" | "operatingsystemversion" => {
                PropertyKind::Text
            }
            "physicalids" | "systemlabels" => PropertyKind::Collection,
            "deviceownership" => PropertyKind::Choice(&["Personal", "Company"]),
            "iscompliant" => PropertyKind::Choice(&["True", "False"]),
            "profiletype" => PropertyKind::Choice(&["RegisteredDevice", "SecureVM", "Printer", "Shared", "IoT"]),
            "trusttype" => PropertyKind::Choice(&["AzureAD", "ServerAD", "Workplace"]),
            other => match other.strip_prefix("extensionattribute").and_then(|number| number.parse::<u8>().ok()) {
                Some(1..=15) => PropertyKind::ExtensionAttribute,
                Some(_) | None => return Err(format!("`{text}` is not a property that devices can be filtered by")),
            },
        };
        Ok(Self { name, kind })
    }

    fn allows(&self, operator: Operator) -> bool {
        let equality = matches!(operator, Operator::Equal | Operator::NotEqual);
        let membership = matches!(operator, Operator::In | Operator::NotIn);
        match self.kind {
            PropertyKind::Id => equality || membership,
            PropertyKind::Text | PropertyKind::ExtensionAttribute => true,
            PropertyKind::Collection => matches!(operator, Operator::Contains | Operator::NotContains),
            PropertyKind::Choice(_) => equality,
        }
    }

    /// Extension attributes are not told of a device that is neither managed, compliant nor hybrid joined.
    fn is_withheld(&self, device: &Device) -> bool {
        let hybrid = device.trust_type.as_deref().is_some_and(|trust| trust.eq_ignore_ascii_case("ServerAD"));
        self.kind == PropertyKind::ExtensionAttribute && !device.is_managed && !device.is_compliant && !hybrid
    }

    /// No value is null.
    fn values(&self, device: &Device) -> Vec<String> {
        match self.name.as_str() {
            "deviceid" => Some(device.device_id.clone()).into_iter().filter(|id| !id.is_empty()).collect(),
            "iscompliant" => vec![Value::Bool(device.is_compliant).to_string()],
            "deviceownership" => device.ownership.iter().cloned().collect(),
            "trusttype" => device.trust_type.iter().cloned().collect(),
            name => device.attributes.get(name).cloned().unwrap_or_default(),
        }
    }
}

impl Truth {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::True, Self::True) => Self::True,
            (Self::Unclear, Self::True | Self::Unclear) | (Self::True, Self::Unclear) => Self::Unclear,
        }
    }
}

impl Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unclear => Self::Unclear,
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}
