//! How the tables of odd messages are read, by the tests of core and end to end.

/// Answers, each with the verdicts of curl, Go's client and nginx.
pub(crate) const ANSWERS: &str = include_str!("answers.txt");
/// Requests, each with the verdicts of Go's server and nginx.
pub(crate) const REQUESTS: &str = include_str!("requests.txt");

/// An odd message and the verdicts on it.
pub(crate) struct Row {
    pub(crate) text: &'static str,
    pub(crate) curl: &'static str,
    pub(crate) go: &'static str,
    pub(crate) ours: &'static str,
    pub(crate) why: &'static str,
}

/// The rows of a table.
pub(crate) fn rows(table: &'static str) -> Vec<Row> {
    let row = |line: &'static str| {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [text, curl, go, _, ours, why] = cells[..] else { panic!("six cells in {line}") };
        Row { text, curl, go, ours, why }
    };
    table.lines().filter(|line| !line.starts_with('#')).map(row).collect()
}

/// The bytes of a row: `\r`, `\n`, `\t`, `\\`, `\xHH`, `<y*N>` for N letters, `<fields*N>` for N fields.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((mark, behind)) = rest.strip_prefix('<').and_then(|mark| mark.split_once('>'))
            && let Some((what, count)) = mark.split_once('*')
        {
            let count: usize = count.parse().expect("a count");
            let fields = (0..count).map(|at| format!("X-{at}: y")).collect::<Vec<_>>().join("\r\n");
            bytes.extend(if what == "y" { "y".repeat(count) } else { fields }.bytes());
            rest = behind;
            continue;
        }
        if first != '\\' {
            bytes.push(first as u8);
            rest = &rest[1..];
            continue;
        }
        let (octet, length) = match rest.as_bytes()[1] {
            b'r' => (b'\r', 2),
            b'n' => (b'\n', 2),
            b't' => (b'\t', 2),
            b'x' => (u8::from_str_radix(&rest[2..4], 16).expect("two digits"), 4),
            other => (other, 2),
        };
        bytes.push(octet);
        rest = &rest[length..];
    }
    bytes
}
