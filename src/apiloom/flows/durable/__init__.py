"""Work that must happen though nobody asks for it, whatever dies in between."""
