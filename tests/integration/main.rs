//! All tests that run the program as its users do. They are one binary because each further binary would link everything again.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod analyse;
mod anonymise;
mod audit;
mod backtest;
mod balancers;
mod command_line;
mod configure;
mod contributing;
mod emulate;
mod endpoints;
mod folders;
mod gaps;
mod generate;
mod guards;
#[cfg(unix)]
mod limits;
mod merge;
mod metrics;
mod planted;
mod proxy;
mod readme;
mod report;
#[cfg(unix)]
mod signals;
mod secrets;
mod same_bytes;
mod simulate;
mod sources;
mod support;
mod synthesis;
mod theory;
mod trace_options;
