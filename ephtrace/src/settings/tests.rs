//! Tables of what is understood and what is refused.
