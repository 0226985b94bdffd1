"""Validates what `hyades run` tells others: events against the schemas of OpenLineage, a file of metrics by the parser
of Prometheus' client, cards against the schema of the model card toolkit.

    pip install jsonschema rfc3339-validator prometheus-client
    python lineage.py --spec OpenLineage/spec lineage.ndjson
    python lineage.py --metrics retail.prom
    python lineage.py --card-schema model_card.schema.json history/versions/*/card.json

The schemas come from checkouts of OpenLineage/OpenLineage (written for spec 2-0-2, commit 8f02abf of August 2026) and of
tensorflow/model-card-toolkit (schema v0.0.2). Formats such as uuid, date-time and uri are checked too.
"""

import argparse
import json
import pathlib
import sys

from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker


def events(spec, paths):
    """Each event against RunEvent, and each facet against the schema that it names."""
    from referencing import Registry, Resource

    files = [spec / "OpenLineage.json", *sorted((spec / "facets").glob("*.json"))]
    schemas = [json.loads(file.read_text()) for file in files]
    registry = Registry().with_resources((schema["$id"], Resource.from_contents(schema)) for schema in schemas)

    def faults(reference, value):
        validator = Draft202012Validator({"$ref": reference}, registry=registry, format_checker=FormatChecker())
        return [f"{reference}: {fault.json_path}: {fault.message}" for fault in validator.iter_errors(value)]

    checked, found, runs = 0, [], {}
    for path in paths:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            event = json.loads(line)
            told = faults(event["schemaURL"], event)
            datasets = event["inputs"] + event["outputs"]
            holders = [event["run"].get("facets"), event["job"].get("facets")]
            holders += [data.get(key) for data in datasets for key in ("facets", "inputFacets", "outputFacets")]
            for holder in filter(None, holders):
                for name, facet in holder.items():
                    checked += 1
                    told += faults(facet["_schemaURL"], facet)
                    # The file that a facet comes from says under which name it stands.
                    document = registry.contents(facet["_schemaURL"].split("#")[0])
                    if name not in document["properties"]:
                        told.append(f"{name} is not a facet of {document['$id']}")
            found += [f"{path}:{number}: {fault}" for fault in told]
            runs.setdefault(event["run"]["runId"], []).append(event["eventType"])
    for run, kinds in runs.items():
        if kinds[0] != "START" or len(kinds) > 2 or (len(kinds) == 2 and kinds[1] not in ("COMPLETE", "FAIL", "ABORT")):
            found.append(f"run {run}: {kinds}")
    print(f"{len(runs)} runs, {checked} facets, {len(found)} faults")
    return found


def metrics(paths):
    """Families of one file, each with help and type, and no sample twice."""
    from prometheus_client.parser import text_string_to_metric_families

    found = []
    for path in paths:
        seen, families = set(), 0
        for family in text_string_to_metric_families(path.read_text()):
            families += 1
            if not family.documentation or family.type != "gauge":
                found.append(f"{path}: {family.name} lacks help or type")
            for sample in family.samples:
                key = (sample.name, tuple(sorted(sample.labels.items())))
                if key in seen or sample.timestamp is not None:
                    found.append(f"{path}: {key} is there twice, or has a timestamp")
                seen.add(key)
        print(f"{path}: {families} families, {len(seen)} samples")
    return found


def cards(schema, paths):
    validator = Draft7Validator(json.loads(schema.read_text()), format_checker=FormatChecker())
    found = []
    for path in paths:
        found += [f"{path}: {fault.json_path}: {fault.message}" for fault in validator.iter_errors(json.loads(path.read_text()))]
    print(f"{len(paths)} cards, {len(found)} faults")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", type=pathlib.Path, help="the folder spec of OpenLineage")
    parser.add_argument("--metrics", action="store_true", help="the files are metrics")
    parser.add_argument("--card-schema", type=pathlib.Path, help="the files are cards; their schema")
    parser.add_argument("files", type=pathlib.Path, nargs="+")
    args = parser.parse_args()
    if args.metrics:
        found = metrics(args.files)
    elif args.card_schema:
        found = cards(args.card_schema, args.files)
    elif args.spec:
        found = events(args.spec, args.files)
    else:
        parser.error("name --spec, --metrics or --card-schema")
    print("\n".join(found[:20]), end="\n" if found else "")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
