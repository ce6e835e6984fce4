"""The work: engine, tracking, the ladder from end to end."""
