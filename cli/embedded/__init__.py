"""PostgreSQL and Valkey out of Python wheels, each in its own folder with its own password and port."""
