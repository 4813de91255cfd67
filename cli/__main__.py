"""`python -m cli` is `celeriac`: how `up` starts its children with the same Python."""

from cli.main import main

main()
