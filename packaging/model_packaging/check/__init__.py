"""Checks a package: reads it, then runs it, and says what its callers would meet."""
