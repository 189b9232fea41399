"""What the reproductions share: results, reports, figures, and the table of topics."""
