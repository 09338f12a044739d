"""What commands have in common: printing, options, ending, groups, and what is expected of the terminal around them."""
