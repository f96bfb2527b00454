"""Makes models: data sets, training scripts run as versioned jobs, and the package around the result."""
