"""The simulated platform and the simulated Slack, and the demo that runs on them."""
