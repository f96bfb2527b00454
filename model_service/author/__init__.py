"""Running the author's code: the base classes it subclasses, and how it is found, loaded and housed."""
