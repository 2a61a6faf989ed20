"""Where state lives: the store's seven verbs, its backends, sealing, and the records kept in it."""
