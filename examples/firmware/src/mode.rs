//! What the firmware is to do, from QEMU's arguments.

use core::str::FromStr;

use crate::alone::Alone;

/// Bytes of arguments.
const LONGEST: usize = 128;

/// What the firmware is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub enum Mode {
    /// Obey the supervisor at the control line: no argument.
    Obey,
    /// Play the built-in schedule with another node and judge it: `alone ID PEER ROLE SECONDS [off]`.
    Alone(Alone),
    /// `hang`: a task hangs, and the node comes back.
    Hang,
    /// `panic`.
    Panic,
    /// `hard-fault`.
    HardFault,
}

impl Mode {
    /// Reads the arguments.
    ///
    /// # Panics
    ///
    /// They are none of the above.
    #[must_use]
    pub fn read() -> Self {
        let arguments = semihosting::experimental::env::args::<LONGEST>();
        let arguments = arguments.expect("the arguments are short");
        let mut words = arguments.map(|word| word.unwrap_or("?")).skip(1);
        let Some(mode) = words.next() else { return Self::Obey };
        match mode {
            "alone" => Self::Alone(Alone {
                id: parse(words.next()),
                peer: parse(words.next()),
                role: parse(words.next()),
                seconds: parse(words.next()),
                protected: words.next() != Some("off"),
            }),
            "hang" => Self::Hang,
            "panic" => Self::Panic,
            "hard-fault" => Self::HardFault,
            _ => panic!("unknown argument {mode}"),
        }
    }
}

fn parse<T: FromStr>(word: Option<&str>) -> T {
    let value = word.and_then(|word| word.parse().ok());
    value.unwrap_or_else(|| panic!("expected alone ID PEER ROLE SECONDS, got {word:?}"))
}
