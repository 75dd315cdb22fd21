"""One module a step; there is no way back but a backup."""
