"""Makes packages: lays out, completes and checks the folder that the runtime serves."""
