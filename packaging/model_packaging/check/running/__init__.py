"""What can be found only by running a package: in a child process with limits, against a real model server."""
