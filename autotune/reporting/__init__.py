"""report.html: what a finished run shows to a person, made from its folder alone."""
