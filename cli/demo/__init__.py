"""A believable shop that `celeriac demo` opens on a running system, so that every page has something to show."""
