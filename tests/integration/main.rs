//! All tests that run the program as its users do. They are one binary because each further binary would link everything again.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod analyse;
mod audit;
mod backtest;
mod balancers;
mod command_line;
mod configure;
mod contributing;
mod emulate;
mod endpoints;
mod generate;
mod merge;
mod metrics;
mod planted;
mod proxy;
mod readme;
mod report;
mod simulate;
mod support;
mod synthesis;
mod theory;
