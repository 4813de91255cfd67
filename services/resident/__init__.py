"""Objects that live as long as their process, with a task of their own beside it; verbs stand one floor up."""
