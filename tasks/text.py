"""Tasks on texts."""

from collections import Counter

from tasks.app import app


@app.task(name="celeriac.wordcount")
def wordcount(text: str) -> dict[str, int]:
    """How often each word occurs. Words are what stands between white space, as it is written."""
    return Counter(text.split())
