"""Who may call: verifying what a request carries."""
