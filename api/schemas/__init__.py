"""What requests and responses look like on the wire; no rules beyond their form."""
