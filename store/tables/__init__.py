"""The tables of Postgres, as migrations leave them."""
