//! A reverse proxy as a child process with its own configuration, on a free loopback port; it is stopped when the test ends.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct Proxy {
    /// The port on which the proxy listens.
    pub(crate) port: u16,
    process: Child,
    folder: tempfile::TempDir,
}

impl Proxy {
    /// Starts a program and waits until it listens. `configure` gives the text of its configuration for a port and a folder, `command` adds
    /// the arguments that read `config` in that folder.
    pub(crate) fn start(program: &str, configure: impl Fn(u16, &Path) -> String, command: impl Fn(&mut Command, &Path)) -> Self {
        let binary = find(program);
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        std::fs::write(folder.path().join("config"), configure(port, folder.path())).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut run = Command::new(binary);
        command(&mut run, folder.path());
        let process = run
            .env("HOME", folder.path())
            .env("XDG_DATA_HOME", folder.path())
            .env("XDG_CONFIG_HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut proxy = Self { port, process, folder };
        proxy.wait_until_listening(program);
        proxy
    }

    /// The folder of the configuration (`config`) and of the program's output (`log`).
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn wait_until_listening(&mut self, program: &str) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.process.try_wait().unwrap();
            if ended.is_some() || start.elapsed() > Duration::from_secs(10) {
                let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                panic!("{program} does not listen (ended: {ended:?}): {log}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // SIGTERM, not SIGKILL: nginx's master process must be able to stop its workers.
        let terminated = Command::new("kill").arg(self.process.id().to_string()).status();
        if !terminated.is_ok_and(|status| status.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// The version text that a program prints on standard output and standard error.
pub(crate) fn version(program: &str, argument: &str) -> String {
    let output = Command::new(find(program)).arg(argument).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The path of an installed program.
pub(crate) fn find(program: &str) -> PathBuf {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/usr/local/sbin"]);
    folders
        .map(|folder| Path::new(folder).join(program))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{program} is not installed, so wsim cannot be compared with it; run tests/proxies/install as root"))
}

/// The leading digits and dots of a version such as `2.6.12-1+deb12u4`.
pub(crate) fn release_number(version: &str) -> String {
    version.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default().to_owned()
}

/// A loopback port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
