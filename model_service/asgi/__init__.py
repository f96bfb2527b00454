"""What both HTTP servers, the service's and the model server's, stand on: bounded bodies, bounded threads."""
