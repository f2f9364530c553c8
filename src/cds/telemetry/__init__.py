"""What an operator observes: metrics, traces, logs, the decision log; nothing of patients."""
