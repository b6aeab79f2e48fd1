//! What a verb means, for any kind.
