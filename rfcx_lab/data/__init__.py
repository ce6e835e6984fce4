"""Recordings in: clip tables, the soundscape generator, splits."""
