#!/usr/bin/env python3
"""Writes tables.txt, the endpoint tables that wsim embeds, from a JSON extract of Synapse's docs/workers.md.

    python3 src/endpoints/make_tables.py endpoint-tables.json > src/endpoints/tables.txt

The JSON holds one object per distinct table, oldest first:

    {"source": "…", "tables": [
      {"since": "1.157.0", "until": null, "releases": ["1.157.0", "1.157.1"], "doc": "docs/workers.md",
       "endpoints": [
         {"pattern": "^/_matrix/client/(r0|v3)/sync$", "worker": "generic_worker", "section": "Sync requests",
          "group": "sync", "methods": null, "stream": null, "condition": null, "syntax": "regex",
          "notes": ["…"], "corrected_pattern": "…"}]}]}

`since` is the first release with the table, `until` the first release without it (null: still valid), `endpoints` are
in the order of the document. `methods`, `stream`, `condition` and `section` may be null; `notes` and
`corrected_pattern` may be absent. Other keys (such as the line in the document) are dropped.

To add a release: append its table to the JSON (or, where the document did not change, append the release to the
`releases` of the last table), set `until` of the table before it, run this script, run the tests of the module.

The output is described at the top of tables.txt and read by table.rs.
"""

import json
import sys

HEADER = """\
# Synapse's worker endpoint tables, one per change of the document, oldest first.
# Source: {source}.
# Written by make_tables.py; do not edit by hand. Fields are separated by one tab, `-` is "none".
#
#   row    worker, group, section, methods, stream, condition, syntax, notes, pattern[, corrected pattern]
#          Rows are numbered from 0 in the order of this file.
#   table  since, until (the first release without it), document, releases, row numbers in the order of the document
"""


def field(value):
    """One tab-free field."""
    if not value:
        return "-"
    text = ",".join(value) if isinstance(value, list) else value
    if "\t" in text or "\n" in text or text == "-":
        sys.exit(f"cannot be written as a field: {text!r}")
    return text


def row_line(row):
    keys = ("worker", "group", "section", "methods", "stream", "condition", "syntax", "notes", "pattern")
    fields = [field(row.get(key)) for key in keys]
    if row.get("corrected_pattern"):
        fields.append(field(row["corrected_pattern"]))
    return "row\t" + "\t".join(fields)


def ranges(numbers):
    """[0, 1, 2, 7] -> "0-2 7"; the order is kept."""
    parts = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        data = json.load(file)
    rows, tables = {}, []
    for table in data["tables"]:
        numbers = [rows.setdefault(row_line(row), len(rows)) for row in table["endpoints"]]
        tables.append((table, numbers))
    print(HEADER.format(source=data["source"]), end="")
    for line in rows:
        print(line)
    for table, numbers in tables:
        fields = (table["since"], field(table.get("until")), table["doc"], " ".join(table["releases"]), ranges(numbers))
        print("table\t" + "\t".join(fields))


if __name__ == "__main__":
    main()
