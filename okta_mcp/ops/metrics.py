"""What Prometheus can read of this process: every instrument, and what each audit event counts as.

Made by the composition root where `METRICS_LISTEN` is set, and imported only then. The audit
writer's events feed `count_event`, the wrappers of `measured` the rest, `metrics_listener` shows
it. A label is a tool, a server of `mcp.json`, a role, a store, a verb, one of Okta's buckets or an
outcome: all of them are names that this server or its administrator chose, or, up to a number, a
server behind the gateway; never a person, a client, an id or a text of a caller. `docs/metrics.md`
lists every name.
"""

from collections.abc import Mapping
from typing import Any

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from okta_mcp import __version__

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_NO_ROLE = "none"
_UNKNOWN_TOOL = "unknown"
_OWN = "okta"
# What a server behind the gateway calls its tools is its choice: it must not fill the memory.
_MOST_TOOLS_OF_SERVER = 100
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# A look-up in memory takes microseconds, and a store that is away is given up after two seconds.
_STORE_SECONDS = (0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0)

# Event of the audit catalogue: the counter, and the value of its label `outcome`.
COUNTED = {
    "client.registered": ("registrations", "registered"),
    "client.registration.suspicious": ("registrations", "suspicious"),
    "client.registration.refused": ("registrations", "refused"),
    "authorization.refused": ("logins", "request_refused"),
    "login.started": ("logins", "started"),
    "login.succeeded": ("logins", "succeeded"),
    "login.refused": ("logins", "refused"),
    "consent.granted": ("consents", "granted"),
    "consent.remembered": ("consents", "remembered"),
    "consent.denied": ("consents", "denied"),
    "consent.refused": ("consents", "refused"),
    "token.issued": ("tokens", "issued"),
    "token.refreshed": ("tokens", "refreshed"),
    "token.repeated": ("tokens", "repeated"),
    "token.refused": ("tokens", "refused"),
    "token.revoked": ("tokens", "revoked"),
    "code.reused": ("tokens", "code_reused"),
    "refresh_token.reused": ("tokens", "refresh_token_reused"),
    "grant.ended": ("access_changes", "grant_ended"),
    "session.ended": ("access_changes", "session_ended"),
    "role.changed": ("access_changes", "role_changed"),
    "bearer.refused": ("bearers", "refused"),
    "audit.suppressed": ("bearers", "audit_suppressed"),
}
# Counted with the person's role: the counter, whose outcome is the event's.
COUNTED_BY_ROLE = {
    "tool.called": "tool_calls",
    "tool.refused": "tool_calls",
    "resource.read": "resources",
    "resource.refused": "resources",
    "prompt.given": "prompts",
    "prompt.refused": "prompts",
}


class Metrics:
    """The instruments of one process, in a registry of their own.

    `tools` are the names that a label may hold.
    """

    def __init__(self) -> None:
        # Each counter would have a second series that says when it was made.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.tools: frozenset[str] = frozenset()
        self._tools_of_server: dict[str, set[str]] = {}
        ProcessCollector(registry=self.registry)
        build = Gauge(
            "okta_mcp_build_info", "The version that runs.", ["version"], registry=self.registry
        )
        build.labels(__version__).set(1)
        self._by_outcome = {
            "registrations": self._counter("registrations", "Clients that registered.", "outcome"),
            "logins": self._counter("logins", "Sign-ins of people.", "outcome"),
            "consents": self._counter("consents", "Answers on the consent page.", "outcome"),
            "tokens": self._counter("tokens", "Answers of the token endpoint.", "outcome"),
            "access_changes": self._counter("access_changes", "Access that changed.", "outcome"),
            "bearers": self._counter("bearers", "Requests with a token that is none.", "outcome"),
        }
        role = ("role", "outcome")
        self._by_role = {
            "resources": self._counter("resources", "Resources that were asked for.", *role),
            "prompts": self._counter("prompts", "Prompts that were asked for.", *role),
        }
        self._tool_calls = self._counter("tool_calls", "Calls of tools.", "server", "tool", *role)
        self._tool_seconds = self._histogram(
            "tool_call_seconds", "Length of tool calls.", "server", "tool"
        )
        self.http_answers = self._counter("http_answers", "Answers to HTTP requests.", "outcome")
        self.http_seconds = self._histogram("http_answer_seconds", "Time to the answer's head.")
        self.okta_requests = self._counter(
            "okta_requests", "Requests to Okta.", "bucket", "outcome"
        )
        self.okta_seconds = self._histogram(
            "okta_request_seconds", "Time to the head of Okta's answer.", "bucket"
        )
        self.okta_wait_seconds = self._histogram(
            "okta_wait_seconds", "Waits for a place in Okta's rate limits."
        )
        self.okta_limit = self._gauge("okta_limit", "Requests a minute that Okta allows.", "bucket")
        self.okta_left = self._gauge("okta_limit_remaining", "What is left of them.", "bucket")
        self.store_verbs = self._counter(
            "store_verbs", "Calls of the store.", "store", "verb", "outcome"
        )
        self.store_seconds = self._histogram(
            "store_verb_seconds", "Time of the store.", "store", "verb", buckets=_STORE_SECONDS
        )
        self.store_swept = self._counter("store_swept", "Values that had expired.", "store")

    def count_event(self, event: Mapping[str, Any]) -> None:
        """Count one line of the audit trail; an event that nobody would watch counts nothing."""
        name = event["event"]
        if name in COUNTED:
            counter, outcome = COUNTED[name]
            if event["outcome"] == "failure":
                outcome = "failed"
            self._by_outcome[counter].labels(outcome).inc()
        elif name in COUNTED_BY_ROLE:
            role = event.get("role") or _NO_ROLE
            if COUNTED_BY_ROLE[name] == "tool_calls":
                self._count_tool(event, role)
            else:
                self._by_role[COUNTED_BY_ROLE[name]].labels(role, event["outcome"]).inc()

    def text(self) -> bytes:
        """The exposition in Prometheus text format, of `CONTENT_TYPE`."""
        return generate_latest(self.registry)

    def _count_tool(self, event: Mapping[str, Any], role: str) -> None:
        server = event.get("server") or _OWN
        tool = self._tool(event)
        is_limited = event.get("reason") == "rate_limited"
        outcome = "rate_limited" if is_limited else event["outcome"]
        self._tool_calls.labels(server, tool, role, outcome).inc()
        if "milliseconds" in event:
            self._tool_seconds.labels(server, tool).observe(event["milliseconds"] / 1000)

    def _tool(self, event: Mapping[str, Any]) -> str:
        """The tool as a label: one that exists; of a server, one of the first that were called."""
        subject, server = event.get("subject"), event.get("server")
        if not isinstance(subject, str):
            return _UNKNOWN_TOOL
        if server is None:
            return subject if subject in self.tools else _UNKNOWN_TOOL
        if event["event"] != "tool.called":
            return _UNKNOWN_TOOL
        seen = self._tools_of_server.setdefault(server, set())
        if len(seen) < _MOST_TOOLS_OF_SERVER:
            seen.add(subject)
        return subject if subject in seen else _UNKNOWN_TOOL

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"okta_mcp_{name}", what, labels, registry=self.registry)

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(f"okta_mcp_{name}", what, labels, registry=self.registry)

    def _histogram(
        self, name: str, what: str, *labels: str, buckets: tuple[float, ...] = _SECONDS
    ) -> Histogram:
        return Histogram(f"okta_mcp_{name}", what, labels, buckets=buckets, registry=self.registry)
