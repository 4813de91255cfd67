"""The result backend: its forms of storing, and one reader for all."""
