//! The kinds that are served. To add one is a file and a line in this list.
