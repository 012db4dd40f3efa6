//! Each format against a golden document, and what cannot be read against a golden list of faults.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::*;
use crate::policies::document::parse_for_write;

const CONTOSO: &str = "11111111-1111-4111-8111-111111111111";

fn contoso() -> TenantId {
    TenantId::parse(CONTOSO).unwrap()
}

fn data(name: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read(root.join("tests/data/import").join(name)).unwrap()
}

/// Everything that comes of a file, in one text.
fn transcript(read: Result<Imported, Vec<Fault>>) -> String {
    let mut text = String::new();
    match read {
        Ok(imported) => {
            writeln!(text, "format: {}", imported.format).unwrap();
            for remark in imported.remarks {
                writeln!(text, "remark: {remark}").unwrap();
            }
            text += &imported.document;
        }
        Err(faults) => {
            for Fault {
                key,
                found,
                expected,
            } in faults
            {
                writeln!(text, "{key}: found {found}, expected {expected}").unwrap();
            }
        }
    }
    text
}

fn golden(name: &str, actual: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/import")
        .join(name);
    if std::env::var_os("TIDEGATE_UPDATE_GOLDEN").is_some() {
        fs::write(&file, actual).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(actual, expected, "{name} differs");
}

#[test]
fn every_format_gives_its_golden_document() {
    let table = [
        ("microsoft.json", Format::Microsoft),
        ("powershell.json", Format::Microsoft),
        ("powershell-pascal.json", Format::PowerShell),
        ("powershell-inner.json", Format::PowerShell),
        ("m365dsc.ps1", Format::M365Dsc),
        ("m365dsc-report.json", Format::M365Dsc),
        ("terraform.tfstate", Format::Terraform),
        ("terraform-show.json", Format::Terraform),
    ];
    for (name, format) in table {
        let found = read(&data(name), None, contoso());
        let document = found.clone().map(|found| found.document);
        let transcript = transcript(found);
        assert!(
            transcript.starts_with(&format!("format: {format}\n")),
            "{name}: {transcript}"
        );
        golden(&format!("{name}.txt"), &transcript);
        let again = read(&data(name), Some(format), contoso());
        assert_eq!(again.map(|found| found.document), document, "{name}");
        let draft = parse_for_write(document.unwrap().as_bytes(), contoso());
        assert!(draft.is_ok(), "{name}: {draft:?}");
    }
}

#[test]
fn what_cannot_be_read_is_told_in_full() {
    let table = [
        "powershell-cut-off.json",
        "powershell-error.json",
        "m365dsc-partial.ps1",
        "terraform-wrong.tfstate",
    ];
    for name in table {
        let format = name.starts_with("powershell").then_some(Format::PowerShell);
        let found = read(&data(name), format, contoso());
        assert!(found.is_err(), "{name}");
        golden(&format!("{name}.txt"), &transcript(found));
    }
}

#[test]
fn powershells_own_json_is_read_as_what_it_is() {
    // It is Microsoft's document, unless ConvertTo-Json did something to it.
    let as_it_is = read(
        &data("powershell.json"),
        Some(Format::PowerShell),
        contoso(),
    )
    .unwrap();
    let document = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let bytes = data("powershell.json");
    assert_eq!(
        document(&as_it_is.document),
        document(std::str::from_utf8(&bytes).unwrap())
    );
    assert_eq!(as_it_is.remarks, [""; 0]);
}

#[test]
fn text_is_decoded_as_powershell_writes_it() {
    let text = String::from_utf8(data("powershell-inner.json")).unwrap();
    let expected = read(text.as_bytes(), None, contoso()).unwrap();
    let units = |swap: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(swap).collect::<Vec<_>>();
    let marked = [
        [&[0xEF, 0xBB, 0xBF], text.as_bytes()].concat(),
        [&[0xFF, 0xFE][..], &units(u16::to_le_bytes)].concat(),
        [&[0xFE, 0xFF][..], &units(u16::to_be_bytes)].concat(),
    ];
    for bytes in marked {
        assert_eq!(read(&bytes, None, contoso()).unwrap(), expected);
    }
    let broken: [&[u8]; 5] = [b"", b"\xff\xfe{", b"\xff\xfe\x00\xd8", b"{\x00}", b"\xc3("];
    for bytes in broken {
        assert!(read(bytes, None, contoso()).is_err(), "{bytes:?}");
    }
}

#[test]
fn what_two_readers_could_take_differently_is_a_fault() {
    let twice = r#"{"properties":{"tenantId":"11111111-1111-4111-8111-111111111111","isDisabled":true,"IsDisabled":false}}"#;
    let count = r#"{"isDisabled":true,"allowedTenants":{"value":[],"Count":2}}"#;
    let several = r#"[{"isDisabled":true},{"isDisabled":true}]"#;
    let no_policy = r#"{"terraform_version":"1","version":4,"resources":[]}"#;
    let old = r#"{"terraform_version":"0.11","version":3,"modules":[]}"#;
    let two = "PPTenantIsolationSettings 'a' { Enabled = $true }\n\
               PPTenantIsolationSettings 'b' { Enabled = $false }";
    let again = "PPTenantIsolationSettings 'a' { Enabled = $true; enabled = $false }";
    let open = "PPTenantIsolationSettings 'a' { Enabled = $true";
    let nothing = "PPTenantIsolationSettings 'a' { }";
    let absent = "PPTenantIsolationSettings 'a' { Enabled = $true; Ensure = 'Absent' }";
    let prose = "isolation is on";
    for text in [
        twice, count, several, no_policy, old, two, again, open, nothing, absent, prose, "[]",
        "{}", "{} x",
    ] {
        let found = read(text.as_bytes(), None, contoso());
        assert!(found.is_err(), "{text}: {found:?}");
    }
}

#[test]
fn what_powershell_takes_for_true_is_not_read_as_false() {
    let configuration = |enabled: &str| {
        let text = format!("PPTenantIsolationSettings 'a' {{ Enabled = {enabled}; Rules = @() }}");
        read(text.as_bytes(), None, contoso())
    };
    for text in ["'False'", "'True'", "\"false\"", "False", "''"] {
        let found = configuration(text).unwrap_err();
        assert_eq!(found[0].key, "Enabled", "{text}: {found:?}");
        assert_eq!(found[0].expected, "$True or $False", "{text}: {found:?}");
    }
    let is_disabled = |found: Imported| found.document.contains(r#""isDisabled": true"#);
    assert!(is_disabled(configuration("$False").unwrap()));
    assert!(!is_disabled(configuration("$true").unwrap()));
    let report = r#"[{"ResourceName":"PPTenantIsolationSettings","Enabled":"False","Rules":[]}]"#;
    assert!(is_disabled(
        read(report.as_bytes(), None, contoso()).unwrap()
    ));
}

#[test]
fn every_end_of_a_line_ends_a_comment() {
    let document = |end: &str| {
        let text = [
            "PPTenantIsolationSettings 'a' {",
            "Enabled = `",
            "$True # on, for now",
            "Rules = @(",
            "MSFT_PPTenantRule { TenantName = '*' # anybody",
            "Direction = 'Both' }",
            ")",
            "}",
        ]
        .join(end);
        read(text.as_bytes(), None, contoso())
    };
    let expected = document("\n").unwrap();
    assert!(expected.document.contains("\"*\""));
    assert_eq!(document("\r").unwrap(), expected);
    assert_eq!(document("\r\n").unwrap(), expected);
}

#[test]
fn depth_is_bounded() {
    let list = format!(
        "PPTenantIsolationSettings 'a' {{ Rules = {}",
        "@(".repeat(500_000)
    );
    let rules = "MSFT_PPTenantRule { Direction = ".repeat(100_000);
    let rules = format!("PPTenantIsolationSettings 'a' {{ Rules = {rules}");
    let json = format!("{{\"properties\":{}", "[".repeat(500_000));
    for text in [list, rules, json] {
        assert!(read(text.as_bytes(), None, contoso()).is_err());
    }
}

#[test]
fn the_policy_must_be_the_asked_tenants() {
    let other = TenantId::parse("44444444-4444-4444-8444-444444444444").unwrap();
    let found = read(&data("terraform.tfstate"), None, other).unwrap_err();
    assert!(found[0].found.contains(CONTOSO), "{found:?}");
    let found = read(&data("powershell-pascal.json"), None, other).unwrap();
    assert!(parse_for_write(found.document.as_bytes(), other).is_err());
}
