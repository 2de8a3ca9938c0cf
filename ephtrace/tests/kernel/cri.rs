//! The little of gRPC that it takes to ask containerd for a pod as the kubelet does
//! (`runtime.v1.RuntimeService` of Kubernetes' cri-api).

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
};

use anyhow::{Context as _, Result, ensure};

use crate::wait::PATIENCE;

/// Types of frames of HTTP/2 (RFC 9113).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

/// Flags of frames: the stream ends, and, of settings and pings, an answer.
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// `NODE` of `NamespaceMode`: the host's.
const HOST: u8 = 2;

/// A connection to a runtime.
pub(crate) struct Cri {
    stream: UnixStream,
    next: u32,
}

/// Returns a field of protobuf with bytes.
fn bytes(number: u8, value: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut len = value.len();
    while len >= 0x80 {
        field.push(len.to_le_bytes()[0] | 0x80);
        len >>= 7;
    }
    field.push(len.to_le_bytes()[0]);
    field.extend_from_slice(value);
    field
}

fn text(number: u8, value: &str) -> Vec<u8> {
    bytes(number, value.as_bytes())
}

/// Returns a field with a number below 128.
fn small(number: u8, value: u8) -> Vec<u8> {
    vec![number << 3, value]
}

/// Returns a pod's configuration, in the host's network.
fn pod_config(namespace: &str, pod: &str, uid: &str) -> Vec<u8> {
    let metadata = [text(1, pod), text(2, uid), text(3, namespace)].concat();
    let namespaces = bytes(1, &small(1, HOST));
    let linux = [text(1, &format!("/kubepods/pod{uid}")), bytes(2, &namespaces)].concat();
    [bytes(1, &metadata), bytes(8, &linux)].concat()
}

impl Cri {
    /// Connects to the runtime's socket.
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
        let mut cri = Self { stream, next: 1 };
        cri.write(SETTINGS, 0, 0, &[])?;
        Ok(cri)
    }

    /// Starts a pod's sandbox; returns its id.
    pub(crate) fn run_pod(&mut self, namespace: &str, pod: &str, uid: &str) -> Result<String> {
        let config = pod_config(namespace, pod, uid);
        self.call("RunPodSandbox", &bytes(1, &config))
    }

    /// Starts a container in a pod; returns its id.
    pub(crate) fn run_container(
        &mut self,
        (sandbox, [namespace, pod, uid]): (&str, [&str; 3]),
        name: &str,
        image: &str,
        args: &[String],
    ) -> Result<String> {
        let mut config = [bytes(1, &text(1, name)), bytes(2, &text(1, image))].concat();
        for arg in args {
            config.extend(text(3, arg));
        }
        let pod = pod_config(namespace, pod, uid);
        let request = [text(1, sandbox), bytes(2, &config), bytes(3, &pod)].concat();
        let id = self.call("CreateContainer", &request)?;
        self.call("StartContainer", &text(1, &id)).map(|_nothing| id)
    }

    /// Stops a pod and removes it.
    pub(crate) fn remove_pod(&mut self, sandbox: &str) -> Result<()> {
        self.call("StopPodSandbox", &text(1, sandbox))?;
        self.call("RemovePodSandbox", &text(1, sandbox)).map(drop)
    }

    /// Calls a method; returns the first field of its answer, which is a text.
    fn call(&mut self, method: &str, message: &[u8]) -> Result<String> {
        let stream = self.next;
        self.next += 2;
        let path = format!("/runtime.v1.RuntimeService/{method}");
        let mut head = Vec::new();
        for (name, value) in [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", &*path),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ] {
            // A literal that is not kept (RFC 7541, 6.2.2).
            head.extend([0, u8::try_from(name.len())?]);
            head.extend_from_slice(name.as_bytes());
            head.push(u8::try_from(value.len())?);
            head.extend_from_slice(value.as_bytes());
        }
        self.write(HEADERS, END_HEADERS, stream, &head)?;
        let len = u32::try_from(message.len())?.to_be_bytes();
        self.write(DATA, END_STREAM, stream, &[&[0][..], &len, message].concat())?;
        let answer = self.answer(stream).with_context(|| method.to_owned())?;
        let fields = answer.get(5..).with_context(|| format!("{method} has failed"))?;
        Ok(match fields {
            [10, len, rest @ ..] => {
                String::from_utf8(rest.get(..usize::from(*len)).context("a short text")?.to_vec())?
            }
            _ => String::new(),
        })
    }

    /// Returns the data of a stream up to its end.
    fn answer(&mut self, stream: u32) -> Result<Vec<u8>> {
        let mut data = Vec::new();
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head)?;
            let [len @ .., kind, flags, _, _, _, _] = head;
            let len = len.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
            let mut content = vec![0; len];
            self.stream.read_exact(&mut content)?;
            let is_ours = head.last_chunk() == Some(&stream.to_be_bytes());
            match kind {
                SETTINGS if flags & ACK == 0 => self.write(SETTINGS, ACK, 0, &[])?,
                PING if flags & ACK == 0 => self.write(PING, ACK, 0, &content)?,
                DATA if is_ours => data.extend(content),
                RST_STREAM | GOAWAY => ensure!(!is_ours && kind != GOAWAY, "the call is ended"),
                _ => {}
            }
            if is_ours && matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
                return Ok(data);
            }
        }
    }

    fn write(&mut self, kind: u8, flags: u8, stream: u32, content: &[u8]) -> Result<()> {
        // Three bytes of length.
        let len = u32::try_from(content.len())?.to_be_bytes();
        let frame = [&len[1..], &[kind, flags], &stream.to_be_bytes(), content].concat();
        Ok(self.stream.write_all(&frame)?)
    }
}
