"""The transport-free core: one request in, one checked JSON value out."""
