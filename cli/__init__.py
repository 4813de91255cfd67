"""The command line: starts every process of Celeriac, keeps them alive, and asks the REST API as a client."""
