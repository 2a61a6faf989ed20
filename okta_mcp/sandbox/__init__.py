"""A stand-in Okta organisation, so that everything runs without a tenant.

It is a process of its own (`python -m okta_mcp.sandbox`), reached over HTTP like the real one, and
behaves like Okta, not like our client: it imports nothing from the rest of the package, and nothing
imports it. For loopback only.
"""
