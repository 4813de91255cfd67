"""Workers: wishes of operators, the orders that carry them out, and what nodes say of themselves."""
