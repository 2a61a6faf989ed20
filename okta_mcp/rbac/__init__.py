"""Who may use what: the data families, the roles, the policy and its one decision."""
