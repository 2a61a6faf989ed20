"""The record of who did what: the catalogue of events, and the one writer of them."""
