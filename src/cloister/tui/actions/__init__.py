"""What a person can do, whatever shows it: a table of actions and the coroutines behind it."""
