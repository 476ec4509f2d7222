"""A gateway's state as files: what they may say, how they differ from what is there, and how one becomes the other."""
