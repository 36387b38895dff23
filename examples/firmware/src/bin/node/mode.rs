//! What the firmware is to do, from QEMU's arguments.

use core::str::FromStr;
use mesh_protocol::message::NodeId;

/// Bytes of arguments.
const LONGEST: usize = 128;

/// What the firmware is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub(crate) enum Mode {
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

/// A node's part in the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub(crate) struct Alone {
    pub(crate) id: NodeId,
    pub(crate) peer: NodeId,
    pub(crate) role: Role,
    pub(crate) seconds: u32,
    /// Whether resil is on.
    pub(crate) protected: bool,
}

/// What a node does to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub(crate) enum Role {
    /// `floods`.
    Floods,
    /// `falls-silent`.
    FallsSilent,
}

impl FromStr for Role {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "floods" => Ok(Self::Floods),
            "falls-silent" => Ok(Self::FallsSilent),
            _ => Err(()),
        }
    }
}

impl Mode {
    /// Reads the arguments.
    ///
    /// # Panics
    ///
    /// They are none of the above.
    pub(crate) fn read() -> Self {
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
