//! `--keep`: a policy worth trying, and the curl lines to try it with.

use tidegate_mock::tenants::{CONTOSO, FABRIKAM};

use crate::Failure;
use crate::connections::{CONNECTOR, PLATFORM};
use crate::policies::Policy;
use crate::stage::Stage;

/// Puts Contoso's policy On with an empty list and prints what to do.
pub(crate) async fn show(stage: &Stage) -> Result<(), Failure> {
    Policy::on(CONTOSO).write(&stage.policies())?;
    Policy::off(FABRIKAM).write(&stage.policies())?;
    let policy = stage.policies().join(format!("{CONTOSO}.json"));
    let (policy, ca) = (policy.display(), stage.ca());
    let (url, ca) = (stage.gateway.url(), ca.display());
    let exchange = |creator: &str, code: &str| {
        format!(
            "  curl --cacert {ca} -H 'x-ms-client-tenant-id: {creator}' \\\n       \
             -d grant_type=authorization_code -d client_id=app -d code=for:{code} \\\n       \
             {url}/common/oauth2/v2.0/token"
        )
    };
    println!("\nContoso ({CONTOSO}) is On with an empty list, Fabrikam ({FABRIKAM}) is Off.");
    println!(
        "\nAllowed, Contoso -> Contoso:\n{}",
        exchange(CONTOSO, "contoso.com")
    );
    println!(
        "\nBlocked, Contoso -> Fabrikam:\n{}",
        exchange(CONTOSO, "fabrikam.com")
    );
    println!("\nBlocked before the provider is asked, because the path names the tenant:");
    println!(
        "{}",
        exchange(CONTOSO, "fabrikam.com").replace("/common/", &format!("/{FABRIKAM}/"))
    );
    println!(
        "\nPut Fabrikam on Contoso's outbound list, and the exchanges above are allowed at once:"
    );
    println!(
        "  printf '%s' '{{\"properties\":{{\"tenantId\":\"{CONTOSO}\",\"isDisabled\":false,\"allowedTenants\":[{{\
         \"tenantId\":\"{FABRIKAM}\",\"direction\":{{\"inbound\":false,\"outbound\":true}}}}]}}}}' \\\n       \
         > {policy}"
    );
    println!("\nPassed with a warning, Azure DevOps:");
    println!(
        "  curl --cacert {ca} -H 'x-ms-client-tenant-id: {CONTOSO}' \\\n       \
         -d grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer -d assertion=any -d client_assertion=any \\\n       \
         {url}/oauth2/token"
    );
    connections(stage);
    println!("\nDiscovery, rewritten to the gateway:");
    println!("  curl --cacert {ca} {url}/common/v2.0/.well-known/openid-configuration");
    records(stage);
    println!("\nCtrl-C ends it.");
    Ok(())
}

/// What the gateway recorded of all this: the same numbers in every place.
fn records(stage: &Stage) {
    let (program, admin) = (stage.binary().display(), stage.gateway.admin());
    let file = |name: &str| stage.file(name).display().to_string();
    let (config, audit, token) = (
        file("tidegate.toml"),
        file("audit.jsonl"),
        file("operator-token"),
    );
    let report = format!("{program} report {CONTOSO} --config {config}");
    println!(
        "\nWho connects where, and what isolation did about it: Contoso's report, of the store"
    );
    println!("of events, of the audit records, as a page for a browser:");
    println!("  {report}");
    println!("  {report} --audit {audit}");
    println!("  {report} --format html -o report.html");
    println!("The same by the API, made once a day, so exchange first:");
    let api = format!("{admin}/governance/crossTenantConnectionReports?tenantId={CONTOSO}");
    println!("  curl -X POST -H \"authorization: Bearer $(cat {token})\" \\\n       '{api}'");
    println!("Decisions while they are made:\n  {program} tail {audit}");
    println!("The records themselves, and the metrics:");
    println!("  wc -l {audit}");
    println!("  curl -s {admin}/metrics | grep tidegate_exchanges_total");
}

/// Connection routes: the tokens are in the request.
fn connections(stage: &Stage) {
    let (url, ca) = (stage.gateway.url(), stage.ca());
    let (ca, tokens) = (ca.display(), stage.entra.url());
    let create = |route: &str, sign_in: &str| {
        println!("  create {route}/mine \"$(token 'aud={CONNECTOR}&tenant={sign_in}')\"");
    };
    println!("\nConnection routes, where the tokens are in the request; first, in the same shell:");
    println!("  token() {{ curl -sS --cacert {ca} \"{tokens}/_mock/token?$1\"; }}");
    println!(
        "  create() {{\n    curl -i --cacert {ca} -X PUT {url}$1 -H 'content-type: application/json' \\\n      \
         -H \"authorization: Bearer $(token 'tenant=contoso.com&aud={PLATFORM}')\" \\\n      \
         -d \"{{\\\"properties\\\":{{\\\"token\\\":\\\"$2\\\"}}}}\"\n  }}"
    );
    println!("\nAllowed, Contoso -> Contoso; the service creates the connection:");
    create("/connections", "contoso.com");
    println!("\nBlocked, Contoso -> Fabrikam; the service sees nothing:");
    create("/connections", "fabrikam.com");
    println!("\nRefused, a sign-in token that was tampered with:");
    create("/connections", "fabrikam.com&seal=bad-signature");
    println!("\nPassed with a warning, a sign-in token of Azure DevOps' own:");
    create("/azure-devops/connections", "contoso.com&kind=azure-devops");
    println!("\nBlocked with a page, a browser on its way back from a sign-in at Fabrikam:");
    println!(
        "  curl -i --cacert {ca} -H 'accept: text/html' -d state=any \\\n       \
         -d \"id_token=$(token 'tenant=fabrikam.com&aud={CONNECTOR}&kind=id')\" \\\n       \
         {url}/redirect"
    );
    println!("\nWhat the service saw:");
    println!(
        "  curl --cacert {ca} {}/_mock/requests",
        stage.service.url()
    );
}
