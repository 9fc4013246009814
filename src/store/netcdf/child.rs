//! The process that reads a foreign file, as this process sees it. Whatever happens to it, this one says so in a sentence: it has
//! crashed (the file is damaged), it makes no progress, or it answers.

use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{self, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::super::Limits;
use super::super::error::{Error, Result};
use super::super::limits::Launcher;
use super::source::{Chunks, Slab, Source, Survey};
use super::wire::{Answer, Request, bytes_of, framed, receive};

/// How often it is seen whether there is word.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// After so many ticks without word the reading is given up: five minutes, for a disk may be slow. Processor time without progress
/// ends the process much earlier.
const MOST_TICKS: u32 = 3000;
/// What a pipe may hold, so that both ends can work at once.
#[cfg(target_os = "linux")]
const PIPE: usize = 1 << 20;

/// An open file in a process of its own.
pub(super) struct Child<'a> {
    path: &'a Path,
    /// Handed on at the end.
    process: Option<Process>,
    survey: Survey,
    /// The slab that has been asked for already.
    ahead: Option<(usize, Slab)>,
}

impl<'a> Child<'a> {
    /// Starts the process and opens the file in it.
    pub(super) fn open(path: &'a Path, limits: &Limits, launcher: Launcher, deep: bool) -> Result<Self> {
        let request = Request::Open { path: bytes_of(path), max_bytes: limits.max_bytes, deep };
        // one that another file may have hurt is not asked about this one; and what has happened to an idle one is nobody's fault
        let idle = lock(&IDLE).take().filter(|(last, _)| last == path).map(|(_, process)| process);
        if let Some(mut process) = idle {
            match process.ask(path, "", Some(&request)) {
                Ok(Answer::Opened(survey)) => return Ok(Self { path, process: Some(process), survey, ahead: None }),
                Err(error) if process.owes == 0 => return Err(error),
                _ => {}
            }
        }
        let mut process =
            Process::start(launcher).map_err(|e| Error::io(path, "start the process that reads it", &e))?;
        match process.ask(path, "it was opened", Some(&request))? {
            Answer::Opened(survey) => Ok(Self { path, process: Some(process), survey, ahead: None }),
            other => Err(unasked(path, &other)),
        }
    }

    fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().ok_or_else(|| Error::content(self.path, "the process that reads it is gone"))
    }

    fn doing(&self, at: usize) -> String {
        format!("`{}` was read", self.survey.arrays[at].path)
    }

    fn asked(&mut self, at: usize, request: &Request) -> Result<Answer> {
        let (doing, path) = (self.doing(at), self.path);
        self.process()?.ask(path, &doing, Some(request))
    }
}

impl Drop for Child<'_> {
    fn drop(&mut self) {
        if let Some(process) = self.process.take().filter(|process| process.owes == 0) {
            *lock(&IDLE) = Some((self.path.to_path_buf(), process));
        }
    }
}

/// The process that has read the last file: most files are opened several times, to see what they are, for their times, and for
/// their values.
static IDLE: Mutex<Option<(PathBuf, Process)>> = Mutex::new(None);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Source for Child<'_> {
    fn survey(&self) -> &Survey {
        &self.survey
    }

    fn admit(&mut self, at: usize) -> Result<Chunks> {
        match self.asked(at, &Request::Admit(at))? {
            Answer::Admitted(chunks) => Ok(chunks),
            other => Err(unasked(self.path, &other)),
        }
    }

    fn texts(&mut self, at: usize) -> Result<Vec<String>> {
        match self.asked(at, &Request::Texts(at))? {
            Answer::Texts(texts) => Ok(texts),
            other => Err(unasked(self.path, &other)),
        }
    }

    fn block(&mut self, at: usize, slab: &Slab, next: Option<&Slab>, into: &mut [u8]) -> Result<()> {
        let (doing, path) = (self.doing(at), self.path);
        let request = |slab: &Slab| Request::Block(at, slab.clone());
        let asked = self.ahead.take().is_some_and(|(of, ahead)| (of, &ahead) == (at, slab));
        self.ahead = next.map(|next| (at, next.clone()));
        let process = self.process()?;
        if !asked {
            process.send(path, &doing, &request(slab))?;
        }
        if let Some(next) = next {
            process.send(path, &doing, &request(next))?;
        }
        match process.ask(path, &doing, None)? {
            Answer::Block(bytes) if bytes == into.len() as u64 => process.fill(path, &doing, into),
            other => Err(unasked(path, &other)),
        }
    }
}

fn unasked(path: &Path, answer: &Answer) -> Error {
    Error::content(path, format!("the process that reads it answered {answer:?} to something else"))
}

/// A process and the pipes to it. It ends with this.
struct Process {
    child: process::Child,
    input: ChildStdin,
    output: ChildStdout,
    /// The requests that it has not answered.
    owes: usize,
}

