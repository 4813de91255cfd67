"""What the API says of its own health, of the machine and of all processes together."""
