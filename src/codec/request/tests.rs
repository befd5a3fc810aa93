//! What the request parser must do.
