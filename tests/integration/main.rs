//! All tests that run the program as its users do. They are one binary because each further binary would link everything again.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod agreement;
mod analyse;
mod anonymise;
mod audit;
mod backtest;
mod balancers;
mod between_processes;
mod causes;
mod command_line;
mod configure;
mod contributing;
mod demo;
mod deployment;
mod doctor;
mod emulate;
mod endpoints;
mod folders;
mod gaps;
mod generate;
mod guards;
#[cfg(unix)]
mod limits;
mod limits_of_a_deployment;
mod merge;
mod metrics;
mod misbehaving;
mod misbehaving_http2;
mod next_commands;
mod observed;
mod plans;
mod planted;
mod proxy;
mod questions;
mod readme;
mod real_logs;
#[cfg(target_os = "linux")]
mod record;
mod report;
mod reported_lines;
mod same_bytes;
mod secrets;
mod short_help;
#[cfg(unix)]
mod signals;
mod simulate;
mod sources;
mod support;
mod synthesis;
mod target_faults;
mod theory;
mod trace_options;
mod verdict;
