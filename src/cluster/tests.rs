//! The pure parts of the room: pages, discovery, paths, failures, and writes' bodies.
