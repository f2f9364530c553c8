"""Facts to conclusions, twice: durable-rules and strong Kleene logic; reasons for each."""
