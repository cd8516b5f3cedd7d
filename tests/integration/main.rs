//! Every test that runs the program as its users do, in one binary: each further one would link everything again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod analyse;
mod audit;
mod backtest;
mod balancers;
mod command_line;
mod configure;
mod emulate;
mod endpoints;
mod generate;
mod merge;
mod metrics;
mod proxy;
mod readme;
mod report;
mod simulate;
mod support;
mod theory;
