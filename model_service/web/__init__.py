"""HTTP: the server, the Flask application, request bodies and responses."""
