"""Who calls: principals and how they are recognised. Never sees an upstream secret."""
