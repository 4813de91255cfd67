"""Tasks, as read: whole, in pages, by filters, as lines of a file, and their names."""
