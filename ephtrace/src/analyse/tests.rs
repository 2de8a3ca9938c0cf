//! Lanes and summaries on literal assignments.
