//! What `--help` says after the options: examples and exit codes.

pub(in crate::cli) const HELP: &str = "\
Where the policy is:
  --policies DIR   a policy directory; a gateway that watches it takes a change up by itself
  --config FILE    the directory or the etcd that this configuration names (the default, where one is found)
  --server URL     the admin API of a gateway, with --token-file, or --cert and --key

A change in a directory: records of such changes are not written; through --server they are. Those
in etcd are as those in a directory.

TENANT is an id. But for --server it may be a domain: commands that change a policy resolve it at
the configuration's provider, commands that only read take some policy's word for it and tell so.

Examples:
  tidegate policy show 11111111-1111-4111-8111-111111111111
  tidegate policy allow 11111111-1111-4111-8111-111111111111 fabrikam.com --outbound \\
      --note CHG-4711 --expires 2027-01-31T18:00:00Z --dry-run

Exit codes: 0 done; 1 failed at run time; 4 decisions would change (diff); 64 wrong document, policy
or command line.";

pub(super) const ALLOW_HELP: &str = "\
Examples:
  tidegate policy allow 11111111-1111-4111-8111-111111111111 fabrikam.com --inbound --outbound
  tidegate policy allow 11111111-1111-4111-8111-111111111111 '*' --outbound --policies ./policies
  tidegate policy allow 11111111-1111-4111-8111-111111111111 22222222-2222-4222-8222-222222222222 \\
      --inbound --note CHG-4711 --expires 2027-01-31T18:00:00Z

An entry for the same tenant with the same end is widened; otherwise one is added. Entries are a
union: the most permissive counts.
Exit codes: 0 done, or allowed already; 1 failed; 64 no such domain, or no policy to change.";

pub(super) const REVOKE_HELP: &str = "\
Examples:
  tidegate policy revoke 11111111-1111-4111-8111-111111111111 fabrikam.com --inbound
  tidegate policy revoke 11111111-1111-4111-8111-111111111111 '*' --dry-run

Exit codes: 0 done, or nothing to revoke; 1 failed; 64 no policy to change.";

pub(super) const ENABLE_HELP: &str = "\
Examples:
  tidegate policy enable 11111111-1111-4111-8111-111111111111 --dry-run
  tidegate policy enable 11111111-1111-4111-8111-111111111111 --server https://gateway:9443 \\
      --token-file operator.token --ca ca.pem

Where there is no policy, one is made that allows nobody. `tidegate simulate` tells beforehand what
that blocks.
Exit codes: 0 done; 1 failed; 64 wrong command line.";

pub(super) const DISABLE_HELP: &str = "\
Examples:
  tidegate policy disable 11111111-1111-4111-8111-111111111111

Exit codes: 0 done; 1 failed; 64 wrong command line.";

pub(super) const SET_HELP: &str = "\
Examples:
  tidegate policy set 11111111-1111-4111-8111-111111111111 contoso.json
  tidegate policy export 11111111-1111-4111-8111-111111111111 --policies ./old |
      tidegate policy set 11111111-1111-4111-8111-111111111111 - --policies ./new

Exit codes: 0 done; 1 failed, also because somebody else changed it meanwhile; 64 wrong document.";

pub(super) const IMPORT_HELP: &str = "\
Examples:
  Get-PowerAppTenantIsolationPolicy | ConvertTo-Json -Depth 10 > policy.json   (PowerShell)
  tidegate policy import 11111111-1111-4111-8111-111111111111 policy.json --dry-run
  terraform show -json | tidegate policy import 11111111-1111-4111-8111-111111111111 -

What cannot be read is a fault, and what is left out is told. Nothing is dropped silently.
Exit codes: 0 done; 1 failed, also because somebody else changed it meanwhile; 64 wrong file.";

pub(super) const EXPORT_HELP: &str = "\
Examples:
  tidegate policy export 11111111-1111-4111-8111-111111111111 > contoso.json

Exit codes: 0 done; 1 failed, or there is no policy.";

pub(super) const SHOW_HELP: &str = "\
Examples:
  tidegate policy show 11111111-1111-4111-8111-111111111111 --policies ./policies
  tidegate policy show contoso.com --json | jq '.entries[] | select(.expired)'

Exit codes: 0 done; 1 failed, or there is no policy; 64 a policy that cannot be read.";

pub(super) const DIFF_HELP: &str = "\
Examples:
  tidegate policy diff 11111111-1111-4111-8111-111111111111 contoso-new.json
  tidegate policy diff ./policies-new --policies ./policies --json

Every pair of tenants is compared, from now on until the last entry expires. Other tenants' policies
are those of the directory; through --server they are not known and count as absent.
Exit codes: 0 no decision changes; 4 some do; 1 failed; 64 wrong policies.";
