//! The `wsim` program: see `wsim --help`.

fn main() {}
