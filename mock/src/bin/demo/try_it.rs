//! `--keep`: a policy worth trying, and the curl lines to try it with.

use tidegate_mock::tenants::{CONTOSO, FABRIKAM};

use crate::Failure;
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
    println!("\nDiscovery, rewritten to the gateway:");
    println!("  curl --cacert {ca} {url}/common/v2.0/.well-known/openid-configuration");
    println!("\nMetrics:\n  curl {}/metrics", stage.gateway.admin());
    println!("\nCtrl-C ends it.");
    Ok(())
}
