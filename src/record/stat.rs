//! `/proc/PID/stat` (proc(5)).

/// What a line of `/proc/PID/stat` says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// The parent's process id.
    pub parent: u32,
    /// User and system time of all its threads, in clock ticks.
    pub cpu_ticks: u64,
    /// The same of its children that have ended and been waited for.
    pub children_ticks: u64,
    /// Number of threads.
    pub threads: u32,
    /// When it started, in clock ticks since boot: with the process id this identifies a process.
    pub started_ticks: u64,
    /// Resident memory, pages.
    pub resident_pages: u64,
}

impl Stat {
    /// Reads the line; `None` if it is not one. The second field is the name of the program, in which there may be blanks and brackets.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let after_name = line.iter().rposition(|&byte| byte == b')')? + 1;
        let text = std::str::from_utf8(line.get(after_name..)?).ok()?;
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        // Fields are counted from 1 in proc(5), and the third is the first after the name.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        // Times of waited-for children are signed in the manual; none is negative in practice.
        Some(Self {
            parent: u32::try_from(number(4)?).ok()?,
            cpu_ticks: number(14)?.checked_add(number(15)?)?,
            children_ticks: number(16)?.checked_add(number(17)?)?,
            threads: u32::try_from(number(20)?).ok()?,
            started_ticks: number(22)?,
            resident_pages: number(24)?,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A line with these figures, as the kernel writes it.
    pub(crate) fn line(pid: u32, stat: &Stat) -> String {
        let Stat { parent, cpu_ticks, children_ticks, threads, started_ticks, resident_pages } = stat;
        format!(
            "{pid} (a) b (c) S {parent} 1 1 0 -1 4194560 1 2 3 4 {cpu_ticks} 0 {children_ticks} 0 20 0 {threads} 0 {started_ticks} 5 {resident_pages} 18446744073709551615 1 1\n"
        )
    }

    #[test]
    fn a_name_with_brackets_does_not_move_the_fields() {
        let stat = Stat { parent: 7, cpu_ticks: 1200, children_ticks: 30, threads: 21, started_ticks: 99, resident_pages: 50 };
        assert_eq!(Stat::parse(line(42, &stat).as_bytes()), Some(stat));
    }

    #[test]
    fn a_line_that_is_cut_off_is_none() {
        let stat = Stat { parent: 7, cpu_ticks: 1200, children_ticks: 30, threads: 21, started_ticks: 99, resident_pages: 50 };
        let whole = line(42, &stat);
        let last = whole.find(" 50 ").unwrap();
        for end in 0..last {
            assert_eq!(Stat::parse(&whole.as_bytes()[..end]), None, "{end}");
        }
        assert_eq!(Stat::parse(b"42 (x) S a b c"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = Stat::parse(&bytes);
        }
    }
}
