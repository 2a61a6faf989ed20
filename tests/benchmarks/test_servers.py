"""The processes that benchmarks start."""

import os
import sys

import click
import pytest

from benchmarks import servers


def test_a_server_that_does_not_start_says_why() -> None:
    port = servers.free_port()
    refused = pytest.raises(click.ClickException, match="OKTA_ORG_URL: is required")
    with refused, servers.ours(port, {"OAUTH_REQUIRE_HTTPS": "false"}):
        pass


def test_what_is_measured_has_a_core_and_what_asks_has_the_others() -> None:
    """In a process of its own: this one keeps its cores. Where there is one core, all share it."""
    code = (
        "import os; from benchmarks import servers; print(sorted(os.sched_getaffinity(0)));"
        "servers.leave_their_core()\n"
        "for measured in (True, False):\n"
        "    with servers.running('sleep', '60', is_measured=measured) as process:\n"
        "        print(sorted(os.sched_getaffinity(process.pid)))"
    )
    with servers.running(sys.executable, "-c", code, has_pipes=True, is_measured=False) as process:
        assert process.stdout is not None
        cores, measured, asking = process.stdout.read().decode().splitlines()
    all_cores = sorted(os.sched_getaffinity(0))
    assert cores == str(all_cores)
    assert measured == str(all_cores[:1])
    assert asking == str(all_cores[1:] or all_cores)
