"""Workers as REST shows and takes them."""
