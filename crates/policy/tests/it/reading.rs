//! Files as exports write them, and files that are wrong: a verdict on every object.

use expect_test::{Expect, expect};
use policy::{Contents, read};
use proptest::collection::vec;
use proptest::prelude::*;
use std::fmt::Write;
use std::fs;
use std::path::Path;

fn told(contents: &Contents) -> String {
    let mut told = String::new();
    for read in &contents.objects {
        writeln!(told, "{} {} `{}`", read.place, read.object.kind(), read.object.display_name()).unwrap();
    }
    for problem in &contents.problems {
        writeln!(told, "{:?} {problem}", problem.verdict).unwrap();
    }
    told
}

fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&told(&read("file.json", text.as_bytes())));
}

const GROUP: &str = r#"{"id": "B0000000-0000-0000-0000-000000000001", "displayName": "Prüfer", "members": []}"#;

#[test]
fn encodings() {
    let text = GROUP.replace(", ", ",\r\n");
    let utf16 =
        |bytes: fn(u16) -> [u8; 2]| std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(bytes).collect::<Vec<u8>>();
    let expected = "$ group `Prüfer`\n";
    for bytes in
        [text.clone().into_bytes(), [b"\xEF\xBB\xBF", text.as_bytes()].concat(), utf16(u16::to_le_bytes), utf16(u16::to_be_bytes)]
    {
        assert_eq!(told(&read("file.json", &bytes)), expected);
    }
    let mut odd = utf16(u16::to_le_bytes);
    odd.pop();
    expect![[r#"
        Refused `odd.json`: $: UTF-16 that ends within a character
        hint: save the file as UTF-8, or as UTF-16 with a byte order mark
    "#]]
    .assert_eq(&told(&read("odd.json", &odd)));
    expect![[r#"
        Refused `latin1.json`: $: not UTF-8 from byte 19 on
        hint: save the file as UTF-8, or as UTF-16 with a byte order mark
    "#]]
    .assert_eq(&told(&read("latin1.json", b"{\"displayName\": \"Pr\xFCfer\"}")));
    expect![[r#"
        Refused `surrogate.json`: $: not UTF-16: unpaired surrogate found: d800
        hint: save the file as UTF-8, or as UTF-16 with a byte order mark
    "#]]
    .assert_eq(&told(&read("surrogate.json", b"\xFF\xFE\x00\xD8\x22\x00")));
}

#[test]
fn wrappings() {
    check(
        &format!("[{GROUP}, {GROUP}]"),
        &expect![[r#"
        $[0] group `Prüfer`
        $[1] group `Prüfer`
    "#]],
    );
    check(
        &format!(r#"{{"@odata.context": "x", "value": [{GROUP}]}}"#),
        &expect![[r#"
        $.value[0] group `Prüfer`
    "#]],
    );
    check(
        &format!(r#"{{"value": [{{"value": [[{GROUP}]]}}]}}"#),
        &expect![[r#"
        $.value[0].value[0][0] group `Prüfer`
    "#]],
    );
    check(
        &format!("[[[[[[{GROUP}]]]]]]"),
        &expect![[r#"
        Refused `file.json`: $[0][0][0][0][0]: arrays inside each other deeper than 4
    "#]],
    );
    check(
        &format!(r#"{{"value": [{GROUP}], "value": []}}"#),
        &expect![[r#"
        Refused `file.json`: $.value: stands twice: only the last is read
        hint: keep the one that is meant
    "#]],
    );
}

#[test]
fn a_bad_object_stops_no_other() {
    check(
        &format!(
            r#"{{"value": [
                {GROUP},
                {{"id": "1", "displayName": "no list", "members": 5}},
                {{"displayName": "template", "state": "enabled", "conditions": {{}}}},
                {{"id": "", "displayName": "x", "state": "enabled", "conditions": {{}}}},
                {{"id": "2", "displayName": "forgot the conditions", "grantControls": {{"operator": "OR", "builtInControls": ["block"]}}}},
                {{"id": "3", "state": "enabled", "conditions": {{"users": {{"includeUsers": ["All"], "includeUsers": ["None"]}}}}}},
                {{"Id": "4", "DisplayName": "PowerShell", "Conditions": {{}}}},
                {{"TenantId": "t", "Objects": []}},
                {{"shoeSize": 43}},
                7,
                {GROUP}
            ]}}"#
        ),
        &expect![[r#"
            $.value[0] group `Prüfer`
            $.value[10] group `Prüfer`
            Refused `file.json`: $.value[1]: unreadable group: invalid type: integer `5`, expected a sequence
            Refused `file.json`: $.value[2]: unreadable conditionalAccessPolicy: missing field `id`
            hint: templates have no ids: give the object a GUID of its own
            Refused `file.json`: $.value[3]: conditionalAccessPolicy without an `id`
            hint: give the object a GUID of its own
            Refused `file.json`: $.value[4]: looks like a conditionalAccessPolicy, but lacks what makes one
            hint: a conditionalAccessPolicy has `conditions`, `state` and `grantControls` or `sessionControls`
            Refused `file.json`: $.value[5]: unreadable conditionalAccessPolicy: member $.value[5].conditions.users.includeUsers stands twice
            hint: keep the one that is meant
            Refused `file.json`: $.value[6]: members in PascalCase, as PowerShell writes them
            hint: export over Microsoft Graph, or convert the member names: `DisplayName` is `displayName` in Graph
            Ignored `file.json`: $.value[7]: a migration table: ids are taken as the export has them
            Ignored `file.json`: $.value[8]: not a Graph object of a known kind
            Ignored `file.json`: $.value[9]: not an object
        "#]],
    );
}

#[test]
fn files_that_are_not_json() {
    for (text, expected) in [
        (
            "",
            expect![[r#"
            Refused `file.json`: $: empty
        "#]],
        ),
        (
            " \r\n",
            expect![[r#"
            Refused `file.json`: $: empty
        "#]],
        ),
        (
            "{\n  \"id\": \"1\"\n  \"displayName\": \"x\"\n}",
            expect![[r#"
            Refused `file.json`: $: not JSON: expected `,` or `}` at line 3 column 3
        "#]],
        ),
        (
            "{} {}",
            expect![[r#"
            Refused `file.json`: $: not JSON: trailing characters at line 1 column 4
        "#]],
        ),
        (
            "\"just text\"",
            expect![[r#"
            Ignored `file.json`: $: not an object
        "#]],
        ),
    ] {
        check(text, &expected);
    }
    let twice: String = (0..1001).map(|number| format!("\"a{number}\": 1, \"a{number}\": 2, ")).collect();
    check(
        &format!("{{{twice}\"id\": \"1\"}}"),
        &expect![[r#"
        Refused `file.json`: $: not JSON: more than 1000 members stand twice at line 1 column 21803
    "#]],
    );
    check(
        &"[".repeat(100_000),
        &expect![[r#"
        Refused `file.json`: $: not JSON: recursion limit exceeded at line 1 column 128
    "#]],
    );
}

/// Every object of any kind is written back as it was read.
#[test]
fn unknown_members_are_kept() {
    let text = r#"{"id":"10000000-0000-0000-0000-000000000001","displayName":"p","state":"enabled","conditions":{"moonPhases":["full"]},"grantControls":null,"sessionControls":null,"templateId":null,"futureMember":{"a":[1,2.5]}}"#;
    let contents = read("file.json", text.as_bytes());
    let [read] = contents.objects.as_slice() else { panic!("{contents:?}") };
    assert_eq!(read.object.to_value().to_string(), text);
}

/// What fuzzing does, in small: seeds with bytes overwritten, cut and doubled never stop the reader or the compiler.
#[test]
fn spoilt_seeds_are_survived() {
    let seeds: Vec<Vec<u8>> = seeds().into_iter().map(|(_, bytes)| bytes).collect();
    let spoil = (any::<prop::sample::Index>(), vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..8));
    proptest!(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }, |((seed, changes) in spoil)| {
        let mut bytes = seed.get(&seeds).clone();
        for (at, byte, how) in changes {
            let at = at.index(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match how {
                0 => bytes.truncate(at),
                1 => bytes.extend_from_within(at..),
                _ => bytes.iter_mut().skip(at).take(1).for_each(|place| *place = byte),
            }
        }
        let contents = read("spoilt", &bytes);
        prop_assert!(!contents.objects.is_empty() || !contents.problems.is_empty() || contents == read("spoilt", b"[]"));
        let policies = crate::fixture::compile_contents(&contents);
        prop_assert_eq!(policy::explain(&policies, &crate::fixture::request(), crate::fixture::now()).len(), policies.len());
    });
}

/// The seeds of `fuzz/fuzz_targets/read_tenant.rs`: read and compiled, whatever they hold.
#[test]
fn the_fuzz_corpus_is_replayed() {
    let seeds = seeds();
    assert!(seeds.len() >= 12, "{} seeds", seeds.len());
    for (name, bytes) in seeds {
        let contents = read("seed", &bytes);
        assert!(!contents.objects.is_empty() || !contents.problems.is_empty(), "{name}: neither object nor verdict");
        let policies = crate::fixture::compile_contents(&contents);
        for problem in policies.problems() {
            assert!(problem.place.starts_with('$') && !problem.reason.is_empty());
        }
        let request = crate::fixture::request();
        let decision = policy::decide(&policies, &request, crate::fixture::now());
        assert_eq!(policy::explain(&policies, &request, crate::fixture::now()).len(), policies.len());
        assert_eq!(decision.owed.is_empty(), decision.outcome != policy::answer::Outcome::GrantedAfter);
    }
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/read_tenant");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
}
