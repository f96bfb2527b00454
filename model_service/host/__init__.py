"""What both servers, the service and the model server, stand on: bounded bodies, bounded threads, processors."""
