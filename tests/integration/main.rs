//! Every test that runs the program as its users do, in one binary: each further one would link everything again.

mod analyse;
mod balancers;
mod command_line;
mod support;
