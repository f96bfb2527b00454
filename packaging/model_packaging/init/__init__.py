"""Makes the skeleton of a package: real files that serve at once, to be changed."""
