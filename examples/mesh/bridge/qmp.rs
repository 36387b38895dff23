//! QEMU's machine protocol, as much of it as a reset takes: a line of JSON each way.

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};

/// A connection on which QEMU takes orders.
#[derive(Debug)]
pub(super) struct Qmp<S: AsyncRead + AsyncWrite>(BufStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Qmp<S> {
    /// Hears QEMU's greeting and answers it.
    pub(super) async fn open(stream: S) -> anyhow::Result<Self> {
        let mut qmp = Self(BufStream::new(stream));
        let greeting = qmp.line().await?;
        if greeting.get("QMP").is_none() {
            bail!("this is not QEMU's greeting: {greeting}");
        }
        qmp.execute("qmp_capabilities").await?;
        Ok(qmp)
    }

    /// Presses the machine's reset button: what is in RAM stays, everything else begins again.
    pub(super) async fn system_reset(&mut self) -> anyhow::Result<()> {
        self.execute("system_reset").await
    }

    async fn execute(&mut self, command: &str) -> anyhow::Result<()> {
        let line = format!("{}\n", json!({ "execute": command }));
        self.0.write_all(line.as_bytes()).await?;
        self.0.flush().await?;
        loop {
            let answer = self.line().await?;
            if let Some(error) = answer.get("error") {
                bail!("QEMU refuses {command}: {error}");
            }
            // Events come in between.
            if answer.get("return").is_some() {
                return Ok(());
            }
        }
    }

    async fn line(&mut self) -> anyhow::Result<Value> {
        let mut line = String::new();
        if self.0.read_line(&mut line).await? == 0 {
            bail!("QEMU hung up");
        }
        serde_json::from_str(&line).with_context(|| format!("QEMU says {line:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};

    const GREETING: &str = "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n";
    const DONE: &str = "{\"return\": {}}\r\n";
    const EVENT: &str = "{\"event\": \"RESET\", \"data\": {\"guest\": false}}\r\n";

    /// A QEMU that has already said all this.
    async fn qemu(says: &[&str]) -> (DuplexStream, DuplexStream) {
        let (mut qemu, ours) = duplex(4096);
        qemu.write_all(says.concat().as_bytes()).await.unwrap();
        (qemu, ours)
    }

    #[tokio::test]
    async fn a_reset_is_ordered_once_and_events_in_between_are_no_answer() {
        let (mut qemu, ours) = qemu(&[GREETING, DONE, EVENT, DONE]).await;
        Qmp::open(ours).await.unwrap().system_reset().await.unwrap();
        let mut heard = String::new();
        qemu.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"system_reset\"}\n");
    }

    #[tokio::test]
    async fn a_refusal_and_an_end_are_errors() {
        let (_qemu, ours) = qemu(&[GREETING, DONE, "{\"error\": {\"desc\": \"no\"}}\n"]).await;
        let error = Qmp::open(ours).await.unwrap().system_reset().await.unwrap_err();
        assert!(error.to_string().contains("no"), "{error}");
        let (qemu, ours) = qemu(&[]).await;
        drop(qemu);
        assert!(Qmp::open(ours).await.is_err());
    }
}
