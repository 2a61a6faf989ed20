"""The reports: tools that take many reads of Okta to answer one question, one module each."""
