"""Documents in: bytes to ApiModel and findings. Readers get a `fetch` handed in; they open nothing themselves."""
