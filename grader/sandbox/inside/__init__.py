"""What is bound into the sandbox: nothing here is secret, and nothing here is trusted once it runs there."""
