"""Who writes in tests that ask no API."""

from domain.audit import Author

AUTHOR = Author("local", "local", "a test")
