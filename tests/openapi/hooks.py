"""What the schema cannot say of a good request, for schemathesis.

A good document names the path's tenant, and domains that there are. Who asks here is the operator, who
names the tenant whose reports are meant. What is bad on purpose is left as it is.
"""

import re

import schemathesis

DOMAIN = re.compile(r"^([0-9A-Za-z-]+\.)+[0-9A-Za-z-]+$")
TAGS = re.compile(r'^(\*|(W/)?"[!#-~]*"(, (W/)?"[!#-~]*")*)$')
KNOWN = "fabrikam.com"
REPORTS = "/governance/crossTenantConnectionReports"
TENANT = "11111111-1111-4111-8111-111111111111"


def is_good(case):
    meta = case.meta
    return meta is not None and meta.generation.mode.name == "POSITIVE"


@schemathesis.hook
def map_case(context, case):
    if not is_good(case):
        return case
    if case.operation.path.startswith(REPORTS):
        case.query = {**(case.query or {}), "tenantId": TENANT}
        # Opaque: a good one is what an answer says, of the same list or report.
        case.query.pop("$skiptoken", None)
        return case
    for name in ("If-Match", "If-None-Match"):
        # Of a pattern with quotes in it the tester keeps only the length, in headers.
        if case.headers and name in case.headers and not TAGS.match(str(case.headers[name])):
            case.headers[name] = "*"
    if case.headers and "If-Match" in case.headers:
        # Either or neither: the API takes no two conditions.
        case.headers.pop("If-None-Match", None)
    if not isinstance(case.body, dict):
        return case
    properties = case.body.get("properties")
    if not isinstance(properties, dict):
        return case
    properties["tenantId"] = (case.path_parameters or {}).get("tenantId")
    for entry in properties.get("allowedTenants") or []:
        if isinstance(entry, dict) and DOMAIN.match(str(entry.get("tenantId"))):
            entry["tenantId"] = KNOWN
            entry.pop("tenantDomain", None)
    return case
