"""Finding, starting, probing, restarting and stopping a model server."""
