"""The web page: sources in `src`, and what is built of them in `static`. No Python lives here; the API serves it."""
