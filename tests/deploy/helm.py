"""Renders and lints a chart with Helm's own library.

In:  {"chart": path, "all": [values, ...]}
Out: [{"rendered": {template: text}, "lint": [message, ...]} or {"refused": sentence}, ...]
"""

import json
import sys

import helm_python

asked = json.load(sys.stdin)
answers = []
with helm_python.Chart.load(asked["chart"]) as chart:
    for values in asked["all"]:
        try:
            rendered = chart.render(values=values, name="edge", namespace="gateways")
        except helm_python.HelmError as error:
            answers.append({"refused": str(error)})
            continue
        report = helm_python.lint(asked["chart"], values, strict=True)
        # 1 is information.
        lint = [told["error"] for told in report["messages"] if told["severity"] > 1]
        answers.append({"rendered": rendered, "lint": lint + report["errors"]})
json.dump(answers, sys.stdout)
