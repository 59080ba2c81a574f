//! The conditions on how a sign-in happens: client application type, device platform, risks, authentication flow.
//!
//! Each is a set; risks are sets too, not thresholds. A condition that is not configured is `None`: it matches everything
//! and is not mentioned in results.

use crate::request::{ClientAppType, InsiderRiskLevel, Platform, RiskLevel, TransferMethod};
use crate::wire::{List, Node, Notes, Shape, word};

/// `conditions.clientAppTypes`.
#[derive(Clone, Debug)]
pub(crate) struct ClientApps(List<ClientApp>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ClientApp {
    All,
    Is(ClientAppType),
    /// Exchange ActiveSync from iOS, Android or Windows.
    EasSupported,
}

/// `conditions.platforms`.
#[derive(Clone, Debug)]
pub(crate) struct Platforms {
    include: List<Option<Platform>>,
    exclude: List<Option<Platform>>,
}

const CLIENT_APPS: [(&str, ClientApp); 6] = [
    ("all", ClientApp::All),
    ("browser", ClientApp::Is(ClientAppType::Browser)),
    ("mobileAppsAndDesktopClients", ClientApp::Is(ClientAppType::MobileAppsAndDesktopClients)),
    ("exchangeActiveSync", ClientApp::Is(ClientAppType::ExchangeActiveSync)),
    ("easSupported", ClientApp::EasSupported),
    ("other", ClientApp::Is(ClientAppType::Other)),
];

/// `None` is `all`.
const PLATFORMS: [(&str, Option<Platform>); 7] = [
    ("all", None),
    ("android", Some(Platform::Android)),
    ("iOS", Some(Platform::Ios)),
    ("windows", Some(Platform::Windows)),
    ("windowsPhone", Some(Platform::WindowsPhone)),
    ("macOS", Some(Platform::MacOs)),
    ("linux", Some(Platform::Linux)),
];

pub(crate) const RISK_LEVELS: [(&str, RiskLevel); 5] = [
    ("none", RiskLevel::None),
    ("low", RiskLevel::Low),
    ("medium", RiskLevel::Medium),
    ("high", RiskLevel::High),
    ("hidden", RiskLevel::Hidden),
];

pub(crate) const INSIDER_RISK_LEVELS: [(&str, InsiderRiskLevel); 3] =
    [("minor", InsiderRiskLevel::Minor), ("moderate", InsiderRiskLevel::Moderate), ("elevated", InsiderRiskLevel::Elevated)];

const TRANSFER_METHODS: [(&str, TransferMethod); 3] = [
    ("none", TransferMethod::None),
    ("deviceCodeFlow", TransferMethod::DeviceCodeFlow),
    ("authenticationTransfer", TransferMethod::AuthenticationTransfer),
];

impl ClientApps {
    pub(crate) fn read(node: &Node<'_>, notes: &mut Notes) -> Option<Self> {
        let list = node.list(notes, |text| word(&CLIENT_APPS, text));
        (!list.is_empty() && !list.known.contains(&ClientApp::All)).then_some(Self(list))
    }

    pub(crate) fn is_met(&self, app_type: ClientAppType, platform: Platform) -> bool {
        let eas = app_type == ClientAppType::ExchangeActiveSync
            && matches!(platform, Platform::Ios | Platform::Android | Platform::Windows);
        self.0.may_contain(&ClientApp::Is(app_type)) || (eas && self.0.known.contains(&ClientApp::EasSupported))
    }
}

impl Platforms {
    pub(crate) fn read(node: &Node<'_>, notes: &mut Notes) -> Option<Self> {
        match node.shape(notes) {
            Shape::Absent => None,
            Shape::Unreadable => Some(Self { include: List { open: true, ..List::default() }, exclude: List::default() }),
            Shape::Object if !node.is_configured() => None,
            Shape::Object => {
                let mut include = node.member("includePlatforms").list(notes, |text| word(&PLATFORMS, text));
                let exclude = node.member("excludePlatforms").list(notes, |text| word(&PLATFORMS, text));
                include.open |= node.unknown_members(&["includePlatforms", "excludePlatforms"], notes);
                if include.is_empty() {
                    include.known.insert(None);
                }
                Some(Self { include, exclude })
            }
        }
    }

    /// An unknown platform is held by `all` only.
    pub(crate) fn is_met(&self, platform: Platform) -> bool {
        let specific = (platform != Platform::Unknown).then_some(Some(platform));
        let included = self.include.may_contain(&None) || specific.is_some_and(|platform| self.include.known.contains(&platform));
        let excluded =
            self.exclude.known.contains(&None) || specific.is_some_and(|platform| self.exclude.known.contains(&platform));
        included && !excluded
    }
}

/// A set of levels: `signInRiskLevels` and its kin.
pub(crate) fn levels<T: Ord + Copy>(node: &Node<'_>, vocabulary: &[(&str, T)], notes: &mut Notes) -> Option<List<T>> {
    let list = node.flags(notes, |text| word(vocabulary, text));
    (!list.is_empty()).then_some(list)
}

/// `conditions.authenticationFlows`. `none` alone is not configured.
pub(crate) fn flows(node: &Node<'_>, notes: &mut Notes) -> Option<List<TransferMethod>> {
    match node.shape(notes) {
        Shape::Absent => None,
        Shape::Unreadable => Some(List { open: true, ..List::default() }),
        Shape::Object => {
            let mut list = node.member("transferMethods").flags(notes, |text| word(&TRANSFER_METHODS, text));
            list.open |= node.unknown_members(&["transferMethods"], notes);
            list.known.remove(&TransferMethod::None);
            (!list.is_empty()).then_some(list)
        }
    }
}
