//! Names that people and instruments give, and how a table is to show them.

/// The bytes of a path below the drop folder, and the name that the table is to hold.
pub const NAMES: &[(&[u8], &str)] = &[
    (b"plain.txt", "plain.txt"),
    (b"with spaces in it.csv", "with spaces in it.csv"),
    (b" leading and trailing ", " leading and trailing "),
    ("Lösung ä ö ü ß.tif".as_bytes(), "Lösung ä ö ü ß.tif"),
    ("日本語 🧬.fastq".as_bytes(), "日本語 🧬.fastq"),
    // two ways to write one letter: the bytes decide
    ("e\u{301}".as_bytes(), "e\u{301}"),
    ("\u{e9}".as_bytes(), "\u{e9}"),
    (b"run 7/lane 3/reads.bin", "run 7/lane 3/reads.bin"),
    (b"a/b/c/d/e/f/g/h/i/j/deep", "a/b/c/d/e/f/g/h/i/j/deep"),
    (b"line\nbreak\ttab\x07bell", "line%0Abreak%09tab%07bell"),
    (b"escape\x1b[31mred", "escape%1B[31mred"),
    (b"latin1 \xe4\xf6\xfc.dat", "latin1 %E4%F6%FC.dat"),
    (b"\xff\xfe/\x80", "%FF%FE/%80"),
    (b"100%.csv", "100%.csv"),
    // looks like an escape, and is none
    (b"latin1 %E4.dat", "latin1 %25E4.dat"),
    (b"quote'\"`$(x);&|<>*?[]{}\\", "quote'\"`$(x);&|<>*?[]{}\\"),
    (b"-rf", "-rf"),
    (b"a..b", "a..b"),
    (b"#?query=1&b=2", "#?query=1&b=2"),
];
