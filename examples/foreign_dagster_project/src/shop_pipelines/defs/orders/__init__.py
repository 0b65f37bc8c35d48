"""Assets of the shop's orders."""
