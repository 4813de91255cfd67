"""Bodies of requests on their way to what the services take."""
