"""`python -m bench.dashboard`: what the dashboard costs a browser and the API, beside Flower in the same Chromium."""
