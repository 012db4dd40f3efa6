//! The admin listener, and who may administer policies on it.

use super::*;

/// The section's example in `config/gateway.toml`, uncommented.
fn example() -> String {
    let text = include_str!("../../../../config/gateway.toml");
    let lines = text.lines().skip_while(|line| *line != "# [admin.tls]");
    let section = lines.take_while(|line| !line.is_empty());
    let bare = section.map(|line| line.strip_prefix("# ").unwrap_or(line));
    bare.collect::<Vec<_>>().join("\n")
}

#[test]
fn by_default_nobody_may() {
    let config = Place::new().good(LEAST);
    assert!(config.admin.tls.is_none());
    assert!(!config.admin.policies.is_open());
    assert!(config.admin.policies.provider.is_none());
    // Not by an empty section either, which names the provider that resolves domains.
    let config = Place::new().good(&format!("[admin.policies]\n{LEAST}"));
    assert!(!config.admin.policies.is_open());
    assert_eq!(config.admin.policies.provider.unwrap().name, "entra");
}

#[test]
fn the_example_is_right_and_spells_the_defaults_out() {
    let place = Place::new();
    fs::write(place.0.path().join("operator-token"), "t".repeat(32)).unwrap();
    let example = example()
        .replace("../certs/gateway.pem", "cert.pem")
        .replace("../certs/gateway.key", "key.pem")
        .replace("../certs/ca.pem", "cert.pem");
    let admin = place.good(&format!("{example}\n{LEAST}")).admin;
    assert!(admin.tls.unwrap().client_ca.is_some());
    let policies = admin.policies;
    assert_eq!(policies.operators, ["ops.internal"]);
    let token = place.0.path().join("operator-token");
    assert_eq!(policies.operator_token_file, Some(token));
    let they = policies.administrators.unwrap();
    assert_eq!(they.provider.name, "entra");
    assert_eq!(they.audience, ["api://tidegate-admin"]);
    assert_eq!(they.read_roles.len(), 1);

    let least = format!("[admin.policies]\naudience = \"api://tidegate-admin\"\n{LEAST}");
    let default = place.good(&least).admin.policies.administrators.unwrap();
    assert_eq!(default.write_roles, they.write_roles);
    assert!(default.read_roles.is_empty());
}

#[test]
fn an_administrators_provider_is_one_whose_keys_are_needed() {
    let text = "[admin.policies]\nprovider = \"two\"\naudience = \"api://admin\"\n[providers.two]\nkind = \"entra\"\n";
    let config = Place::new().good(&format!("{text}{LEAST}"));
    let names: Vec<_> = config
        .providers()
        .iter()
        .map(|it| it.name.clone())
        .collect();
    assert_eq!(names, ["entra", "two"]);
}

#[test]
fn policies_over_plain_http_are_warned_about() {
    let text = "[admin]\naddress = \"0.0.0.0:9443\"\ninsecure_remote = true\n\
                [admin.policies]\naudience = \"api://admin\"\ninsecure_plaintext = true\n";
    let config = Place::new().good(&format!("{text}{LEAST}"));
    let keys: Vec<_> = crate::config::warnings(&config)
        .into_iter()
        .map(|it| it.key)
        .collect();
    assert_eq!(
        keys,
        ["admin.insecure_remote", "admin.policies.insecure_plaintext"]
    );
}

/// A token that a route passes on to a service must not open the policies to that service.
#[test]
fn an_audience_that_routes_take_as_well_is_warned_about() {
    let route = "[[routes]]\nname = \"own\"\nkind = \"token\"\nprovider = \"entra\"\n\
                 path = \"/own/token\"\ncreator = [{ bearer = \"authorization\", audience = \"api://one\" }]\n";
    for (audience, warned) in [("api://one", true), ("api://two", false)] {
        let admin = format!("[admin.policies]\naudience = {audience:?}\n");
        let config = Place::new().good(&format!("{admin}{LEAST}{route}"));
        let warnings = crate::config::warnings(&config);
        let found = warnings
            .iter()
            .any(|it| it.key == "admin.policies.audience");
        assert_eq!(found, warned, "{warnings:?}");
    }
}
