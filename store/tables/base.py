"""What the tables share. The migrations make them as Core sees them here; a test holds that both say the same."""

from sqlalchemy import TIMESTAMP, MetaData

metadata = MetaData()

Time = TIMESTAMP(timezone=True)
