"""Everything that speaks to Asterisk: AMI, FastAGI, and the model of calls. Knows no customers."""
