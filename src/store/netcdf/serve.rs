//! The process that reads a foreign file, as that process sees it: it answers requests ([`super::wire`]) under limits on itself.
//!
//! - Address space: 256 MiB, and four times the largest chunk that was admitted (stored, unpacked, and room for filters). Chunks
//!   are no larger than `--max-memory`. What wants more is no honest file, and gets no memory.
//! - Processor time: one to two seconds without progress, and one more for each 64 MiB of a chunk; the system then ends the
//!   process by SIGXCPU. Time in which the process waits for a disk does not count.
//! - No core file: damaged files are not worth one.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::local::Local;
use super::raw;
use super::source::{Slab, Source};
use super::wire::{Answer, Request, path_of, receive, send};

/// Address space that needs no reason.
const FLOOR: u64 = 256 << 20;
/// Seconds of processor time between two signs of progress, beside what is left of the running second.
const PATIENCE: u64 = 1;
/// Bytes of a chunk for each second more.
const BYTES_A_SECOND: u64 = 64 << 20;

/// Reads files for the process at the other end of standard input and output, until that closes them. To be called by the program
/// that a [`Launcher`](super::super::Launcher) starts, which does nothing else: it puts limits on the whole process.
///
/// # Errors
/// When the pipes break or a request makes no sense.
pub fn serve() -> io::Result<()> {
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    limit(Resource::Core, 0);
    limit(Resource::As, FLOOR);
    let (mut open, mut buffer): (Option<Local>, Vec<u8>) = (None, Vec::new());
    loop {
        let request: Request = match receive(&mut input) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        };
        let largest = open.as_ref().map_or(0, |open| largest_chunk(open, &request));
        limit(Resource::As, FLOOR + 4 * largest);
        allow(PATIENCE + largest / BYTES_A_SECOND);
        let answer = answer(request, &mut open, &mut buffer, &output)?;
        send(&mut output, &answer)?;
        if let Answer::Block(_) = answer {
            output.write_all(&buffer)?;
        }
    }
}

fn answer(request: Request, open: &mut Option<Local>, buffer: &mut Vec<u8>, output: &File) -> io::Result<Answer> {
    if let Request::Open { path, max_bytes, deep } = request {
        *open = None;
        // what a damaged file has left open would be taken for the next file of its name
        if raw::open_files() > 0 {
            return Err(io::Error::other("a file stays open"));
        }
        let answered = Local::open(&path_of(path), max_bytes, deep, pulse(output.try_clone()?));
        return Ok(match answered {
            Ok(local) => Answer::Opened(open.insert(local).survey().clone()),
            Err(error) => Answer::Failed(error),
        });
    }
    let Some(open) = open else { return Err(io::Error::other("no file is open")) };
    let answered = match request {
        Request::Open { .. } => return Err(io::Error::other("a file is open")),
        Request::Admit(at) => open.admit(at).map(Answer::Admitted),
        Request::Texts(at) => open.texts(at).map(Answer::Texts),
        Request::Block(at, slab) => {
            buffer.resize(bytes(open, at, &slab), 0);
            open.block(at, &slab, None, buffer).map(|()| Answer::Block(buffer.len() as u64))
        }
    };
    Ok(answered.unwrap_or_else(Answer::Failed))
}

fn bytes(open: &Local, at: usize, slab: &Slab) -> usize {
    slab.len() * open.survey().arrays[at].kind.bytes()
}

/// The bytes of a chunk of the array that is asked for.
fn largest_chunk(open: &Local, request: &Request) -> u64 {
    let (Request::Admit(at) | Request::Block(at, _) | Request::Texts(at)) = request else { return 0 };
    let array = &open.survey().arrays[*at];
    let values = array.chunk.iter().flatten().fold(1u64, |n, &side| n.saturating_mul(side as u64));
    if array.chunk.is_some() { values.saturating_mul(array.kind.bytes() as u64) } else { 0 }
}

/// What long work calls now and then: time starts again, and the other end is told each second.
fn pulse(mut output: File) -> Box<dyn FnMut()> {
    let mut told = clock_gettime(ClockId::Monotonic).tv_sec;
    Box::new(move || {
        allow(PATIENCE);
        let now = clock_gettime(ClockId::Monotonic).tv_sec;
        if now > told + 1 {
            told = now;
            // a pipe that is broken is noticed at the answer
            let _ = send(&mut output, &Answer::Working);
        }
    })
}

/// Lets the process use so many more seconds of processor time.
fn allow(seconds: u64) {
    let used = clock_gettime(ClockId::ProcessCPUTime).tv_sec as u64;
    limit(Resource::Cpu, used + 1 + seconds);
}

/// Sets a soft limit, below the hard one that the system has set. Where it has none to set (address space on macOS) there is none.
fn limit(of: Resource, most: u64) {
    let maximum = getrlimit(of).maximum;
    let current = maximum.map_or(most, |maximum| maximum.min(most));
    let _ = setrlimit(of, Rlimit { current: Some(current), maximum });
}
