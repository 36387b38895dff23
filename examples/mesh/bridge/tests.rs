//! The whole bridge between stand-ins for the supervisor, for QEMU and for the firmware.

use super::cable::ZeroEnded;
use super::*;
use mesh_protocol::message::NodeId;
use mesh_protocol::record::Counts;
use mesh_protocol::serial::{Deframer, LONGEST, encode};
use resil_core::text::Text;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream, DuplexStream, duplex};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::{JoinHandle, LocalSet};

const NODE: NodeId = 5;
const EMULATOR: u32 = 4_711;

/// Everything around a bridge.
struct Around {
    bridge: JoinHandle<anyhow::Result<()>>,
    commands: FramedWrite<DuplexStream, Frames<Word, Command>>,
    words: FramedRead<DuplexStream, Frames<Word, Command>>,
    qemu: BufStream<UnixStream>,
    /// The firmware's two ends of its control UART; nothing is said on the other one.
    notes: OwnedWriteHalf,
    orders: FramedRead<OwnedReadHalf, ZeroEnded>,
    _link: UnixStream,
}

impl Around {
    /// A bridge whose firmware has booted and been told to start.
    async fn started() -> Self {
        let (link, _link) = UnixStream::pair().unwrap();
        let (control, firmware) = UnixStream::pair().unwrap();
        let (monitor, qemu) = UnixStream::pair().unwrap();
        let mut qemu = BufStream::new(qemu);
        qemu.write_all(b"{\"QMP\": {}}\n{\"return\": {}}\n").await.unwrap();
        qemu.flush().await.unwrap();
        let wires = Wires { link, control, qmp: Qmp::open(monitor).await.unwrap() };
        qemu.read_line(&mut String::new()).await.unwrap();

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (their_commands, commands) = duplex(1 << 16);
        let (their_words, words) = duplex(1 << 16);
        let commands_in = FramedRead::new(their_commands, Frames::of_control());
        let words_out = FramedWrite::new(their_words, Frames::of_control());
        let serving = serve((NODE, EMULATOR), listener, wires, commands_in, words_out);
        let (orders, notes) = firmware.into_split();
        let mut around = Self {
            bridge: spawn_local(serving),
            commands: FramedWrite::new(commands, Frames::of_control()),
            words: FramedRead::new(words, Frames::of_control()),
            qemu,
            notes,
            orders: FramedRead::new(orders, ZeroEnded),
            _link,
        };
        around.notes(up(7, false, None)).await;
        let listening = around.word().await;
        assert!(matches!(listening, Word::Listening { emulator: Some(EMULATOR), .. }));
        let neighbours = vec![(0, 1), (1, 2)];
        around.tell(Command::Start { neighbours, seed: 9, protected: true }).await;
        let start = around.order().await;
        let neighbours = [0, 1].into_iter().collect();
        assert_eq!(start, Order::Start { node: NODE, neighbours, seed: 9, protected: true });
        around
    }

    async fn tell(&mut self, command: Command) {
        self.commands.send(command).await.unwrap();
    }

    async fn notes(&mut self, note: Note) {
        self.notes.write_all(encode(&note, &mut [0; LONGEST]).unwrap()).await.unwrap();
    }

    async fn word(&mut self) -> Word {
        self.words.next().await.unwrap().unwrap()
    }

    /// The reports until the next word that is none, and that word.
    async fn word_after_reports(&mut self) -> (Vec<Report>, Word) {
        let mut reports = Vec::new();
        loop {
            match self.word().await {
                Word::Report(report) => reports.push(report),
                word => return (reports, word),
            }
        }
    }

    async fn order(&mut self) -> Order {
        let frame = self.orders.next().await.unwrap().unwrap();
        let mut deframer = Deframer::<LONGEST>::new();
        frame.iter().find_map(|&byte| deframer.push(byte)).unwrap()
    }
}

fn up(at: u64, restored: bool, starved: Option<&str>) -> Note {
    Note::Up { at, restored, starved: starved.map(Text::from) }
}

fn served(served: u64) -> Note {
    Note::Counts(Counts { served, ..Counts::default() })
}

/// Time stands still but when everybody waits.
async fn among_stand_ins<F: Future>(test: impl FnOnce(Around) -> F) {
    LocalSet::new().run_until(async { test(Around::started().await).await }).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_reports_and_ends_when_told_to() {
    among_stand_ins(|mut around| async move {
        // It says that it is up until it has heard its order: that is no reset.
        around.notes(up(8, false, None)).await;
        around.notes(Note::Issued(1)).await;
        around.notes(served(3)).await;
        around.tell(Command::Stop).await;
        assert_eq!(around.order().await, Order::Stop);
        around.notes(Note::Done).await;
        let (reports, word) = around.word_after_reports().await;
        assert!(matches!(word, Word::Done), "{word:?}");
        let last = reports.last().unwrap();
        assert_eq!((last.issued, last.counts.served), (1, 3));
        around.bridge.await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reset_begins_a_new_life_with_its_own_book_and_load() {
    among_stand_ins(|mut around| async move {
        around.notes(Note::Issued(4)).await;
        around.tell(Command::Reset).await;
        let mut heard = String::new();
        around.qemu.read_line(&mut heard).await.unwrap();
        assert!(heard.contains("system_reset"), "{heard}");
        around.qemu.write_all(b"{\"return\": {}}\n").await.unwrap();
        around.qemu.flush().await.unwrap();
        around.notes(up(2, true, None)).await;
        let (reports, word) = around.word_after_reports().await;
        assert_eq!(reports.last().unwrap().issued, 4, "of the first life");
        assert!(matches!(word, Word::Reset { was_told: true, restored: true, .. }), "{word:?}");
        let Order::Start { node: NODE, seed, .. } = around.order().await else {
            panic!("no start")
        };
        assert_ne!(seed, 9);
        let Word::Report(report) = around.word().await else { panic!("no report") };
        assert_eq!(report.issued, 0, "of the second life");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reset_that_nobody_wanted_says_which_task_starved() {
    among_stand_ins(|mut around| async move {
        around.notes(Note::Issued(4)).await;
        around.notes(up(2, false, Some("serve"))).await;
        let (_, word) = around.word_after_reports().await;
        let Word::Reset { was_told: false, starved: Some(task), .. } = word else {
            panic!("{word:?}")
        };
        assert_eq!(task, "serve");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn orders_reach_the_firmware_and_a_bridge_is_told_nothing_else() {
    among_stand_ins(|mut around| async move {
        let time = core::time::Duration::from_millis(300);
        around.tell(Command::ServiceTime(time)).await;
        assert_eq!(around.order().await, Order::ServiceTime(time));
        around.tell(Command::Calm).await;
        let error = around.bridge.await.unwrap().unwrap_err();
        assert!(error.to_string().contains("Calm"), "{error}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_bridge_ends_with_its_supervisor() {
    among_stand_ins(|around| async move {
        drop(around.commands);
        around.bridge.await.unwrap().unwrap();
    })
    .await;
}
