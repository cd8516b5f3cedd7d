//! Why a request has no complete response, and who caused that.

use std::io::{self, ErrorKind};

/// Why there is no complete response. Each is counted under its own reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Failure {
    #[error("connection refused")]
    Refused,
    #[error("network or host unreachable")]
    Unreachable,
    #[error("no connection in time")]
    ConnectTimeout,
    #[error("connection could not be opened")]
    Connect,
    #[error("the certificate is not valid for the target's host name")]
    TlsHostName,
    #[error("the certificate has expired")]
    TlsExpired,
    #[error("the certificate is not valid yet")]
    TlsNotYetValid,
    #[error("the certificate is of an unknown authority: give it with --ca, or use --insecure for a test target")]
    TlsAuthority,
    #[error("the certificate is not valid")]
    TlsCertificate,
    #[error("TLS handshake failed")]
    Tls,
    #[error("connection closed before the response")]
    Closed,
    #[error("connection reset before the response")]
    Reset,
    #[error("connection closed within the response")]
    Broken,
    #[error("connection reset within the response")]
    ResetWithin,
    #[error("response shorter than its Content-Length")]
    WrongLength,
    #[error("HTTP/2 stream reset by the target")]
    StreamReset,
    #[error("HTTP/2 connection ended by the target (GOAWAY)")]
    GoAway,
    #[error("no complete response in time")]
    Timeout,
    #[error("response longer than the limit")]
    TooLong,
    #[error("head of the response longer than the limit")]
    HeadTooLong,
    #[error("response is not HTTP")]
    Protocol,
    #[error("this machine allows no more open files (ulimit -n)")]
    NoDescriptors,
    #[error("this machine has no free port for another connection to the target")]
    NoPorts,
    #[error("this machine has no memory for another connection")]
    NoMemory,
    /// The caller stopped waiting for the response; the transport itself does not report this.
    #[error("given up when the run ended")]
    Abandoned,
}

impl Failure {
    /// All failures, in the order of reports.
    pub const ALL: [Self; 25] = [
        Self::Refused,
        Self::Unreachable,
        Self::ConnectTimeout,
        Self::Connect,
        Self::TlsHostName,
        Self::TlsExpired,
        Self::TlsNotYetValid,
        Self::TlsAuthority,
        Self::TlsCertificate,
        Self::Tls,
        Self::Closed,
        Self::Reset,
        Self::Broken,
        Self::ResetWithin,
        Self::WrongLength,
        Self::StreamReset,
        Self::GoAway,
        Self::Timeout,
        Self::TooLong,
        Self::HeadTooLong,
        Self::Protocol,
        Self::NoDescriptors,
        Self::NoPorts,
        Self::NoMemory,
        Self::Abandoned,
    ];

    /// The failure's name in reports and `report.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::ConnectTimeout => "connect_timeout",
            Self::Connect => "connect",
            Self::TlsHostName => "tls_host_name",
            Self::TlsExpired => "tls_expired",
            Self::TlsNotYetValid => "tls_not_yet_valid",
            Self::TlsAuthority => "tls_authority",
            Self::TlsCertificate => "tls_certificate",
            Self::Tls => "tls",
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::Broken => "broken",
            Self::ResetWithin => "reset_within",
            Self::WrongLength => "wrong_length",
            Self::StreamReset => "stream_reset",
            Self::GoAway => "go_away",
            Self::Timeout => "timeout",
            Self::TooLong => "too_long",
            Self::HeadTooLong => "head_too_long",
            Self::Protocol => "protocol",
            Self::NoDescriptors => "no_descriptors",
            Self::NoPorts => "no_ports",
            Self::NoMemory => "no_memory",
            Self::Abandoned => "abandoned",
        }
    }

    /// The failure with this [`Self::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|failure| failure.name() == name)
    }

    /// Whether the machine that sends lacked something, so that the failure says nothing of the target.
    pub const fn is_generators(self) -> bool {
        matches!(self, Self::NoDescriptors | Self::NoPorts | Self::NoMemory)
    }

    /// Whether the target closed or reset a connection, or could not be reached: it may be starting again.
    pub const fn is_lost_connection(self) -> bool {
        matches!(
            self,
            Self::Refused
                | Self::Unreachable
                | Self::ConnectTimeout
                | Self::Connect
                | Self::Closed
                | Self::Reset
                | Self::Broken
                | Self::ResetWithin
                | Self::WrongLength
                | Self::StreamReset
                | Self::GoAway
        )
    }

    /// Why a connection could not be opened.
    pub(super) fn of_connecting(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => Self::Unreachable,
            ErrorKind::TimedOut => Self::ConnectTimeout,
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => Self::Reset,
            ErrorKind::OutOfMemory => Self::NoMemory,
            // EADDRNOTAVAIL: every port of the source address is taken.
            ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse => Self::NoPorts,
            _ => match error.raw_os_error() {
                Some(EMFILE | ENFILE) => Self::NoDescriptors,
                Some(ENOBUFS | ENOMEM) => Self::NoMemory,
                // connect(2) on Linux reports this where no route has a free port.
                Some(EAGAIN) => Self::NoPorts,
                _ => Self::Connect,
            },
        }
    }
}

/// Too many open files in the process. The same number on every Unix; so are the others but ENOBUFS and EAGAIN, which are Linux's.
const EMFILE: i32 = 24;
/// Too many open files in the system.
const ENFILE: i32 = 23;
const ENOMEM: i32 = 12;
const ENOBUFS: i32 = if cfg!(target_os = "linux") { 105 } else { 55 };
const EAGAIN: i32 = if cfg!(target_os = "linux") { 11 } else { 35 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_a_name_of_its_own() {
        for failure in Failure::ALL {
            assert_eq!(Failure::from_name(failure.name()), Some(failure));
        }
        assert_eq!(Failure::from_name("none"), None);
    }

    #[test]
    fn what_this_machine_lacks_is_not_the_target_s_fault() {
        for (number, failure) in [(EMFILE, Failure::NoDescriptors), (ENFILE, Failure::NoDescriptors), (ENOMEM, Failure::NoMemory)] {
            assert_eq!(Failure::of_connecting(&io::Error::from_raw_os_error(number)), failure);
            assert!(failure.is_generators() && !failure.is_lost_connection());
        }
        assert_eq!(Failure::of_connecting(&io::Error::from(ErrorKind::AddrNotAvailable)), Failure::NoPorts);
        let refused = Failure::of_connecting(&io::Error::from(ErrorKind::ConnectionRefused));
        assert!(refused == Failure::Refused && refused.is_lost_connection() && !refused.is_generators());
    }
}
