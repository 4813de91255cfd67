"""Workers, as stored: nodes, wishes, descriptions, signs of life and what they consume."""
