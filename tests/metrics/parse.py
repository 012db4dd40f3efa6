"""Reads OpenMetrics text on standard input with the parser of prometheus_client, and prints what it understood as JSON:
[[name, type, unit, help, [[sample, {label: value}, value], ...]], ...]. Ends with 1 and the reason when it is no OpenMetrics."""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

families = [
    [family.name, family.type, family.unit, family.documentation,
     [[sample.name, sample.labels, sample.value] for sample in family.samples]]
    for family in text_string_to_metric_families(sys.stdin.read())
]
json.dump(families, sys.stdout)
