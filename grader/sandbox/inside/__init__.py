"""The code that the sandbox shows: nothing here is secret, and nothing here is trusted once it runs there."""
