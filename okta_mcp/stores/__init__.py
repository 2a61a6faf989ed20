"""Where state lives: the store's six verbs, its backends, sealing, and the records kept in it."""
