"""Reading a package from disk: layout, config.json, schema dialect. Executes nothing of the package."""
