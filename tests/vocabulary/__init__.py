"""The words that tests are written in: processes, a browser, a client of the OAuth endpoints."""