impl Process {
    fn start(launcher: Launcher) -> io::Result<Self> {
        let mut command = (launcher.0)()?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // no code of others, and no interrupts: those are for this process to judge
        command.env("HDF5_PLUGIN_PRELOAD", "::").process_group(0);
        let mut child = command.spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(input), Some(output)) => {
                #[cfg(target_os = "linux")]
                let _ = rustix::pipe::fcntl_setpipe_size(&output, PIPE);
                Ok(Self { child, input, output, owes: 0 })
            }
            _ => Err(io::Error::other("it has no pipes")),
        }
    }

    /// Sends a request.
    fn send(&mut self, path: &Path, doing: &str, request: &Request) -> Result<()> {
        self.owes += 1;
        let sent = framed(request).and_then(|frame| self.input.write_all(&frame));
        sent.map_err(|_| self.ended(path, doing))
    }

    /// Sends a request, if there is one, and waits for an answer.
    fn ask(&mut self, path: &Path, doing: &str, request: Option<&Request>) -> Result<Answer> {
        if let Some(request) = request {
            self.send(path, doing, request)?;
        }
        loop {
            let answer = receive(&mut Patient { output: &mut self.output });
            match answer.map_err(|error| self.failed(path, doing, &error))? {
                Answer::Working => {}
                Answer::Failed(error) => {
                    self.owes -= 1;
                    return Err(error);
                }
                other => {
                    self.owes -= 1;
                    return Ok(other);
                }
            }
        }
    }

    /// Takes the bytes that follow an answer.
    fn fill(&mut self, path: &Path, doing: &str, into: &mut [u8]) -> Result<()> {
        self.owes += 1;
        let filled = Patient { output: &mut self.output }.read_exact(into);
        filled.map_err(|error| self.failed(path, doing, &error))?;
        self.owes -= 1;
        Ok(())
    }

    fn failed(&mut self, path: &Path, doing: &str, error: &io::Error) -> Error {
        if error.kind() == io::ErrorKind::TimedOut {
            let _ = self.child.kill();
            return stuck(path, doing, "nothing came of it for five minutes");
        }
        self.ended(path, doing)
    }

    /// What the end of the process means.
    fn ended(&mut self, path: &Path, doing: &str) -> Error {
        match self.reap() {
            Some(status) => meaning(path, doing, status),
            None => stuck(path, doing, "the process that reads it does not answer"),
        }
    }

    /// Ends the process, and takes what is left of it; none where the system does not let it go.
    fn reap(&mut self) -> Option<ExitStatus> {
        // one that has closed its pipes is about to end by itself, and then says why
        for wait in 0..200 {
            if wait == 100 {
                let _ = self.child.kill();
            }
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Err(_) => return None,
            }
        }
        None
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        // a process that waits for a dead disk cannot be ended, and is not waited for
        for _ in 0..200 {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(1)),
                _ => return,
            }
        }
    }
}

/// Output that is waited for, but not for ever. Time in which this process itself was stopped does not count.
struct Patient<'a> {
    output: &'a mut ChildStdout,
}

impl Read for Patient<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        for _ in 0..MOST_TICKS {
            let mut ready = [PollFd::new(self.output, PollFlags::IN)];
            match poll(&mut ready, Some(&TICK)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return self.output.read(into),
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

fn meaning(path: &Path, doing: &str, status: ExitStatus) -> Error {
    const XCPU: i32 = 24;
    const KILL: i32 = 9;
    let damaged = "the file seems to be damaged: copy or make it again";
    match (status.signal(), status.code()) {
        (Some(XCPU), _) => stuck(path, doing, "it took seconds of processor time without progress"),
        (Some(KILL), _) => stuck(path, doing, "the process that reads it was killed (signal 9)"),
        (Some(signal), _) => {
            let name = NAMES.iter().find(|(number, _)| *number == signal).map_or("", |(_, name)| name);
            let message = format!("the process that reads it crashed while {doing} (signal {signal}{name})");
            Error::data(path, message, damaged)
        }
        (None, code) => {
            let code = code.unwrap_or(-1);
            let message = format!("the process that reads it ended while {doing} (exit code {code})");
            Error::data(path, message, damaged)
        }
    }
}

fn stuck(path: &Path, doing: &str, what: &str) -> Error {
    let message = format!("could not be read: {what} while {doing}");
    Error::resource(path, message, "try again; if it stays so the file is damaged: copy or make it again")
}

/// Signals by which damaged files end programs.
const NAMES: [(i32, &str); 5] =
    [(4, ", SIGILL"), (6, ", SIGABRT"), (7, ", SIGBUS"), (8, ", SIGFPE"), (11, ", SIGSEGV")];
