"""`python -m benchmarks.stores`: a column for each backend, and a figure in every place."""

import re

from tests.benchmarks.runs import short_run

ROW = re.compile(r"^\| ([^|]+) \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)
BYTES, MEGABYTES = r"[1-9][\d,]*", r"\d+ MB"
MICROSECONDS = r"\d+\.\d µs, \d+\.\d µs"
FORMS = {
    "bytes for a registered client": BYTES,
    "bytes for a grant": BYTES,
    "bytes for a grant with its first tokens": BYTES,
    "5,000 grants with their tokens": MEGABYTES,
    "opening the full store": r"\d+\.\d ms",
    "memory of the process": MEGABYTES,
    "check of an access token, one of 1,000 at work: median, p99": MICROSECONDS,
    "check of an access token, any of all: median, p99": MICROSECONDS,
}


def test_a_short_run_measures_every_backend() -> None:
    shown = short_run("stores")
    rows = {what: cells for what, *cells in ROW.findall(shown)}
    assert "| memory | SQLite | Redis |" in shown.splitlines()[0]
    for what, form in FORMS.items():
        assert all(re.fullmatch(form, cell.strip()) for cell in rows[what]), (what, rows[what])
    in_memory, sqlite, redis = rows["one bare question to Redis: median, p99"]
    assert (in_memory.strip(), sqlite.strip()) == ("", "")
    assert re.fullmatch(MICROSECONDS, redis)
    assert "SQLite" in shown.strip().splitlines()[-1]
