"""Labels and predictions of the frames of a report: made once, compared, grouped, and thinned out for plots."""
