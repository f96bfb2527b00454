"""What can be found by reading a package; nothing of it is executed."""
