//! The filter for devices: Microsoft's table, the examples of its page, refusals, and what the page leaves open.

use crate::fixture::*;
use expect_test::expect;
use policy::answer::PolicyResult;
use policy::explain;
use policy::request::*;
use std::fmt::Write;

/// concept-condition-filters-for-devices, "Policy behavior with filter for devices": eight rows, in both modes.
#[test]
fn the_device_filter_table() {
    let registered = |managed: bool, compliant: bool, trust: &str, value: &str| {
        let attributes =
            [("model", value), ("extensionattribute1", value)].map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
        Some(Device {
            device_id: "d".to_owned(),
            is_compliant: compliant,
            is_managed: managed,
            trust_type: Some(trust.to_owned()),
            attributes: attributes.into(),
            ..Device::default()
        })
    };
    let devices = [
        ("unregistered", None),
        ("registered, criteria met", registered(false, false, "Workplace", "SAW")),
        ("registered, criteria not met", registered(false, false, "Workplace", "other")),
        ("managed, criteria met", registered(true, false, "AzureAD", "SAW")),
        ("managed, criteria not met", registered(true, false, "AzureAD", "other")),
        ("compliant, criteria met", registered(false, true, "Workplace", "SAW")),
        ("hybrid joined, criteria met", registered(false, false, "ServerAD", "SAW")),
    ];
    let mut told = String::new();
    for (mode, comparison) in [
        ("include", "device.model -eq \\\"SAW\\\""),
        ("include", "device.model -ne \\\"SAW\\\""),
        ("include", "device.extensionAttribute1 -eq \\\"SAW\\\""),
        ("include", "device.extensionAttribute1 -ne \\\"SAW\\\""),
        ("exclude", "device.extensionAttribute1 -eq \\\"SAW\\\""),
        ("exclude", "device.extensionAttribute1 -ne \\\"SAW\\\""),
    ] {
        writeln!(told, "{mode} {comparison}").unwrap();
        let filter =
            format!(r#"{{"conditions": {{"devices": {{"deviceFilter": {{"mode": "{mode}", "rule": "{comparison}"}}}}}}}}"#);
        let tenant = tenant(&[&filter]);
        for (name, device) in &devices {
            let request = AccessRequest { device: device.clone(), ..request() };
            let [result]: [PolicyResult; 1] = explain(&tenant, &request, now()).try_into().unwrap();
            // In exclude mode the policy applies where the filter does not.
            let filter_applies = result.unmet.is_empty() == (mode == "include");
            let mark = if filter_applies { "filter applied" } else { "-" };
            writeln!(told, "  {name:<30} {mark}").unwrap();
        }
    }
    expect![[r#"
        include device.model -eq \"SAW\"
          unregistered                   -
          registered, criteria met       filter applied
          registered, criteria not met   -
          managed, criteria met          filter applied
          managed, criteria not met      -
          compliant, criteria met        filter applied
          hybrid joined, criteria met    filter applied
        include device.model -ne \"SAW\"
          unregistered                   filter applied
          registered, criteria met       -
          registered, criteria not met   filter applied
          managed, criteria met          -
          managed, criteria not met      filter applied
          compliant, criteria met        -
          hybrid joined, criteria met    -
        include device.extensionAttribute1 -eq \"SAW\"
          unregistered                   -
          registered, criteria met       -
          registered, criteria not met   -
          managed, criteria met          filter applied
          managed, criteria not met      -
          compliant, criteria met        filter applied
          hybrid joined, criteria met    filter applied
        include device.extensionAttribute1 -ne \"SAW\"
          unregistered                   filter applied
          registered, criteria met       -
          registered, criteria not met   -
          managed, criteria met          -
          managed, criteria not met      filter applied
          compliant, criteria met        -
          hybrid joined, criteria met    -
        exclude device.extensionAttribute1 -eq \"SAW\"
          unregistered                   -
          registered, criteria met       -
          registered, criteria not met   -
          managed, criteria met          filter applied
          managed, criteria not met      -
          compliant, criteria met        filter applied
          hybrid joined, criteria met    filter applied
        exclude device.extensionAttribute1 -ne \"SAW\"
          unregistered                   filter applied
          registered, criteria met       -
          registered, criteria not met   -
          managed, criteria met          -
          managed, criteria not met      filter applied
          compliant, criteria met        -
          hybrid joined, criteria met    -
    "#]]
    .assert_eq(&told);
}

/// The examples of the same page's table of attributes, and forms that real exports use, on one device; then refusals.
#[test]
fn device_filter_rules() {
    let attributes = [
        ("displayname", "xABCx"),
        ("enrollmentprofilename", "AutoPilot Profile 7"),
        ("manufacturer", "Microsoft Corporation"),
        ("mdmappid", "00001111-aaaa-2222-bbbb-3333cccc4444"),
        ("model", "Surface Pro"),
        ("operatingsystem", "Windows"),
        ("operatingsystemversion", "10.0.19042"),
        ("physicalids", "[ZTDId]:value"),
        ("profiletype", "RegisteredDevice"),
        ("systemlabels", "M365Managed"),
        ("extensionattribute1", "SAW"),
    ];
    let device = Device {
        device_id: "aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb".to_owned(),
        is_compliant: true,
        is_managed: true,
        trust_type: Some("ServerAD".to_owned()),
        ownership: Some("Company".to_owned()),
        attributes: attributes.map(|(name, value)| (name.to_owned(), vec![value.to_owned()])).into(),
    };
    let mut told = String::new();
    for rule in [
        r#"(device.deviceid -eq "aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb")"#,
        r#"(device.displayName -contains "ABC")"#,
        r#"(device.deviceOwnership -eq "Company")"#,
        r#"(device.enrollmentProfileName -startsWith "AutoPilot Profile")"#,
        r#"(device.isCompliant -eq "True")"#,
        r#"(device.manufacturer -startsWith "Microsoft")"#,
        r#"(device.mdmAppId -in ["00001111-aaaa-2222-bbbb-3333cccc4444"])"#,
        r#"(device.model -notContains "Surface")"#,
        r#"(device.operatingSystem -eq "Windows")"#,
        r#"(device.operatingSystemVersion -in ["10.0.18363", "10.0.19041", "10.0.19042", "10.0.22000"])"#,
        r#"(device.physicalIds -contains "[ZTDId]:value")"#,
        r#"(device.physicalIds -contains "[ZTDId]")"#,
        r#"(device.profileType -eq "Printer")"#,
        r#"(device.systemLabels -contains "M365Managed")"#,
        r#"(device.trustType -eq "ServerAD")"#,
        r#"(device.extensionAttribute1 -eq "SAW")"#,
        "device.isCompliant -eq True -and device.deviceOwnership -eq 'Company'",
        "device.isCompliant -ne True -or device.trustType -ne \"ServerAD\"",
        "DEVICE.ISCOMPLIANT –EQ true AND not device.model eq \"x\"",
        "device.model -eq \"x\" -or device.isCompliant -eq True -and device.trustType -eq \"ServerAD\"",
        "(device.model -eq \"x\" -or device.isCompliant -eq True) -and device.trustType -eq \"Workplace\"",
        "-not (device.isCompliant -eq False -or device.trustType -eq \"Workplace\")",
        "device.extensionAttribute2 -eq null",
        "device.extensionAttribute2 -ne \"x\"",
        "device.model -match \"Surf.*\"",
        "device.trustType -eq \"Hybrid\"",
        "device.isCompliant -contains \"True\"",
        "device.systemLabels -eq \"M365Managed\"",
        "device.colour -eq \"red\"",
        "device.extensionAttribute16 -eq \"x\"",
        "user.department -eq \"x\"",
        "device.model -eq",
        "device.model -eq \"x",
        "(device.model -eq \"x\"",
        "device.model -eq \"x\" device.model -eq \"y\"",
        "device.model -in [\"x\" \"y\"]",
        "",
    ] {
        let rule_json = serde_json::to_string(rule).unwrap();
        let tenant = tenant(&[&format!(
            r#"{{"conditions": {{"devices": {{"deviceFilter": {{"mode": "include", "rule": {rule_json}}}}}}}}}"#
        )]);
        let request = AccessRequest { device: Some(device.clone()), ..request() };
        let [result]: [PolicyResult; 1] = explain(&tenant, &request, now()).try_into().unwrap();
        let value = match result.not_understood.first() {
            Some(reason) => reason.trim_start_matches("$.conditions.devices.deviceFilter.").to_owned(),
            None => result.unmet.is_empty().to_string(),
        };
        writeln!(told, "{rule}\n    {value}").unwrap();
    }
    expect![[r#"
        (device.deviceid -eq "aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb")
            true
        (device.displayName -contains "ABC")
            true
        (device.deviceOwnership -eq "Company")
            true
        (device.enrollmentProfileName -startsWith "AutoPilot Profile")
            true
        (device.isCompliant -eq "True")
            true
        (device.manufacturer -startsWith "Microsoft")
            true
        (device.mdmAppId -in ["00001111-aaaa-2222-bbbb-3333cccc4444"])
            true
        (device.model -notContains "Surface")
            false
        (device.operatingSystem -eq "Windows")
            true
        (device.operatingSystemVersion -in ["10.0.18363", "10.0.19041", "10.0.19042", "10.0.22000"])
            true
        (device.physicalIds -contains "[ZTDId]:value")
            true
        (device.physicalIds -contains "[ZTDId]")
            false
        (device.profileType -eq "Printer")
            false
        (device.systemLabels -contains "M365Managed")
            true
        (device.trustType -eq "ServerAD")
            true
        (device.extensionAttribute1 -eq "SAW")
            true
        device.isCompliant -eq True -and device.deviceOwnership -eq 'Company'
            true
        device.isCompliant -ne True -or device.trustType -ne "ServerAD"
            false
        DEVICE.ISCOMPLIANT –EQ true AND not device.model eq "x"
            true
        device.model -eq "x" -or device.isCompliant -eq True -and device.trustType -eq "ServerAD"
            true
        (device.model -eq "x" -or device.isCompliant -eq True) -and device.trustType -eq "Workplace"
            false
        -not (device.isCompliant -eq False -or device.trustType -eq "Workplace")
            true
        device.extensionAttribute2 -eq null
            true
        device.extensionAttribute2 -ne "x"
            true
        device.model -match "Surf.*"
            rule: `-match` is not an operator of device filters
        device.trustType -eq "Hybrid"
            rule: `Hybrid` is not a value of `trustType` (AzureAD, ServerAD, Workplace)
        device.isCompliant -contains "True"
            rule: `isCompliant` cannot be compared by `-contains`
        device.systemLabels -eq "M365Managed"
            rule: `systemLabels` cannot be compared by `-eq`
        device.colour -eq "red"
            rule: `colour` is not a property that devices can be filtered by
        device.extensionAttribute16 -eq "x"
            rule: `extensionAttribute16` is not a property that devices can be filtered by
        user.department -eq "x"
            rule: expected `device.` and a property, found `user.department`
        device.model -eq
            rule: expected a value, found the end
        device.model -eq "x
            rule: `"x` has no closing quote
        (device.model -eq "x"
            rule: expected `)`, found the end
        device.model -eq "x" device.model -eq "y"
            rule: unexpected `device.model` after the rule's end
        device.model -in ["x" "y"]
            rule: expected `,` or `]`, found `"y"`

            rule: expected a comparison, found the end
    "#]]
    .assert_eq(&told);
}

/// Undocumented on an unregistered device: the policy applies, whatever the mode.
#[test]
fn what_the_device_filter_leaves_open_applies() {
    let mut told = String::new();
    for rule in [
        "-not (device.isCompliant -eq True)",
        "-not (device.isCompliant -ne True)",
        "device.model -eq null",
        "device.model -ne null",
    ] {
        for mode in ["include", "exclude"] {
            let tenant = tenant(&[&format!(
                r#"{{"conditions": {{"devices": {{"deviceFilter": {{"mode": "{mode}", "rule": "{rule}"}}}}}}}}"#
            )]);
            let applies = explain(&tenant, &request(), now()).iter().all(|result| result.unmet.is_empty());
            writeln!(told, "{mode} {rule}: {applies}").unwrap();
        }
    }
    expect![[r#"
        include -not (device.isCompliant -eq True): true
        exclude -not (device.isCompliant -eq True): true
        include -not (device.isCompliant -ne True): true
        exclude -not (device.isCompliant -ne True): true
        include device.model -eq null: true
        exclude device.model -eq null: true
        include device.model -ne null: true
        exclude device.model -ne null: true
    "#]]
    .assert_eq(&told);
}
