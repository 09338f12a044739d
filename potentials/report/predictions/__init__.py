"""Labels and predictions of the frames of a report: computed once, compared, grouped, and thinned for plots."""
