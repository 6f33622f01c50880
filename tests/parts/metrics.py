"""Reads metrics from standard input with Prometheus' own parser, as the format that the argument names, and prints each family's
name and type, and the trace of each exemplar."""

import sys

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

parse = {"text": parser.text_string_to_metric_families, "openmetrics": openmetrics.text_string_to_metric_families}
for family in parse[sys.argv[1]](sys.stdin.read()):
    for sample in family.samples:
        float(sample.value)
        if sample.exemplar:
            print("exemplar", sample.exemplar.labels["trace_id"])
    print(family.name, family.type)
