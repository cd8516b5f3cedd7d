//! A small vocabulary, so that a test reads as the sentence it checks.

use std::io::BufReader;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Output};
use std::time::Duration;

use assert_cmd::Command;
use serde_json::Value;
use socket2::{Domain, Socket, Type};

/// The program, without colours.
pub(crate) fn wsim() -> Command {
    let mut command = Command::cargo_bin("wsim").unwrap();
    command.env_remove("CLICOLOR_FORCE").env("NO_COLOR", "1");
    command
}

/// Runs the program in a folder and returns the exit status, standard output and standard error.
pub(crate) fn run_in(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = wsim().current_dir(folder).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// A file in `samples/`.
pub(crate) fn sample(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name).to_string_lossy().into_owned()
}

/// A finished run that wrote a report.
pub(crate) struct Run {
    folder: tempfile::TempDir,
    pub(crate) output: Output,
}

impl Run {
    /// Runs `wsim analyse ARGUMENTS`.
    pub(crate) fn analyse<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Self {
        Self::of("analyse", arguments)
    }

    /// Runs `wsim COMMAND ARGUMENTS` into a folder named `run` below a temporary folder.
    pub(crate) fn of<S: AsRef<std::ffi::OsStr>>(command: &str, arguments: &[S]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = wsim().arg(command).args(arguments).args(["--name", "run", "--out"]).arg(folder.path()).output().unwrap();
        Self { folder, output }
    }

    /// The run's folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// A file of the run as text.
    pub(crate) fn read(&self, name: &str) -> String {
        let path = self.folder().join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}; stderr: {}", path.display(), self.stderr()))
    }

    /// The contents of `report.json`.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.read("report.json")).unwrap()
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).unwrap()
    }

    pub(crate) fn status(&self) -> Option<i32> {
        self.output.status.code()
    }
}

/// A program that runs beside the test. It is killed when the test ends, also by a panic.
pub(crate) struct BackgroundProcess(pub(crate) Child);

impl Drop for BackgroundProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How long a client waits for a response.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Connects to a port of 127.0.0.1 from a loopback address of the client's choice.
pub(crate) fn connect_from(source: IpAddr, port: u16) -> BufReader<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
    BufReader::new(stream)
}
