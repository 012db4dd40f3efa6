"""Runs one of deploy/queries in a real engine, over files of audit lines.

    run.py ENGINE QUERY FILE... <CASES

ENGINE is `clickhouse` (chdb: ClickHouse itself), `duckdb` (DuckDB itself) or `kusto` (duckdb-kql, which
runs KQL on DuckDB). Each line of CASES is a JSON object with `tenant`, `since` and `until`; for each it
prints a line with the rows of the answer, as a JSON array; every cell is a text.

Stores get every line of every file, as often as it stands there, in the table that OpenTelemetry's
exporter writes; DuckDB reads the files themselves.
"""

import datetime
import gzip
import json
import re
import sys

# The time of a line that names none.
ARRIVED = "2026-10-13T12:00:00"

# As the exporter for ClickHouse creates it, without codecs and indexes.
OTEL_LOGS = """
CREATE TABLE otel_logs (
    Timestamp DateTime64(9), TimestampTime DateTime DEFAULT toDateTime(Timestamp),
    TraceId String, SpanId String, TraceFlags UInt8,
    SeverityText LowCardinality(String), SeverityNumber UInt8, ServiceName LowCardinality(String),
    Body String, ResourceSchemaUrl LowCardinality(String),
    ResourceAttributes Map(LowCardinality(String), String), ScopeSchemaUrl LowCardinality(String),
    ScopeName String, ScopeVersion LowCardinality(String),
    ScopeAttributes Map(LowCardinality(String), String),
    LogAttributes Map(LowCardinality(String), String)
) ENGINE = MergeTree PARTITION BY toDate(TimestampTime)
  PRIMARY KEY (ServiceName, TimestampTime) ORDER BY (ServiceName, TimestampTime, Timestamp)
"""

# As Microsoft documents it for its exporter to Azure Data Explorer.
OTELLOGS = """
CREATE TABLE "OTELLogs" (
    "Timestamp" TIMESTAMP, "ObservedTimestamp" TIMESTAMP, "TraceID" VARCHAR, "SpanID" VARCHAR,
    "SeverityText" VARCHAR, "SeverityNumber" INTEGER, "Body" VARCHAR, "ResourceAttributes" JSON,
    "LogsAttributes" JSON)
"""


def lines(files):
    """Every line that a collector would ship, and the time that it would give it."""
    for name in files:
        with (gzip.open if name.endswith(".gz") else open)(name, "rb") as file:
            for line in file.read().decode().split("\n"):
                if line:
                    yield time(line), line


def time(line):
    found = re.search(r'"time":"([^"]*)Z"', line)
    try:
        datetime.datetime.fromisoformat(found.group(1)[:19])
    except (AttributeError, ValueError):
        return ARRIVED
    return found.group(1)


def clickhouse(query, files):
    from chdb.session import Session

    session = Session()
    session.query(OTEL_LOGS)
    rows = (
        json.dumps({"Timestamp": time.replace("T", " "), "ServiceName": "tidegate", "Body": line})
        for time, line in lines(files)
    )
    session.query("INSERT INTO otel_logs FORMAT JSONEachRow\n" + "\n".join(rows))

    def answer(tenant, since, until):
        # ClickHouse takes no letters in a parameter that is a time.
        plain = [time.replace("T", " ").rstrip("Z") for time in (since, until)]
        said = dict(tenant=tenant, since=plain[0], until=plain[1])
        rows = session.query(query, "JSONEachRow", params=said).bytes().decode()
        return [json.loads(row) for row in rows.splitlines()]

    return answer


def duckdb(query, files):
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET VARIABLE files = ?", [files])

    def answer(tenant, since, until):
        for name, value in dict(tenant=tenant, since=since, until=until).items():
            connection.execute(f"SET VARIABLE {name} = ?", [value])
        # As texts: Python's times have no nanoseconds.
        return cells(connection.sql(query).select("COLUMNS(*)::VARCHAR"))

    return answer


def kusto(query, files):
    import duckdb_kql

    connection = duckdb_kql.connect()
    connection.execute(OTELLOGS)
    connection.executemany(
        'INSERT INTO "OTELLogs" ("Timestamp", "Body") VALUES (?, ?)',
        [[time, line] for time, line in lines(files)],
    )

    def answer(tenant, since, until):
        # Log Analytics has no parameters: whoever uses the query edits these lines too.
        said = dict(tenant=f'"{tenant}"', since=f"datetime({since})", until=f"datetime({until})")
        told = query
        for name, value in said.items():
            told, found = re.subn(rf"(?m)^let {name} = .*;$", f"let {name} = {value};", told)
            assert found == 1, name
        return cells(duckdb_kql.query(connection, told))

    return answer


def cells(answer):
    """Rows by the names of their columns."""
    rows = answer.fetchall()
    names = [column[0] for column in answer.description]
    return [dict(zip(names, row)) for row in rows]


def text(cell):
    return "" if cell is None else str(cell)


def main():
    engine, query, *files = sys.argv[1:]
    with open(query) as file:
        query = file.read().rstrip().rstrip(";")
    ask = {"clickhouse": clickhouse, "duckdb": duckdb, "kusto": kusto}[engine](query, files)
    for case in sys.stdin:
        rows = ask(**json.loads(case))
        print(json.dumps([{name: text(cell) for name, cell in row.items()} for row in rows]))


main()
