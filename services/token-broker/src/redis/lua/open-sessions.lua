-- KEYS: the partition
-- Returns all open sessions.
return sessions(KEYS[1])
