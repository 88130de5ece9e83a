"""Pure measures of converted voices: waves in, figures out, each with its definition."""
