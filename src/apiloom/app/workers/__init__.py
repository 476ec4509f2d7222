"""Heavy work in processes of its own: what goes in and out, how it is bounded, and who is next."""
