"""Programs for whoever changes the code; nothing that runs imports them."""
