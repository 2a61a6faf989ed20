"""The server whose tokens a custom authorization server of Okta's issues (mission B)."""
